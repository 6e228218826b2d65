"""Dataset: what is in it, what is wrong with it, and its images."""

from dataclasses import dataclass
from typing import Any

from nicegui import ui

from viewfinder.errors import InputError
from viewfinder.service.library import analyses, datasets
from viewfinder.service.library import gallery as library_gallery
from viewfinder.service.library.gallery import Asked, Page, Picture
from viewfinder.service.library.library import Library
from viewfinder.store import Dataset
from viewfinder.web import dataset_charts, gallery
from viewfinder.web.frame import card, fact, heading, off_loop, page
from viewfinder.web.undo import delete_button


@dataclass(frozen=True)
class Content:
    """What the page shows; `pictures` are those of the findings' examples, by name."""

    row: Dataset
    summary: dict[str, Any]
    images: Page
    pictures: dict[str, Picture]


def content(library: Library, identity: str, asked: Asked, number: int) -> Content:
    """Read it; raise NotFoundError when there is no such dataset."""
    row = library.get(Dataset, identity)
    summary = datasets.summary(library, row)
    files = [one["file"] for group in summary["diagnostics"] for one in group["examples"] if one["file"]]
    return Content(
        row,
        summary,
        library_gallery.page(library, row, asked, number),
        library_gallery.pictures(library, row, files),
    )


async def dataset(library: Library, identity: str, asked: Asked, number: int) -> None:
    """Build the page of a dataset; what is asked of the gallery, and its page, stand in the address."""
    found = await off_loop(content, library, identity, asked, number)
    row, summary = found.row, found.summary
    with page(row.name, [(row.name, f"/datasets/{row.id}")]):
        _head(library, row)
        with card(), ui.row().classes("gap-8"):
            fact("Images", f"{summary['images']:,}")
            fact("Classes", f"{len(summary['classes']):,}")
            if summary["objects"] is not None:
                fact("Objects", f"{summary['objects']:,}")
            fact("Format", row.format)
        _findings(found)
        dataset_charts.charts(summary)
        gallery.images(row, found.images, asked, summary)


async def image(library: Library, identity: str, asked: Asked, name: str) -> None:
    """Build the page of one of its images; raise NotFoundError when there is no such one."""
    row = await off_loop(library.get, Dataset, identity)
    found = await off_loop(library_gallery.one, library, row, name, asked)
    with page(f"{name} in {row.name}", [(row.name, f"/datasets/{row.id}")]):
        gallery.in_full(row, found, asked)


def _head(library: Library, row: Dataset) -> None:
    async def begin() -> None:
        made = await off_loop(analyses.create, library, row)
        ui.navigate.to(f"/analyses/{made.id}")

    async def save() -> None:
        try:
            await off_loop(datasets.rename, library, row.id, name.value or "")
        except InputError as error:
            name.props["error-message"] = str(error)
            name.props("error")
            return
        ui.navigate.reload()

    def edit(on: bool) -> None:
        shown.visible, editing.visible = not on, on
        if on:
            name.run_method("select")

    with ui.row().classes("w-full items-center justify-between"):
        with ui.row().classes("items-center gap-1") as shown:
            heading(row.name)
            ui.button(icon="edit", on_click=lambda: edit(True)).props('flat round dense aria-label="Rename"').tooltip(
                "Rename"
            )
        with ui.row().classes("items-start gap-2") as editing:
            name = ui.input("Name of the dataset", value=row.name).props("outlined dense").classes("w-72")
            name.on("keydown.enter", save).on("keydown.esc", lambda: edit(False))
            ui.button("Save", on_click=save).props("unelevated no-caps")
            ui.button("Cancel", on_click=lambda: edit(False)).props("flat no-caps")
        editing.visible = False
        with ui.row().classes("items-center gap-2"):
            delete_button(library, row, "/")
            ui.button("Design a training", on_click=begin).props("unelevated no-caps")


def _findings(found: Content) -> None:
    groups = found.summary["diagnostics"]
    with card():
        heading("What is wrong with it" if groups else "Nothing is wrong with it", 2)
        for group in groups:
            with ui.expansion(gallery.title(group)).props("dense").classes("w-full"):
                _group(found, group)


def _group(found: Content, group: dict[str, Any]) -> None:
    of_files = [one for one in group["examples"] if one["file"]]
    for one in group["examples"]:
        if not one["file"]:
            ui.label(one["reason"]).classes("text-sm")
    with ui.element("div").classes("vf-findings"):
        for one in of_files:
            with ui.element("figure"):
                gallery.small(found.row, found.pictures[one["file"]])
                with ui.element("figcaption"):
                    ui.label(one["file"])
                    ui.label(one["reason"]).classes("vf-soft")
    if of_files:
        target = gallery.address(found.row, Asked(problem=gallery.key(group)))
        ui.link(f"Show all {group['count']:,}" if group["count"] > 1 else "Show it in the gallery", target)
    elif group["count"] > len(group["examples"]):
        ui.label(f"… and {group['count'] - len(group['examples']):,} more").classes("vf-soft text-sm")
