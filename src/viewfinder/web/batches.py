"""Many images at once: folders and zips that a model predicts in the background, as a list."""

import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from nicegui import ui

from viewfinder.errors import InputError
from viewfinder.service.library import batches
from viewfinder.service.library.batches import Batch
from viewfinder.service.library.library import Library
from viewfinder.web.add import Upload
from viewfinder.web.frame import card, heading, off_loop
from viewfinder.words import plural

REFRESH_S = 0.5
MOST_LISTED = 100
MOST_BATCHES = 10
HINT = "A folder or a zip is predicted in the background; what the model says comes as a CSV file."


class Batches:
    """The card of a model's batches; it refreshes itself while one of them is not over.

    `offer` is called with each new upload through which the next batch can come.
    """

    def __init__(self, library: Library, model: Path, offer: Callable[[Upload], None]) -> None:
        self._library, self._model, self._offer = library, model, offer
        self._said: dict[str, ui.label] = {}
        self._states: list[tuple[str, str]] = []
        with card():
            heading("Many images at once", 2)
            ui.label(HINT).classes("vf-soft")
            self._upload = ui.element("div").classes("w-full")
            self._list = ui.column().classes("w-full")
        self._timer = ui.timer(REFRESH_S, self._refresh)
        self._next()
        self._refresh()

    def _next(self) -> None:
        self._upload.clear()
        with self._upload:
            self._offer(Upload(self._sent, ""))

    async def _sent(self, identity: str, name: str) -> None:
        try:
            await off_loop(batches.of_upload, self._library, identity, name, self._model)
        except InputError as error:
            ui.notify(str(error), type="negative")
        self._next()
        self._timer.activate()

    async def _act(self, act: Callable[[Library, str], object], batch: Batch) -> None:
        try:
            await off_loop(act, self._library, batch.id)
        except InputError as error:
            ui.notify(str(error), type="negative")
        self._refresh()

    def _refresh(self) -> None:
        """Draw the list when a batch came or changed its state; otherwise only say how far they are."""
        found = batches.of_model(self._library, self._model)
        states = [(batch.id, batch.state) for batch in found]
        if states != self._states:
            self._states = states
            self._draw(found)
        for batch in found[:MOST_BATCHES]:
            self._said[batch.id].text = _said(batch)
        self._timer.active = any(batch.state not in batches.OVER for batch in found)

    def _draw(self, found: list[Batch]) -> None:
        self._list.clear()
        with self._list:
            self._said = {batch.id: _row(batch, self._act) for batch in found[:MOST_BATCHES]}
            if len(found) > MOST_BATCHES:
                ui.label(f"… and {len(found) - MOST_BATCHES:,} older").classes("vf-soft")


def _row(batch: Batch, act: Callable[[Callable[[Library, str], object], Batch], Awaitable[None]]) -> ui.label:
    """Show a batch, and return the label that says how far it is."""
    with ui.row().classes("w-full items-center gap-4"):
        with ui.column().classes("gap-0"):
            ui.label(batch.name).classes("font-bold")
            ui.label(time.strftime("%Y-%m-%d %H:%M", time.localtime(batch.begun))).classes("vf-soft text-sm")
        said = ui.label(_said(batch)).props("role=status")
        if batch.state == "finished":
            ui.link("Download the CSV", f"/files/predictions/{batch.id}.csv")
        elif batch.state not in batches.OVER:
            _button("Stop", "stop", batch, lambda: batches.stop(batch))
        if batch.resumable:
            _button("Resume", "play_arrow", batch, lambda: act(batches.resume, batch))
        if batch.state in batches.OVER:
            _button("Delete", "delete", batch, lambda: act(batches.delete, batch), "flat")
    if batch.error:
        ui.label(batch.error).classes("vf-wrong")
    if batch.unreadable:
        _left_out(batch)
    return said


def _button(text: str, icon: str, batch: Batch, act: Callable[[], object], look: str = "outline") -> None:
    button = ui.button(text, icon=icon, on_click=act).props(f"{look} no-caps dense")
    button.props["aria-label"] = f"{text} {batch.name}"


def _left_out(batch: Batch) -> None:
    with ui.expansion(f"Left out: {plural(len(batch.unreadable), 'image')}").classes("w-full"):
        for one in batch.unreadable[:MOST_LISTED]:
            ui.label(f"{one.file}: {one.reason}").classes("text-sm")
        if len(batch.unreadable) > MOST_LISTED:
            ui.label(f"… and {len(batch.unreadable) - MOST_LISTED:,} more").classes("vf-soft text-sm")


def _said(batch: Batch) -> str:
    """Return in words how far a batch is."""
    far = f" after {batch.done:,} of {batch.total:,} images" if batch.total else ""
    words = {
        "waiting": "waits for its turn",
        "stopped": f"stopped{far}",
        "failed": f"failed{far}",
        "interrupted": f"interrupted{far}: the server ended before it was done"
        + ("" if batch.resumable else ". Send the images again."),
    }
    if batch.state == "finished":
        return f"{plural(batch.total - len(batch.unreadable), 'image')} predicted"
    if batch.state == "running" and batch.stopping.is_set():
        return "stops after this image"
    return words.get(batch.state) or f"{batch.done:,} of {batch.total:,} images"
