"""Add a dataset: a folder or a zip on this machine, or dropped files."""

from collections.abc import Callable
from typing import Any

from nicegui import ui
from nicegui.element import Element

from viewfinder.errors import InputError, NotFoundError
from viewfinder.service.library import imports, uploads
from viewfinder.service.library.imports import Import
from viewfinder.service.library.library import Library
from viewfinder.web.frame import card, heading, link_button, off_loop, page

READ = (
    "Image classification: a folder for each class, or a table with an image and a class column. "
    "Object detection: COCO JSON, Pascal VOC, or a table with lists of boxes. All of them also as a zip."
)


class Upload(Element, component="upload.js"):
    """Sends files from the browser; `sent` is called with the upload's id and a name for it.

    `upload` is the id of one that was begun before: of its files, only the rest is sent.
    """

    def __init__(self, sent: Callable[[str, str], Any], upload: str) -> None:
        super().__init__()
        self.props["upload"] = upload
        self.on("sent", lambda event: sent(event.args["id"], event.args["name"]))


async def add(library: Library, upload: str = "") -> None:
    """Build the page; `upload` is the id of one that was begun before."""
    upload = await off_loop(_existing, library, upload)
    waiting = [one for one in await off_loop(imports.unfinished, library) if one.interrupted]

    async def of_path() -> None:
        wrong.text = ""
        try:
            begun = await off_loop(imports.of_path, library, path.value or "")
        except InputError as error:
            wrong.text = str(error)
            return
        ui.navigate.to(f"/imports/{begun.id}")

    async def of_upload(identity: str, name: str) -> None:
        try:
            begun = await off_loop(imports.of_upload, library, identity, name)
        except InputError as error:
            ui.notify(str(error), type="negative")
            return
        ui.navigate.to(f"/imports/{begun.id}")

    with page("Add a dataset"):
        heading("Add a dataset")
        ui.label(READ).classes("vf-soft")
        for one in waiting:
            with card(), ui.row().classes("items-center"):
                ui.label(f"The import of {one.name} was interrupted.")
                ui.link("Go on", f"/imports/{one.id}")
        with card():
            heading("From this browser", 2)
            Upload(of_upload, upload)
        with card():
            heading("From the server's disk", 2)
            with ui.row().classes("w-full items-center no-wrap"):
                path = ui.input("Path of a folder or file").props("outlined dense").classes("grow")
                path.on("keydown.enter", of_path)
                ui.button("Import", on_click=of_path).props("unelevated no-caps")
            wrong = ui.label().classes("vf-wrong").props("role=alert")


def _existing(library: Library, upload: str) -> str:
    try:
        return uploads.folder_of(library, upload).name if upload else ""
    except NotFoundError:
        return ""


async def importing(library: Library, identity: str) -> None:
    """Build the page of an import: how far it is, or how to start it again."""
    begun = await off_loop(imports.get, library, identity)
    with page(f"Importing {begun.name}"):
        heading(f"Importing {begun.name}")
        if begun.interrupted:
            _interrupted(library, begun)
        else:
            _progress(begun)


def _progress(begun: Import) -> None:
    with card():
        state = ui.label("Looking at the files").props("role=status")
        bar = ui.linear_progress(0, show_value=False).props('aria-label="Progress"')
        error = ui.label().classes("vf-wrong").props("role=alert")
        back = link_button("Add another", "/datasets/new", "add")
        back.visible = False

    def refresh() -> None:
        if begun.total:
            state.text = f"{begun.done:,} of {begun.total:,} {begun.doing}"
            bar.value = round(begun.done / begun.total, 3)
        if begun.dataset:
            ui.navigate.to(f"/datasets/{begun.dataset.id}")
        elif begun.error:
            state.text, error.text = "It could not be imported.", begun.error
            bar.visible, back.visible = False, True
            timer.deactivate()

    timer = ui.timer(0.3, refresh)


def _interrupted(library: Library, begun: Import) -> None:
    async def go_on() -> None:
        try:
            await off_loop(imports.again, library, begun.id)
        except InputError as error:
            wrong.text = str(error)
            return
        ui.navigate.reload()

    async def give_up() -> None:
        try:
            await off_loop(imports.give_up, library, begun.id)
        except InputError as error:
            wrong.text = str(error)
            return
        ui.navigate.to("/")

    with card():
        ui.label("It was interrupted: the server ended while it read the files. They are still here.").props(
            "role=status"
        )
        with ui.row():
            ui.button("Start again", on_click=go_on).props("unelevated no-caps")
            ui.button("Give it up", on_click=give_up).props("flat no-caps")
        wrong = ui.label().classes("vf-wrong").props("role=alert")
