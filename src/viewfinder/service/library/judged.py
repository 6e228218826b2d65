"""What a run's model said of its test images, beside the truth: counted at any threshold, and image by image."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viewfinder.errors import RunError
from viewfinder.metrics import detection as metrics
from viewfinder.metrics.matching import IOU
from viewfinder.report.detection import drawn
from viewfinder.report.pictures import jpeg
from viewfinder.run import RunFolder

PAGE = 24
FULL_PX = 900
SMALL_PX = 320


@dataclass(frozen=True)
class View:
    """How boxes are judged: from which confidence on, and from which overlap with an object."""

    threshold: float
    least_iou: float = IOU


@dataclass(frozen=True)
class Feed:
    """Some images of a cell of the confusion matrix: rows of `Judged.answers`, and how many there are."""

    rows: tuple[int, ...]
    found: int


class Judged:
    """The test images of a run with truth and prediction, one row each, in order of their names."""

    def __init__(self, run: RunFolder) -> None:
        self.run, info = run, run.info()
        self.root, self.classes, self.threshold = Path(info.dataset.root), info.dataset.classes, info.threshold
        self.answers = run.split().join(run.predictions(), on="image", how="inner", suffix="_predicted").sort("image")
        self.detects = "boxes_predicted" in self.answers.columns

    def counted(self, view: View) -> dict[str, Any]:
        """Return precision, recall, F1 and the confusion matrix of a detector as it would be with that view."""
        return metrics.counted(self._truth(), self._found(), self.classes, view.threshold, view.least_iou)

    def feed(self, truth: str | None, predicted: str | None, view: View | None = None) -> Feed:
        """Return the images in which a thing of class `truth` was taken for `predicted`; None: any.

        Of a classifier the most confident come first; of a detector those with the most such boxes.
        """
        rows = self._boxes_in_cell(truth, predicted, view) if view else self._labels_in_cell(truth, predicted)
        return Feed(tuple(rows[:PAGE]), len(rows))

    def _labels_in_cell(self, truth: str | None, predicted: str | None) -> list[int]:
        rows = [
            (self.confidence(row), row)
            for row, (label, said) in enumerate(zip(self.answers["label"], self.answers["prediction"], strict=True))
            if truth in (None, label) and predicted in (None, said)
        ]
        return [row for _, row in sorted(rows, key=lambda one: (-one[0], one[1]))]

    def _boxes_in_cell(self, truth: str | None, predicted: str | None, view: View) -> list[int]:
        counts = []
        for row, (things, boxes) in enumerate(zip(self._truth(), self._found(), strict=True)):
            confusion = metrics.counted([things], [boxes], self.classes, view.threshold, view.least_iou)["confusion"]
            lines = zip(confusion["labels"], confusion["counts"], strict=True)
            cells = (
                count
                for label, line in lines
                for said, count in zip(confusion["predicted_labels"], line, strict=True)
                if truth in (None, label) and predicted in (None, said)
            )
            counts.append((sum(cells), row))
        return [row for count, row in sorted(counts, key=lambda one: (-one[0], one[1])) if count]

    def confidence(self, row: int) -> float:
        """Return the probability that a classifier gives its answer."""
        return float(self.answers[f"proba_{self.answers['prediction'][row]}"][row])

    def picture(self, row: int, view: View | None = None, full: bool = False) -> bytes:
        """Return an image as JPEG, a detector's boxes drawn as right, wrong, missed; raise RunError when it is gone."""
        if not 0 <= row < self.answers.height:
            raise RunError(f"'{self.run.path.name}' has no test image {row}.")
        boxes: Sequence[Any] = ()
        if self.detects:
            view = view or View(self.threshold or 0.5)
            found = [box for box in self._found()[row] if box["confidence"] >= view.threshold]
            boxes = drawn(self._truth()[row], found, view.least_iou)
        content = jpeg(self.root / self.answers["image"][row], boxes, FULL_PX if full else SMALL_PX)
        if content is None:
            raise RunError(f"'{self.answers['image'][row]}' cannot be read any more.")
        return content

    def _truth(self) -> list[list[dict[str, Any]]]:
        return [json.loads(text) for text in self.answers["boxes"]]

    def _found(self) -> list[list[dict[str, Any]]]:
        return [json.loads(text) for text in self.answers["boxes_predicted"]]
