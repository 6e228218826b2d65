"""The images of a dataset on its page: filters, a page of small pictures, and each in full."""

from typing import Any
from urllib.parse import quote, urlencode

from nicegui import ui

from viewfinder.service.library import gallery
from viewfinder.service.library.gallery import Asked, One, Page, Picture
from viewfinder.store import Dataset
from viewfinder.web.frame import card, fact, heading, link_button
from viewfinder.words import plural

SEVERITIES = {"error": "Left out", "warning": "To look at", "info": "To know"}


def address(row: Dataset, asked: Asked, page: int = 1, image: str | None = None) -> str:
    """Return where these images are, or one of them in full."""
    given = {name: value for name, value in vars(asked).items() if value != getattr(Asked(), name) and value}
    query = urlencode({**given, **({"page": page} if page > 1 else {}), **({"image": image} if image else {})})
    return f"/datasets/{row.id}" + (f"?{query}" if query else "")


def title(group: dict[str, Any]) -> str:
    """Return the name of a group of findings: "Left out: corrupt image (1)"."""
    return f"{SEVERITIES[group['severity']]}: {group['kind'].replace('_', ' ')} ({group['count']:,})"


def key(group: dict[str, Any]) -> str:
    """Return what asks for the images of a group of findings."""
    return f"{group['severity']}.{group['kind']}"


def small(row: Dataset, picture: Picture) -> None:
    """Show an image small; a plain mark stands for what is none."""
    if not picture.is_image:
        ui.icon("description", size="3rem").classes("vf-none vf-soft")
    elif picture.sha256:
        _img(f"/files/datasets/{row.id}/{picture.sha256}.jpg", picture.image)
    else:
        _img(f"/files/datasets/{row.id}/left-out?image={quote(picture.image)}", picture.image)


def _img(source: str, alt: str) -> ui.element:
    shown = ui.element("img").props("loading=lazy decoding=async")
    shown.props["src"], shown.props["alt"] = source, alt
    return shown


def images(row: Dataset, found: Page, asked: Asked, summary: dict[str, Any]) -> None:
    """Build the gallery: filters, pictures, and the way to the next page."""
    with card("vf-images"):
        heading(plural(found.found, "image") if not asked.problem else plural(found.found, "file"), 2)
        _filters(row, asked, summary)
        if not found.rows:
            with ui.row().classes("items-center"):
                ui.label("There is none like that.").classes("vf-soft")
                link_button("Show all", address(row, Asked()), "filter_alt_off", "flat")
        with ui.element("div").classes("vf-gallery"):
            for picture in found.rows:
                _figure(row, picture, address(row, asked, found.number, picture.image))
        _turner(row, found, asked)
    if asked != Asked() or found.number > 1:
        ui.run_javascript("document.querySelector('.vf-images').scrollIntoView()")


def _figure(row: Dataset, picture: Picture, target: str) -> None:
    with ui.element("figure"), ui.link(target=target).classes("vf-link"):
        small(row, picture)
        with ui.element("figcaption"):
            if picture.classes:
                ui.label(picture.counted())
            ui.label(picture.image.rsplit("/", 1)[-1]).classes("vf-name")


def _filters(row: Dataset, asked: Asked, summary: dict[str, Any]) -> None:
    def go(**changed: Any) -> None:
        ui.navigate.to(address(row, Asked(**{**vars(asked), **changed})))

    def choice(label: str, name: str, options: dict[str, str]) -> None:
        known = options | ({value: value} if (value := getattr(asked, name) or "") not in options else {})
        ui.select(known, value=value, label=label, on_change=lambda event: go(**{name: event.value})).props(
            "outlined dense options-dense"
        ).classes("w-full sm:w-44")

    with ui.row().classes("w-full items-center gap-3"):
        choice("Shows", "shows", {"": "all classes"} | {name: name for name in row.classes})
        if summary["splits"]:
            counts = {name: f"{name} ({count:,})" for name, count in summary["splits"].items()}
            choice("Split", "split", {"": "all splits"} | counts)
        if groups := [group for group in summary["diagnostics"] if any(one["file"] for one in group["examples"])]:
            choice("Problem", "problem", {"": "with and without"} | {key(group): title(group) for group in groups})
        wanted = (
            ui.input("Name contains", value=asked.find).props("outlined dense debounce=0").classes("w-full sm:w-52")
        )
        wanted.on("keydown.enter", lambda: go(find=wanted.value or ""))
        with wanted.add_slot("append"):
            ui.button(icon="search", on_click=lambda: go(find=wanted.value or "")).props(
                'flat round dense aria-label="Search"'
            )
        choice("Order", "sort", dict(gallery.SORTS))


def _turner(row: Dataset, found: Page, asked: Asked) -> None:
    with ui.row().classes("w-full items-center justify-center gap-4"):
        if found.number > 1:
            ui.link("Previous", address(row, asked, found.number - 1))
        ui.label(f"Page {found.number:,} of {found.pages:,}").classes("vf-soft")
        if found.number < found.pages:
            ui.link("Next", address(row, asked, found.number + 1))


def in_full(row: Dataset, found: One, asked: Asked) -> None:
    """Build the page of one image; the arrow keys lead to the next, Escape back."""
    picture = found.picture
    back = address(row, asked, (found.number - 1) // gallery.PAGE + 1)
    beside = {"ArrowLeft": found.before, "ArrowRight": found.after}
    ways = {press: address(row, asked, image=name) for press, name in beside.items() if name} | {"Escape": back}

    def pressed(event: Any) -> None:
        if event.action.keydown and not event.action.repeat and (way := ways.get(event.key.name)):
            ui.navigate.to(way)

    ui.keyboard(on_key=pressed)
    with ui.row().classes("w-full items-center justify-between"):
        heading(picture.image.rsplit("/", 1)[-1])
        with ui.row().classes("items-center gap-2"):
            _way("Previous", "chevron_left", ways.get("ArrowLeft"))
            ui.label(f"{found.number:,} of {found.found:,}").classes("vf-soft").props("role=status")
            _way("Next", "chevron_right", ways.get("ArrowRight"))
            link_button("Back to the gallery", back, "grid_view")
    with card("items-center"):
        _large(row, found)
    with card():
        _about(found)
    if found.findings:
        with card():
            heading("What was noticed", 2)
            for reason in found.findings:
                ui.label(reason)


def _way(text: str, icon: str, target: str | None) -> None:
    button = link_button("", target or "", icon, "flat round" + ("" if target else " disable"))
    button.props(f'aria-label="{text}"').tooltip(f"{text} (arrow key)")


def _large(row: Dataset, found: One) -> None:
    picture = found.picture
    if not picture.is_image:
        small(row, picture)
    elif picture.sha256:
        shown = _img(f"/files/datasets/{row.id}/full/{picture.sha256}.jpg", picture.image).classes("vf-full")
        if found.size and max(found.size) < 200 and not found.boxes:
            shown.style("image-rendering: pixelated")  # so small that its pixels are what there is to see
    else:
        _img(f"/files/datasets/{row.id}/left-out?full=1&image={quote(picture.image)}", picture.image).classes("vf-full")


def _about(found: One) -> None:
    with ui.row().classes("gap-8"):
        if found.picture.classes:
            fact("Shows", found.picture.counted())
        elif found.picture.sha256:
            fact("Shows", "no object")
        if found.size:
            fact("Size", f"{found.size[0]:,}×{found.size[1]:,} px")
        if found.file_bytes is not None:
            fact("File", _bytes(found.file_bytes))
        if found.split:
            fact("Split", found.split)
    ui.label(found.picture.image).classes("vf-soft break-all")
    if found.boxes:
        with ui.expansion(plural(len(found.boxes), "object")).classes("w-full"):
            for box in found.boxes:
                x, y, width, height = (f"{value:g}" for value in box["bbox"])
                ui.label(f"{box['category']}: {width}×{height} px at {x}, {y}").classes("text-sm")


def _bytes(count: int) -> str:
    return f"{count:,} B" if count < 1000 else f"{count / 1000:,.0f} kB" if count < 1e6 else f"{count / 1e6:,.1f} MB"
