"""System: the disk, the queue, the trash, API tokens, copies of the database, versions."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nicegui import run, ui

from viewfinder.errors import InputError
from viewfinder.report.html import moment
from viewfinder.service.library import access, runs, system, trash
from viewfinder.service.library.library import Library
from viewfinder.service.library.system import Disk
from viewfinder.store import Run, Token
from viewfinder.web.frame import card, fact, heading, off_loop, page, titled_dialog
from viewfinder.web.tables import link_cells, table
from viewfinder.web.tokens import Tokens
from viewfinder.words import megabytes

PAGES = {"dataset": "/datasets/", "run": "/runs/", "saved model": "/models/"}


@dataclass(frozen=True)
class Content:
    """What the page shows at once; the disk follows."""

    queue: list[Run]
    trash: list[trash.Item]
    tokens: list[Token]
    backups: list[tuple[str, int]]
    versions: dict[str, str]


def content(library: Library) -> Content:
    """Read it."""
    copies = [(path.name, path.stat().st_size) for path in system.backups(library)]
    tokens = access.tokens(library)
    return Content(runs.unfinished(library), trash.items(library), tokens, copies, system.versions())


async def system_page(library: Library) -> None:
    """Build the page."""
    found = await off_loop(content, library)
    with page("System", [("System", "/system")]):
        heading("System")
        _queue(library, found.queue)
        _trash(library, found.trash)
        Tokens(library, found.tokens).build()
        _backups(library, found.backups)
        _versions(library, found.versions)
        _disk(library)  # the last, since it grows when it is counted: nothing moves away from under the mouse


async def _try(work: Callable[..., Any], *args: Any) -> None:
    """Do something, then show the page anew; say what is wrong instead."""
    try:
        await run.io_bound(work, *args)
    except InputError as error:
        ui.notify(str(error), type="negative")
        return
    ui.navigate.to("/system")


# -- queue ------------------------------------------------------------------------------------------------------------


def _queue(library: Library, waiting: list[Run]) -> None:
    with card():
        heading("Queue", 2)
        if not waiting:
            ui.label("Nothing is training or waiting.").classes("vf-soft")
        for row in waiting:
            with ui.row().classes("w-full items-center gap-3"):
                ui.spinner(size="1.2em") if row.state == "running" else ui.icon("schedule")
                ui.link(row.name, f"/runs/{row.id}").classes("vf-cell")
                ui.label("training" if row.state == "running" else "waiting").classes("vf-soft grow")
                button = ui.button("Stop", icon="stop", on_click=lambda row=row: _try(runs.stop, library, row))
                button.props("outline dense no-caps")._props["aria-label"] = f"Stop {row.name}"


# -- disk -------------------------------------------------------------------------------------------------------------


def _disk(library: Library) -> None:
    """Show what the disk holds, as soon as it is counted."""
    with card():
        with ui.row().classes("w-full items-center justify-between"):
            heading("Disk", 2)
            clear = ui.button("Clear caches", icon="cleaning_services").props("outline no-caps")
        waiting = ui.label("Counting").classes("vf-soft").props("role=status")
        place = ui.column().classes("w-full gap-3")

    async def show() -> None:
        found = await off_loop(system.disk, library)
        waiting.visible = False
        place.clear()
        with place:
            _uses(found)

    async def cleared() -> None:
        freed = await off_loop(system.clear_caches, library)
        ui.notify(f"{megabytes(freed)} cleared. Thumbnails are made again when they are looked at.")
        await show()

    clear.on_click(cleared)
    ui.timer(0.05, show, once=True)


def _uses(found: Disk) -> None:
    with ui.row().classes("gap-8"):
        fact("Used by Viewfinder", megabytes(sum(use.bytes for use in found.uses)))
        fact("Free", megabytes(found.free))
    rows = [
        {
            "id": f"{use.kind}{use.id}", "name": use.name, "kind": use.kind, "size": megabytes(use.bytes),
            "bytes": use.bytes, "href": f"{PAGES[use.kind]}{use.id}" if use.id else "",
        }
        for use in found.uses
    ]  # fmt: skip
    columns = {"name": "Name", "kind": "What", "size": "Size"}
    shown = table(columns, rows, right=("size",), by={"size": "bytes"}, key="id", at_once=15)
    link_cells(shown, "name")


# -- trash ------------------------------------------------------------------------------------------------------------


def _trash(library: Library, items: list[trash.Item]) -> None:
    with card():
        heading("Trash", 2)
        if not items:
            ui.label("The trash is empty.").classes("vf-soft")
        for item in items:
            with ui.row().classes("w-full items-center gap-x-3 gap-y-1"):
                ui.label(item.name).classes("font-bold vf-cell")
                ui.label(f"{item.kind}, until {moment(item.until)}").classes("vf-soft grow")
                restore = ui.button("Restore", on_click=lambda item=item: _restore(library, item))
                restore.props("outline dense no-caps")._props["aria-label"] = f"Restore {item.name}"
                now = ui.button("Delete now", on_click=lambda item=item: _confirm(library, item))
                now.props("flat dense no-caps")._props["aria-label"] = f"Delete {item.name} now"


async def _restore(library: Library, item: trash.Item) -> None:
    await _try(trash.restore, library, item.kind, item.id)


def _confirm(library: Library, item: trash.Item) -> None:
    """Ask first: this cannot be undone."""
    with titled_dialog(f"Delete '{item.name}' for good?") as dialog:
        ui.label("Its files are removed. This cannot be undone.")
        with ui.row().classes("w-full justify-end"):
            ui.button("Cancel", on_click=dialog.close).props("flat no-caps autofocus")
            remove = ui.button("Delete for good", on_click=lambda: _try(trash.remove, library, item.kind, item.id))
            remove.props("unelevated no-caps color=negative")
    dialog.open()


# -- copies and versions ----------------------------------------------------------------------------------------------


def _backups(library: Library, copies: list[tuple[str, int]]) -> None:
    with card():
        with ui.row().classes("w-full items-center justify-between"):
            heading("Copies of the database", 2)
            ui.button("Back up now", icon="save", on_click=lambda: _try(system.back_up, library)).props(
                "outline no-caps"
            )
        where = f"They lie in {library.home / 'backups'}. Images, runs and models are files beside it: copy the folder."
        ui.label(where).classes("vf-soft text-sm vf-cell")
        for name, size in copies[:10]:
            ui.link(f"{name} ({megabytes(size)})", f"/files/backups/{name}").classes("vf-cell")


def _versions(library: Library, versions: dict[str, str]) -> None:
    with card():
        heading("Versions", 2)
        with ui.grid(columns="auto 1fr").classes("gap-x-6 gap-y-1"):
            for name, value in {**versions, "Data (VIEWFINDER_HOME)": str(library.home)}.items():
                ui.label(name).classes("vf-soft")
                ui.label(value).classes("vf-cell")
