"""Test images, truth beside prediction: some of them in a feed, and one in full."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from nicegui import ui
from nicegui.events import KeyEventArguments

from viewfinder.service.library.judged import ORDERS, PAGE, Judged, View
from viewfinder.store import Run
from viewfinder.web.frame import card, go_quietly, heading, off_loop
from viewfinder.web.looking import Looking
from viewfinder.words import plural

KINDS = {
    "right": "right",
    "wrong": "wrong: no such object there, or found twice",
    "missed": "missed by the model",
    "found": "true box of a found object",
}
MOST_LINES = 30


class Feed:
    """A page of the images that are looked at; it is drawn anew when they are looked at otherwise."""

    def __init__(self, row: Run, judged: Judged, looking: Looking, rows: Sequence[int]) -> None:
        self.row, self.judged, self.looking = row, judged, looking
        self.place = ui.column().classes("w-full")
        self._draw(rows)

    async def look(self, looking: Looking) -> None:
        """Show what is looked at now, and put it into the address; the newest call wins."""
        self.looking = looking
        rows = await off_loop(self.judged.feed, looking.wanted, looking.view(self.judged))
        if self.looking is looking and not self.place.is_deleted:
            self.place.clear()
            self._draw(rows)
            go_quietly(self.looking.address(self.row.id))

    def _draw(self, rows: Sequence[int]) -> None:
        pages = max(1, -(-len(rows) // PAGE))
        self.looking = replace(self.looking, page=min(max(1, self.looking.page), pages))
        with self.place:
            _page(self.row, self.judged, self.looking, rows, pages)


def _page(row: Run, judged: Judged, looking: Looking, rows: Sequence[int], pages: int) -> None:
    number = looking.page
    with card():
        with ui.row().classes("w-full items-center justify-between"):
            heading(f"{looking.words}: {plural(len(rows), 'image')}", 2).props("id=images")
            _order(row, judged, looking)
        if judged.detects:
            _legend()
        with ui.element("div").classes("vf-gallery vf-wide"):
            for one in rows[(number - 1) * PAGE : number * PAGE]:
                _thumbnail(row, judged, looking, one)
        with ui.row().classes("w-full items-center justify-center gap-4"):
            if number > 1:
                ui.link("Previous", looking.address(row.id, page=number - 1) + "#images")
            ui.label(f"Page {number:,} of {pages:,}").classes("vf-soft")
            if number < pages:
                ui.link("Next", looking.address(row.id, page=number + 1) + "#images")


def _order(row: Run, judged: Judged, looking: Looking) -> None:
    orders = {name: words for name, words in ORDERS.items() if judged.detects or name != "iou"}
    ui.select(
        orders,
        value=looking.wanted.order,
        label="Order",
        on_change=lambda event: ui.navigate.to(looking.address(row.id, order=event.value, page=1) + "#images"),
    ).props("outlined dense").classes("w-60")


def _thumbnail(row: Run, judged: Judged, looking: Looking, one: int) -> None:
    with ui.element("figure"):
        with ui.link(target=looking.address(row.id, "image", image=one, page=1)).classes("vf-link"):
            _picture(row, judged, looking.view(judged), one)
        with ui.element("figcaption"):
            ui.label(judged.answers["image"][one])
            if not judged.detects:
                said = f"{judged.answers['label'][one]}, called {judged.answers['prediction'][one]}"
                ui.label(f"{said} ({judged.confidence[one]:.0%})")


def _picture(row: Run, judged: Judged, view: View | None, one: int, full: bool = False) -> ui.element:
    image = ui.element("img").props("loading=lazy" if not full else "")
    image._props |= {"src": _source(row, view, one, full), "alt": str(judged.answers["image"][one])}
    return image


def _source(row: Run, view: View | None, one: int, full: bool) -> str:
    asked: dict[str, Any] = {"threshold": view.threshold, "iou": view.least_iou} if view else {}
    return f"/files/runs/{row.id}/images/{one}.jpg?{urlencode({**asked, 'full': int(full)})}"


def _legend() -> None:
    with ui.row().classes("gap-5"):
        for kind, words in KINDS.items():
            with ui.row().classes("items-center gap-2"):
                ui.element("span").classes(f"vf-box vf-{kind}")
                ui.label(words).classes("text-sm vf-soft")


class Viewer:
    """One image in full with all that the model says of it; arrow keys lead to the next and the one before."""

    def __init__(self, row: Run, judged: Judged, looking: Looking, rows: Sequence[int]) -> None:
        self.row, self.judged, self.looking, self.rows = row, judged, looking, list(rows)
        self.view = looking.view(judged)
        self.at = self.rows.index(looking.image) if looking.image in self.rows else 0
        with ui.row().classes("w-full items-center justify-between"):
            self.name = heading("")
            with ui.row().classes("items-center gap-2"):
                self.back = ui.button(icon="chevron_left", on_click=lambda: self._step(-1)).props("flat round")
                self.back.props('aria-label="Image before"')
                self.place = ui.label().props("role=status")
                self.on = ui.button(icon="chevron_right", on_click=lambda: self._step(1)).props("flat round")
                self.on.props('aria-label="Next image"')
                ui.link("Back to the result", looking.address(row.id, image=None) + "#images")
        with ui.row().classes("w-full gap-4 items-start max-md:flex-wrap no-wrap"):
            with card("grow"):
                if judged.detects:
                    _legend()
                self.picture = _picture(row, judged, self.view, self.rows[self.at], full=True).classes("vf-full")
            with card("md:max-w-sm"):
                self.said = ui.column().classes("w-full gap-2")
        ui.keyboard(on_key=self._key)

    async def show(self) -> None:
        """Show the image of now."""
        row, view = self.rows[self.at], self.view
        lines = await off_loop(self._boxes, row, view) if view else await off_loop(self._probabilities, row)
        self.name.text = str(self.judged.answers["image"][row])
        self.place.text = f"{self.at + 1:,} of {len(self.rows):,}"
        self.back.enabled, self.on.enabled = self.at > 0, self.at < len(self.rows) - 1
        self.picture._props |= {"src": _source(self.row, view, row, full=True), "alt": self.name.text}
        self.picture.update()
        self.said.clear()
        with self.said:
            heading("What the model says", 2)
            for text, kind, share in lines[:MOST_LINES]:
                _line(text, kind, share)
            if len(lines) > MOST_LINES:
                ui.label(f"… and {len(lines) - MOST_LINES:,} more").classes("vf-soft")
        ui.page_title(f"{self.name.text} · Viewfinder")
        go_quietly(self.looking.address(self.row.id, "image", image=row))

    def _probabilities(self, row: int) -> list[tuple[str, str, float | None]]:
        truth = self.judged.answers["label"][row]
        rows = self.judged.probabilities(row)
        return [(name, "right" if name == truth else "other", share) for name, share in rows]

    def _boxes(self, row: int, view: View) -> list[tuple[str, str, float | None]]:
        boxes = self.judged.boxes(row, view)
        lines: list[tuple[str, str, float | None]] = [
            (box["label"].removeprefix("missed "), box["kind"], None) for box in boxes if box["kind"] != "found"
        ]
        return lines or [("No objects from this confidence on.", "other", None)]

    async def _step(self, by: int) -> None:
        if 0 <= self.at + by < len(self.rows):
            self.at += by
            await self.show()

    async def _key(self, event: KeyEventArguments) -> None:
        if not event.action.keydown or event.modifiers.alt or event.modifiers.ctrl or event.modifiers.meta:
            return
        if event.key.arrow_left or event.key.arrow_right:
            await self._step(1 if event.key.arrow_right else -1)
        elif event.key.escape:
            ui.navigate.to(self.looking.address(self.row.id, image=None) + "#images")


def _line(text: str, kind: str, share: float | None) -> None:
    with ui.column().classes("w-full gap-0"):
        with ui.row().classes("w-full items-center no-wrap gap-2"):
            if kind in KINDS:
                ui.element("span").classes(f"vf-box vf-{kind}")
            ui.label(text).classes("grow")
            if share is not None:
                ui.label(f"{share:.1%}" + (" · the truth" if kind == "right" else ""))
            elif kind in KINDS:
                ui.label(kind).classes("vf-soft text-sm")
        if share is not None:
            with ui.element("div").classes("vf-bar"):
                ui.element("div").style(f"width: {100 * share:.1f}%").classes("vf-bar-right" if kind == "right" else "")
