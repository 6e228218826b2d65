"""Analysis ▸ Design: the training is tailored here, tab by tab, or accepted as it is."""

import secrets
from collections.abc import Callable

from nicegui import ui

from viewfinder.errors import InputError
from viewfinder.service.library import runs
from viewfinder.service.library.library import Library
from viewfinder.web import tabs
from viewfinder.web.editing import Editing
from viewfinder.web.frame import card, fact, heading, off_loop, page
from viewfinder.web.training import training

TABS: dict[str, tuple[str, Callable[[Editing], None]]] = {
    "target": ("Target", tabs.target),
    "split": ("Train / Test", tabs.split),
    "metrics": ("Metrics", tabs.metrics),
    "augmentation": ("Data augmentation", tabs.augmentation),
    "training": ("Training", training),
    "runtime": ("Runtime", tabs.runtime),
}
REDRAWN = {"training.model", "training.schedule"}  # after these, other settings are shown


async def design(library: Library, identity: str, tab: str) -> None:
    """Build the page of an analysis's design; the tab stands in the address."""
    editing = await off_loop(Editing.load, library, identity)
    name = editing.analysis.name
    tab = tab if tab in TABS else "training"
    with page(f"Design of {name}", [(name, f"/analyses/{identity}")]):
        with ui.row().classes("w-full items-center justify-between"):
            heading(f"Design of {name}")
            ui.button("Train", icon="play_arrow", on_click=lambda: _ask(editing)).props("unelevated no-caps size=lg")
        _sentence(editing)
        with ui.row().classes("vf-tabs w-full").props("role=navigation"):
            for key, (title, _) in TABS.items():
                link = ui.link(title, f"/analyses/{identity}?tab={key}").classes("vf-tab")
                link.props("aria-current=page" if key == tab else "")
        _content(editing, TABS[tab][1])


def _sentence(editing: Editing) -> None:
    sentence = ui.label(editing.outlook.sentence).classes("text-lg").props("role=status")
    editing.on_change(lambda: sentence.set_text(editing.outlook.sentence))


def _content(editing: Editing, build: Callable[[Editing], None]) -> None:
    @ui.refreshable
    def content() -> None:
        build(editing)

    content()
    editing.on_change(content.refresh, REDRAWN)


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

    with ui.dialog() as dialog, card():
        heading("Train", 2)
        name = ui.input("Name", placeholder="Run").props("outlined dense autofocus").classes("w-full")
        ui.label(editing.outlook.sentence)
        fact("Expected", editing.outlook.time)
        wrong = ui.label().classes("vf-wrong").props("role=alert")
        with ui.row().classes("w-full justify-end"):
            ui.button("Cancel", on_click=dialog.close).props("flat no-caps")
            ui.button("Start", on_click=start).props("unelevated no-caps")
    dialog.open()
