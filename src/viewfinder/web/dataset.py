"""Dataset: what is in it, what is wrong with it, and its images."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from nicegui import ui

from viewfinder.data.check import summarise
from viewfinder.service.library import analyses, datasets, gallery
from viewfinder.service.library.library import Library
from viewfinder.store import Dataset
from viewfinder.web.chart import axis, chart
from viewfinder.web.frame import card, fact, heading, off_loop, page
from viewfinder.words import plural

SEVERITIES = {"error": "Left out", "warning": "To look at", "info": "To know"}


@dataclass(frozen=True)
class Content:
    """What the page shows."""

    row: Dataset
    summary: dict[str, Any]
    images: gallery.Page


def content(library: Library, identity: str, shows: str | None, number: int) -> Content:
    """Read it; raise StoreError when there is no such dataset."""
    row = library.get(Dataset, identity)
    return Content(row, summarise(datasets.index(library, row)), gallery.page(library, row, shows, number))


async def dataset(library: Library, identity: str, shows: str | None, number: int) -> None:
    """Build the page of a dataset; class and page of the gallery stand in the address."""
    found = await off_loop(content, library, identity, shows, number)
    row, summary = found.row, found.summary

    async def begin() -> None:
        made = await off_loop(analyses.create, library, row)
        ui.navigate.to(f"/analyses/{made.id}")

    with page(row.name, [(row.name, f"/datasets/{row.id}")]):
        with ui.row().classes("w-full items-center justify-between"):
            heading(row.name)
            ui.button("Design a training", on_click=begin).props("unelevated no-caps")
        with card(), ui.row().classes("gap-8"):
            fact("Images", f"{summary['images']:,}")
            fact("Classes", f"{len(summary['classes']):,}")
            if summary["objects"] is not None:
                fact("Objects", f"{summary['objects']:,}")
            fact("Format", row.format)
        _findings(summary["diagnostics"])
        _balance(summary)
        _gallery(found, shows)


def _findings(groups: list[dict[str, Any]]) -> None:
    with card():
        heading("What is wrong with it" if groups else "Nothing is wrong with it", 2)
        for group in groups:
            title = f"{SEVERITIES[group['severity']]}: {group['kind'].replace('_', ' ')} ({group['count']:,})"
            with ui.expansion(title).classes("w-full"):
                for one in group["examples"]:
                    ui.label(f"{one['file']}: {one['reason']}" if one["file"] else one["reason"]).classes("text-sm")
                if group["count"] > len(group["examples"]):
                    ui.label(f"… and {group['count'] - len(group['examples']):,} more").classes("vf-soft text-sm")


def _balance(summary: dict[str, Any]) -> None:
    counted = "objects" if summary["objects"] is not None else "images"
    rows = sorted(summary["classes"], key=lambda row: row[counted])[-40:]
    with card():
        heading(f"{counted.capitalize()} of each class", 2)
        bars = {"type": "bar", "data": [row[counted] for row in rows]}
        names = axis(type="category", data=[row["name"] for row in rows])
        chart([bars], axis(), names).style(f"height: {60 + 22 * len(rows)}px")


def _gallery(found: Content, shows: str | None) -> None:
    row, images = found.row, found.images

    def address(number: int, name: str | None) -> str:
        query = {"page": number, **({"shows": name} if name else {})}
        return f"/datasets/{row.id}?{urlencode(query)}"

    with card():
        with ui.row().classes("w-full items-center justify-between"):
            heading(plural(images.found, "image"), 2)
            ui.select(
                {"": "all classes", **{name: name for name in row.classes}},
                value=shows or "",
                label="Shows",
                on_change=lambda event: ui.navigate.to(address(1, event.value)),
            ).props("outlined dense").classes("w-56")
        with ui.element("div").classes("vf-gallery"):
            for image in images.rows:
                with ui.element("figure"):
                    ui.element("img").props(f"loading=lazy src=/files/datasets/{row.id}/{image['sha256']}.jpg")._props[
                        "alt"
                    ] = image["image"]
                    with ui.element("figcaption"):
                        ui.label(image.get("label") or str(image["image"]))
        with ui.row().classes("w-full items-center justify-center gap-4"):
            if images.number > 1:
                ui.link("Previous", address(images.number - 1, shows))
            ui.label(f"Page {images.number:,} of {images.pages:,}").classes("vf-soft")
            if images.number < images.pages:
                ui.link("Next", address(images.number + 1, shows))
