"""What a run's model said of its test images, beside the truth: counted at any threshold, and image by image."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from viewfinder.data import boxes as box_values
from viewfinder.errors import NotFoundError
from viewfinder.metrics import classification
from viewfinder.metrics import detection as metrics
from viewfinder.metrics.matching import IOU
from viewfinder.report.detection import drawn
from viewfinder.report.pictures import jpeg
from viewfinder.run import RunFolder

PAGE = 24
FULL_PX = 900
SMALL_PX = 320
Order = Literal["confidence", "doubt", "iou"]
ORDERS: dict[Order, str] = {
    "confidence": "the most confident first",
    "doubt": "the least confident first",
    "iou": "the worst overlap first",
}


@dataclass(frozen=True)
class View:
    """How boxes are judged: from which confidence on, and from which overlap with an object."""

    threshold: float
    least_iou: float = IOU


@dataclass(frozen=True)
class Wanted:
    """Which test images are looked at: those where `truth` was taken for `predicted` (None: any), or any mistake."""

    truth: str | None = None
    predicted: str | None = None
    mistakes: bool = False
    order: Order = "confidence"


class Judged:
    """The test images of a run, or those of other predictions, with truth and prediction, in order of their names."""

    def __init__(self, run: RunFolder, predictions: pl.DataFrame | None = None) -> None:
        self.run, info = run, run.info()
        self.root, self.classes, self.threshold = Path(info.dataset.root), info.dataset.classes, run.judged_at()
        table = run.predictions() if predictions is None else predictions
        self.answers = run.split().join(table, on="image", how="inner", suffix="_predicted").sort("image")
        self.detects = "boxes_predicted" in self.answers.columns

    @cached_property
    def truth(self) -> list[list[dict[str, Any]]]:
        """The objects of each image."""
        return [box_values.from_json(text) for text in self.answers["boxes"]]

    @cached_property
    def found(self) -> list[list[dict[str, Any]]]:
        """The boxes that the model found in each image, whatever their confidence."""
        return [box_values.from_json(text) for text in self.answers["boxes_predicted"]]

    @cached_property
    def confidence(self) -> NDArray[np.float64]:
        """The probability that a classifier gives each of its answers."""
        names = [f"proba_{name}" for name in self.classes]
        highest: NDArray[np.float64] = self.answers.select(names).to_numpy().max(axis=1)
        return highest

    def view(self, threshold: float | None = None, least_iou: float | None = None) -> View | None:
        """Return how a detector's boxes are judged, where nothing else is said as in the report; None for others."""
        if not self.detects:
            return None
        wanted = self.threshold if threshold is None else threshold
        return View(_within(0.5 if wanted is None else wanted, 0, 1), _within(least_iou or IOU, 0.05, 0.95))

    @property
    def optimum(self) -> View:
        """How a detector's boxes are judged in its report: at the threshold that the training found to be the best."""
        return self.view() or View(0.5)

    def counted(self, view: View | None = None) -> dict[str, Any]:
        """Return the metrics, by class too, and the confusion matrix; of a detector as they would be with that view."""
        if view is None:
            return self._counted_labels()
        return metrics.counted(self.truth, self.found, self.classes, view.threshold, view.least_iou)

    def _counted_labels(self) -> dict[str, Any]:
        truth, proba = self._labels().row, self.answers.select(f"proba_{name}" for name in self.classes).to_numpy()
        measured = classification.measure(truth, proba, self.classes, curves=False)
        return {name: measured[name] for name in ("metrics", "per_class", "confusion")}

    def feed(self, wanted: Wanted, view: View | None = None) -> list[int]:
        """Return the rows of the images that are wanted, in their order.

        An image with several boxes in a cell stands where the first of them does.
        """
        cells = self._boxes(view) if view else self._labels()
        names = np.array([*self.classes, metrics.NO_OBJECT]), np.array([*self.classes, metrics.NOT_DETECTED])
        shown = np.ones(len(cells.image), bool)
        for name, known, place in zip((wanted.truth, wanted.predicted), names, (cells.row, cells.column), strict=True):
            shown &= True if name is None else known[place] == name
        shown &= (cells.row != cells.column) | (not wanted.mistakes)
        keys = {"confidence": -cells.confidence, "doubt": cells.confidence, "iou": cells.iou}
        order = np.lexsort((cells.image, keys[wanted.order]))
        rows: list[int] = cells.image[order[shown[order]]].tolist()
        if not wanted.mistakes and wanted.truth is None and wanted.predicted is None:
            rows += range(self.answers.height)  # those with no object and no box at all, too
        return list(dict.fromkeys(rows))

    def _boxes(self, view: View) -> metrics.Cells:
        return metrics.cells(self.truth, self.found, self.classes, view.threshold, view.least_iou)

    def _labels(self) -> metrics.Cells:
        number = {name: index for index, name in enumerate(self.classes)}
        truth, said = (
            np.array([number[name] for name in self.answers[column]], np.int64) for column in ("label", "prediction")
        )
        return metrics.Cells(np.arange(len(truth)), truth, said, self.confidence, np.ones(len(truth)))

    def boxes(self, row: int, view: View) -> list[dict[str, Any]]:
        """Return an image's objects and boxes as pictures show them: right, wrong, found, missed."""
        reported = [box for box in self.found[row] if box["confidence"] >= view.threshold]
        return drawn(self.truth[row], reported, view.least_iou)

    def probabilities(self, row: int) -> list[tuple[str, float]]:
        """Return a classifier's probability of each class for an image, the highest first."""
        values = self.answers.row(row, named=True)
        return sorted(((name, values[f"proba_{name}"]) for name in self.classes), key=lambda one: -one[1])

    def picture(self, row: int, view: View | None = None, full: bool = False) -> bytes:
        """Return an image as JPEG, a detector's boxes drawn in; raise NotFoundError when it is gone."""
        if not 0 <= row < self.answers.height:
            raise NotFoundError(f"'{self.run.path.name}' has no test image {row}.")
        shown: Sequence[Any] = self.boxes(row, view) if view else ()
        if not full:
            shown = [{**box, "label": ""} for box in shown]
        content = jpeg(self.root / self.answers["image"][row], shown, FULL_PX if full else SMALL_PX)
        if content is None:
            raise NotFoundError(f"'{self.answers['image'][row]}' cannot be read any more.")
        return content


def _within(value: float, low: float, high: float) -> float:
    return min(max(value, low), high) if value == value else low
