"""What is taken for what: the confusion matrix, and for a detector what another threshold would make of it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

from nicegui import ui
from nicegui.element import Element

from viewfinder.errors import InputError
from viewfinder.service.library import runs
from viewfinder.service.library.judged import Judged
from viewfinder.service.library.library import Library
from viewfinder.store import Run
from viewfinder.web.feed import Feed
from viewfinder.web.frame import card, fact, go_quietly, heading, off_loop
from viewfinder.web.looking import Looking
from viewfinder.web.slider import Slider

MOST_CLASSES = 30  # above it the matrix is a list of its largest mistakes
REST_S = 0.4  # a slider that was not moved for so long rests


class Matrix(Element, component="matrix.js"):
    """A confusion matrix; each cell leads to its images at `address`, with truth and prediction added."""

    def show(self, confusion: dict[str, Any], address: str, chosen: Sequence[str | None] = (None, None)) -> None:
        """Show other counts."""
        self._props |= {
            "labels": confusion["labels"],
            "predicted": confusion["predicted_labels"],
            "counts": confusion["counts"],
            "address": address,
            "chosen": list(chosen),
        }
        self.update()


class Confusion:
    """The card of the matrix."""

    def __init__(self, row: Run, looking: Looking, confusion: dict[str, Any]) -> None:
        self.row = row
        with card():
            heading("What is taken for what", 2)
            ui.label("Each row is what it really is, each column what the model says. Choose a cell to see its images.")
            self.matrix = Matrix() if len(confusion["labels"]) <= MOST_CLASSES + 1 else None
            self.pairs = ui.column().classes("gap-1")
            with ui.row().classes("gap-6"):
                self.mistakes, self.all = ui.link("All mistakes", "#"), ui.link("All test images", "#")
        self.show(confusion, looking)

    def show(self, confusion: dict[str, Any], looking: Looking) -> None:
        """Show other counts."""
        plain = Looking(threshold=looking.threshold, iou=looking.iou)
        if self.matrix:
            self.matrix.show(confusion, plain.address(self.row.id), (looking.truth, looking.predicted))
        else:
            self.pairs.clear()
            with self.pairs:
                self._most_confused(confusion, plain)
        self.mistakes._props["href"] = plain.address(self.row.id, mistakes=True) + "#images"
        self.all._props["href"] = plain.address(self.row.id, every=True) + "#images"
        self.mistakes.update()
        self.all.update()

    def _most_confused(self, confusion: dict[str, Any], plain: Looking) -> None:
        pairs = [
            (count, label, name)
            for label, counts in zip(confusion["labels"], confusion["counts"], strict=True)
            for name, count in zip(confusion["predicted_labels"], counts, strict=True)
            if count and label != name
        ]
        ui.label(f"The {MOST_CLASSES} largest mistakes.").classes("vf-soft")
        for count, label, name in sorted(pairs, key=lambda pair: -pair[0])[:MOST_CLASSES]:
            address = plain.address(self.row.id, truth=label, predicted=name)
            ui.link(f"{count:,} of {label} taken for {name}", f"{address}#images")


class Threshold:
    """Two sliders, and what they would give, live: the newest position wins. The images follow when they rest.

    `used` is called when the model has got another threshold.
    """

    def __init__(
        self,
        library: Library,
        row: Run,
        judged: Judged,
        looking: Looking,
        confusion: Confusion,
        used: Callable[[], Awaitable[None]],
    ) -> None:
        self.used = used
        self.library, self.row, self.judged, self.looking, self.confusion = library, row, judged, looking, confusion
        view = looking.view(judged)
        assert view, "only a detector has a threshold"
        self.optimal, self.counting, self.view = judged.optimum, False, view
        self.feed: Feed | None = None
        with card():
            heading("Threshold", 2)
            self.words = ui.label().props("role=status")
            with ui.row().classes("gap-8"):
                self.facts = {name: fact(name.capitalize(), "–") for name in ("precision", "recall", "f1")}
            self.threshold = Slider("Confidence", 0.01, 1, 0.01, view.threshold)
            self.iou = Slider("Overlap (IoU)", 0.05, 0.95, 0.05, view.least_iou)
            with ui.row():
                ui.button("Back to optimal", on_click=self._back).props("flat no-caps")
                ui.button("Use this threshold", on_click=self._use).props("unelevated no-caps")
        self.threshold.on_value_change(self._moved)
        self.iou.on_value_change(self._moved)

    def begin(self, counted: dict[str, Any], feed: Feed | None) -> None:
        """Show what was counted as the page was asked for; `feed` shows the images that are looked at, if any are."""
        self.feed = feed
        self._say(counted)

    def _back(self) -> None:
        self.threshold.set_value(self.optimal.threshold)
        self.iou.set_value(self.optimal.least_iou)

    def _wanted(self) -> Looking:
        """Return what the sliders ask for; what is as in the report stays out of the address."""
        threshold, iou, optimal = self.threshold.value, self.iou.value, self.optimal
        return replace(
            self.looking,
            threshold=None if threshold == optimal.threshold else threshold,
            iou=None if iou == optimal.least_iou else iou,
        )

    async def _moved(self) -> None:
        if self.counting:
            return
        self.counting = True
        try:
            while (wanted := self._wanted().view(self.judged)) and wanted != self.view:
                self.view, self.looking = wanted, self._wanted()
                counted = await off_loop(self.judged.counted, wanted)
                self.confusion.show(counted["confusion"], self.looking)
                self._say(counted)
                go_quietly(self.looking.address(self.row.id))
        finally:
            self.counting = False
        await self._rest()

    async def _rest(self) -> None:
        """Have the images follow, unless a slider is moved meanwhile."""
        view = self.view
        await asyncio.sleep(REST_S)
        if self.feed and self.view == view:
            await self.feed.look(self.looking)

    def _say(self, counted: dict[str, Any]) -> None:
        for name, label in self.facts.items():
            value = counted["metrics"][name]
            label.text = "–" if value is None else f"{value:.3f}"
        best = " (the optimal)" if self.view == self.optimal else ""
        confidence, overlap = _shown(self.view.threshold), f"{self.view.least_iou:.2f}"
        self.words.text = f"Confidence from {confidence}, overlap (IoU) from {overlap}{best}"

    async def _use(self) -> None:
        value = self.threshold.value
        try:
            await off_loop(runs.use_threshold, self.library, self.row, value)
        except InputError as error:
            ui.notify(str(error), type="negative")
            return
        ui.notify(f"The model now reports boxes from {_shown(value)} on.")
        await self.used()


def _shown(threshold: float) -> str:
    """Return a threshold as one reads it: a step of the slider, or the optimum as the report rounds it."""
    return f"{threshold:.2f}" if round(threshold, 2) == threshold else f"{threshold:.3g}"
