"""Analysis ▸ Design: the training is tailored here, tab by tab, or accepted as it is."""

import secrets
from collections.abc import Callable

from nicegui import ui

from viewfinder.errors import InputError
from viewfinder.service.library import runs
from viewfinder.service.library.library import Library
from viewfinder.web import tabs
from viewfinder.web.augmentation import augmentation
from viewfinder.web.editing import Editing
from viewfinder.web.frame import card, fact, heading, link_button, off_loop, page, titled_dialog
from viewfinder.web.text import command_dialog, text_dialog
from viewfinder.web.training import training
from viewfinder.web.undo import delete_button

TABS: dict[str, tuple[str, Callable[[Editing], None]]] = {
    "target": ("Target", tabs.target),
    "split": ("Train / Test", tabs.split),
    "metrics": ("Metrics", tabs.metrics),
    "augmentation": ("Data augmentation", augmentation),
    "training": ("Training", training),
    "runtime": ("Runtime", tabs.runtime),
}
REDRAWN = {"training.model", "training.schedule", "metrics.optimize", "target.classes"}
"""After these a tab shows other settings, or a choice that has no field."""
FOLLOW_S = 1.0


async def design(library: Library, identity: str, tab: str) -> None:
    """Build the page of an analysis's design; the tab stands in the address."""
    tab = tab if tab in TABS else "training"
    editing = await off_loop(Editing.load, library, identity, tab)
    name = editing.analysis.name
    with page(f"Design of {name}", [(name, f"/analyses/{identity}")]):
        with ui.row().classes("w-full items-center justify-between"):
            heading(f"Design of {name}")
            with ui.row().classes("gap-2 items-center"):
                link_button("Runs", f"/analyses/{identity}/runs", "list", "flat")
                delete_button(editing.library, editing.analysis, "/")
                ui.button("As text", icon="notes", on_click=lambda: text_dialog(editing)).props("flat no-caps")
                command = ui.button("As command", icon="terminal", on_click=lambda: command_dialog(editing))
                command.props("flat no-caps")
                train = ui.button("Train", icon="play_arrow", on_click=lambda: _ask(editing))
                train.props("unelevated no-caps size=lg")
        _sentence(editing)
        with ui.row().classes("vf-tabs w-full").props("role=navigation"):
            for key, (title, _) in TABS.items():
                link = ui.link(title, f"/analyses/{identity}?tab={key}").classes("vf-tab")
                link.props("aria-current=page" if key == tab else "")
        place = ui.column().classes("w-full gap-5")
        _back_to_default(editing, tab)
        with place:
            _content(editing, tab)
        ui.timer(FOLLOW_S, editing.follow)


def _sentence(editing: Editing) -> None:
    sentence = ui.label(editing.outlook.sentence).classes("text-lg").props("role=status")
    editing.on_change(lambda: sentence.set_text(editing.outlook.sentence))


def _content(editing: Editing, tab: str) -> None:
    first = True

    @ui.refreshable
    def content() -> None:
        nonlocal first
        editing.drawing(first)
        first = False
        TABS[tab][1](editing)

    editing.on_change(lambda: content.refresh(), REDRAWN)
    content()


def _back_to_default(editing: Editing, section: str) -> None:
    """Offer to undo everything that was changed on a tab, and to undo that."""
    title = TABS[section][0]
    before: list[dict[str, object]] = []

    async def reset() -> None:
        values = {key: value for key, value in editing.analysis.design.items() if key != section}
        before.append(editing.analysis.design)
        if refused := await editing.change_whole(values):
            before.pop()
            ui.notify(refused.text, type="negative")
            return
        with slot, card(), ui.row().classes("items-center gap-4"):
            ui.label(f"{title} is back to the default.")
            ui.button("Undo", on_click=undo).props("flat no-caps")

    async def undo() -> None:
        if refused := await editing.change_whole(dict(before[-1])):
            ui.notify(refused.text, type="negative")
        slot.clear()

    slot = ui.column().classes("w-full")
    button = ui.button(f"{title}: back to the default", icon="undo", on_click=reset).props("flat no-caps")

    def show() -> None:
        button.visible = bool(editing.analysis.design.get(section))

    show()
    editing.on_change(show)


async def _ask(editing: Editing) -> None:
    request = secrets.token_hex(8)  # of this dialog: pressed twice, Start starts once

    pressed = False

    async def start() -> None:
        nonlocal pressed
        if pressed:
            return
        pressed, wrong.text = True, ""
        try:
            made = await off_loop(runs.create, editing.library, editing.analysis, name.value or "", request)
        except InputError as error:
            pressed, wrong.text = False, str(error)
            return
        ui.navigate.to(f"/runs/{made.id}")

    waiting = await off_loop(runs.unfinished, editing.library)
    with titled_dialog("Train") as dialog:
        name = ui.input("Name", placeholder="Run").props("outlined dense autofocus").classes("w-full")
        ui.label(editing.outlook.sentence)
        with ui.row().classes("gap-8"):
            fact("Expected", editing.outlook.time)
            fact("Devices", str(editing.design.runtime.devices))
        if missing := editing.outlook.device_warning:
            with ui.row().classes("items-center no-wrap gap-2"):
                ui.icon("warning").classes("vf-warning")
                ui.label(missing)
        if waiting:
            ui.label(f"It waits until {waiting[-1].name} is done: runs are trained one after the other.")
        wrong = ui.label().classes("vf-wrong").props("role=alert")
        with ui.row().classes("w-full justify-end"):
            ui.button("Cancel", on_click=dialog.close).props("flat no-caps")
            ui.button("Start", on_click=start).props("unelevated no-caps")
    dialog.open()
