"""Add a dataset: a folder on this machine, or dropped files."""

from collections.abc import Callable
from typing import Any

from nicegui import ui
from nicegui.element import Element

from viewfinder.errors import InputError
from viewfinder.service.library import imports
from viewfinder.service.library.library import Library
from viewfinder.web.frame import card, heading, off_loop, page

READ = (
    "Image classification: a folder for each class, or a table with an image and a class column. "
    "Object detection: COCO JSON, Pascal VOC, or a table with lists of boxes."
)


class Upload(Element, component="upload.js"):
    """Sends files from the browser; `sent` is called with the upload's id and a name for it."""

    def __init__(self, sent: Callable[[str, str], Any]) -> None:
        super().__init__()
        self.on("sent", lambda event: sent(event.args["id"], event.args["name"]))


async def add(library: Library) -> None:
    """Build the page."""

    async def of_path() -> None:
        wrong.text = ""
        try:
            begun = await off_loop(imports.of_path, library, path.value or "")
        except InputError as error:
            wrong.text = str(error)
            return
        ui.navigate.to(f"/imports/{begun.id}")

    async def of_upload(identity: str, name: str) -> None:
        begun = await off_loop(imports.of_upload, library, identity, name)
        ui.navigate.to(f"/imports/{begun.id}")

    with page("Add a dataset"):
        heading("Add a dataset")
        ui.label(READ).classes("vf-soft")
        with card():
            heading("From this browser", 2)
            Upload(of_upload)
        with card():
            heading("From the server's disk", 2)
            with ui.row().classes("w-full items-center no-wrap"):
                path = ui.input("Path of a folder or file").props("outlined dense").classes("grow")
                path.on("keydown.enter", of_path)
                ui.button("Import", on_click=of_path).props("unelevated no-caps")
            wrong = ui.label().classes("vf-wrong").props("role=alert")


async def importing(library: Library, identity: str) -> None:
    """Build the page of an import that is going on."""
    begun = imports.get(library, identity)
    with page(f"Importing {begun.name}"):
        heading(f"Importing {begun.name}")
        with card():
            state = ui.label("Looking at the files").props("role=status")
            bar = ui.linear_progress(0, show_value=False).props('aria-label="Progress"')
            error = ui.label().classes("vf-wrong").props("role=alert")

        def refresh() -> None:
            if begun.total:
                state.text = f"{begun.done:,} of {begun.total:,} images read"
                bar.value = round(begun.done / begun.total, 3)
            if begun.dataset:
                ui.navigate.to(f"/datasets/{begun.dataset.id}")
            elif begun.error:
                state.text, error.text = "It could not be imported.", begun.error
                timer.deactivate()

        timer = ui.timer(0.3, refresh)
