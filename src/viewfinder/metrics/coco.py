"""COCO's average precision."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from viewfinder.metrics.matching import Boxes

OVERLAPS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
SIZES = ("small", "medium", "large")


@dataclass(frozen=True)
class AveragePrecisions:
    """`means` over the classes that have objects, and the same `per_class`; None where there are no objects.

    `by_iou`: of each class the average precision at each of `OVERLAPS`.
    """

    means: dict[str, float | None]
    per_class: list[dict[str, float | None]]
    by_iou: list[list[float | None]]


def average_precisions(truth: Boxes, predicted: Boxes, images: int, classes: int) -> AveragePrecisions:
    """Return COCO's average precisions, at most the 100 most confident boxes of each image and class considered.

    By size: small under 32², medium up to 96² square pixels, large above.
    """
    table = _precision(truth, predicted, images, classes)
    at = {"ap": slice(None), "ap_50": slice(0, 1), "ap_75": slice(5, 6)}
    per_class = [{name: _mean(table[levels, :, k, 0]) for name, levels in at.items()} for k in range(classes)]
    means = {name.replace("ap", "map"): _mean(table[levels, :, :, 0]) for name, levels in at.items()}
    means |= {f"map_{size}": _mean(table[:, :, :, 1 + number]) for number, size in enumerate(SIZES)}
    by_iou = [[_mean(table[level, :, k, 0]) for level in range(len(OVERLAPS))] for k in range(classes)]
    return AveragePrecisions(means, per_class, by_iou)


def _precision(truth: Boxes, predicted: Boxes, images: int, classes: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return precision as [10 overlaps 0.50 … 0.95, 101 recalls, classes, all and the three sizes]; -1: no objects."""
    if not len(truth) or not images:
        return np.full((len(OVERLAPS), 101, classes, 1 + len(SIZES)), -1.0)
    from faster_coco_eval import COCO, COCOeval_faster

    header = {
        "images": [{"id": number} for number in range(images)],
        "categories": [{"id": number, "name": str(number)} for number in range(classes)],
    }
    evaluation = COCOeval_faster(
        COCO({**header, "annotations": _annotations(truth)}),
        COCO({**header, "annotations": _annotations(predicted)}),
        "bbox",
    )
    evaluation.params.imgIds, evaluation.params.catIds = list(range(images)), list(range(classes))
    evaluation.evaluate()
    evaluation.accumulate()
    table: np.ndarray[Any, np.dtype[np.float64]] = evaluation.eval["precision"][..., -1]
    return table


def _annotations(boxes: Boxes) -> list[dict[str, Any]]:
    columns = (boxes.image, boxes.category, boxes.confidence, boxes.xywh[:, 2] * boxes.xywh[:, 3], boxes.xywh)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [
        {"id": i, "image_id": image, "category_id": k, "score": score, "area": area, "bbox": xywh, "iscrowd": 0}
        for i, (image, k, score, area, xywh) in enumerate(rows, start=1)
    ]


def _mean(values: np.ndarray[Any, np.dtype[np.float64]]) -> float | None:
    defined = values[values > -1]
    return float(defined.mean()) if defined.size else None
