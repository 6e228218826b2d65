"""How good predicted boxes are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from viewfinder.metrics.coco import OVERLAPS, average_precisions
from viewfinder.metrics.matching import IOU, Box, Boxes, iou, match
from viewfinder.metrics.ranking import MAX_POINTS, Floats, Ints, Ranking, mean, thin

NO_OBJECT = "not an object"
NOT_DETECTED = "not detected"
DEFAULT_THRESHOLD = 0.5

_DECIMALS = 12  # F1 values that differ by less differ only by rounding: they tie


def measure(
    truth: Sequence[Sequence[Box]],
    predicted: Sequence[Sequence[Box]],
    classes: Sequence[str],
    threshold: float | None = None,
    *,
    curves: bool = True,
) -> dict[str, Any]:
    """Compare true and predicted boxes, one list an image, in pixels of the original image.

    F1, precision and recall count boxes with a confidence ≥ `threshold` (None: `best_threshold`'s) at IoU 0.5; `map`
    and its relatives are COCO's average precisions over all boxes, at most the 100 most confident of an image and
    class. All are means over the classes that have objects; a class of which nothing was predicted has precision 0. In
    the confusion matrix a box first counts for an object of its own class, then for one of another class (IoU ≥ 0.5
    either way). What is not defined is None, and a note says why. `curves=False` leaves the curves out.
    """
    things, boxes = Boxes.of(truth, classes), Boxes.of(predicted, classes)
    matched = match(things, boxes)
    rankings = _rankings(things, boxes, matched, len(classes))
    chosen = _best(rankings) if threshold is None else float(threshold)
    precisions = average_precisions(things, boxes, len(truth), len(classes))
    rows = zip(classes, rankings, precisions.per_class, strict=True)
    per_class = [_per_class(name, ranking, row, chosen) for name, ranking, row in rows]
    means = {name: mean(row[name] for row in per_class) for name in ("f1", "precision", "recall")}
    return {
        "metrics": means | precisions.means,
        "threshold": chosen,
        "per_class": per_class,
        "confusion": _confusion(things, boxes, matched, classes, chosen),
        "curves": _curves(classes, rankings) | _ap_by_iou(classes, precisions.by_iou) if curves else {},
        "notes": _notes(things, boxes, classes, precisions.means, len(truth)),
    }


@dataclass(frozen=True)
class Cells:
    """Where in the confusion matrix each reported box stands, and each object that was not detected, as columns.

    `row` and `column` count the classes, then "not an object" and "not detected". `confidence` and `iou` (the overlap
    with the object the box is taken for) are 0 where there is none.
    """

    image: Ints
    row: Ints
    column: Ints
    confidence: Floats
    iou: Floats


def cells(
    truth: Sequence[Sequence[Box]],
    predicted: Sequence[Sequence[Box]],
    classes: Sequence[str],
    threshold: float,
    least_iou: float = IOU,
) -> Cells:
    """Return the cell of each box of confidence ≥ `threshold` and of each object that none of them is taken for."""
    things, boxes = Boxes.of(truth, classes), Boxes.of(predicted, classes)
    return _cells(things, boxes, match(things, boxes, least_iou=least_iou), len(classes), threshold, least_iou)


def counted(
    truth: Sequence[Sequence[Box]],
    predicted: Sequence[Sequence[Box]],
    classes: Sequence[str],
    threshold: float,
    least_iou: float = IOU,
) -> dict[str, Any]:
    """Return what `measure` counts at a threshold, without the average precisions: quick, and at any IoU in 0 … 1."""
    things, boxes = Boxes.of(truth, classes), Boxes.of(predicted, classes)
    matched = match(things, boxes, least_iou=least_iou)
    rankings = _rankings(things, boxes, matched, len(classes))
    per_class = [_per_class(name, ranking, {}, threshold) for name, ranking in zip(classes, rankings, strict=True)]
    return {
        "metrics": {name: mean(row[name] for row in per_class) for name in ("f1", "precision", "recall")},
        "per_class": per_class,
        "confusion": _confusion(things, boxes, matched, classes, threshold, least_iou),
    }


def image_counts(
    things: Boxes, boxes: Boxes, images: int, classes: int, threshold: float, least_iou: float = IOU
) -> tuple[Ints, Ints, Ints]:
    """Return what `counted` counts, by image and class: right boxes, boxes, objects, each [images, classes]."""
    boxes = boxes.keep(boxes.confidence >= threshold)
    right = boxes.keep(match(things, boxes, least_iou=least_iou) >= 0)
    shape = (images, classes)
    return _by_image(right, shape), _by_image(boxes, shape), _by_image(things, shape)


def _by_image(boxes: Boxes, shape: tuple[int, int]) -> Ints:
    counts: Ints = np.bincount(boxes.image * shape[1] + boxes.category, minlength=shape[0] * shape[1])
    return counts.reshape(shape)


def best_threshold(truth: Sequence[Sequence[Box]], predicted: Sequence[Sequence[Box]], classes: Sequence[str]) -> float:
    """Return the predicted confidence that, as the threshold, gives the highest macro F1 at IoU 0.5.

    Every confidence is tried; of equals the highest is taken; 0.5 where there are no objects or no predictions.
    """
    things, boxes = Boxes.of(truth, classes), Boxes.of(predicted, classes)
    return _best(_rankings(things, boxes, match(things, boxes), len(classes)))


def _rankings(things: Boxes, boxes: Boxes, matched: Ints, size: int) -> list[Ranking]:
    objects = np.bincount(things.category, minlength=size)
    by_class = np.argsort(boxes.category, kind="stable")
    parts = np.split(by_class, np.cumsum(np.bincount(boxes.category, minlength=size))[:-1])
    return [
        Ranking.of(boxes.confidence[part], matched[part] >= 0, int(count))
        for part, count in zip(parts, objects, strict=True)
    ]


def _macro_f1(rankings: list[Ranking]) -> tuple[Floats, Floats]:
    """Return every confidence, descending, and the macro F1 that it gives as the threshold."""
    counted = [ranking for ranking in rankings if ranking.positives]
    if not counted:
        return np.zeros(0), np.zeros(0)
    levels = np.unique(np.concatenate([ranking.scores for ranking in counted]))[::-1]
    total = np.zeros(len(levels))
    for ranking in counted:
        above = np.searchsorted(-ranking.scores, -levels, side="right")
        total += np.append(0.0, ranking.f1)[above]
    return levels, total / len(counted)


def _best(rankings: list[Ranking]) -> float:
    levels, f1 = _macro_f1(rankings)
    return float(levels[np.argmax(np.round(f1, _DECIMALS))]) if len(levels) else DEFAULT_THRESHOLD


def _per_class(name: str, ranking: Ranking, precisions: dict[str, float | None], threshold: float) -> dict[str, Any]:
    above = int(np.searchsorted(-ranking.scores, -threshold, side="right"))
    right, wrong = (int(ranking.right[above - 1]), int(ranking.wrong[above - 1])) if above else (0, 0)
    objects = ranking.positives
    return {
        "class": name,
        "objects": objects,
        "predictions": right + wrong,
        "precision": (right / (right + wrong) if right + wrong else 0.0) if objects else None,
        "recall": right / objects if objects else None,
        "f1": 2 * right / (right + wrong + objects) if objects else None,
        **precisions,
    }


def _confusion(
    things: Boxes, boxes: Boxes, matched: Ints, classes: Sequence[str], threshold: float, least_iou: float = IOU
) -> dict[str, Any]:
    size = len(classes)
    found = _cells(things, boxes, matched, size, threshold, least_iou)
    counts = np.zeros((size + 1, size + 1), np.int64)
    np.add.at(counts, (found.row, found.column), 1)
    return {
        "labels": [*classes, NO_OBJECT],
        "predicted_labels": [*classes, NOT_DETECTED],
        "counts": counts.tolist(),
    }


def _cells(things: Boxes, boxes: Boxes, matched: Ints, size: int, threshold: float, least_iou: float) -> Cells:
    """Return the cells, given which object of its own class each box is."""
    above = boxes.confidence >= threshold
    boxes, matched = boxes.keep(above), matched[above].copy()
    free_things, free_boxes = _missed(things, matched), np.flatnonzero(matched < 0)
    mistaken = match(
        things.keep(free_things), boxes.keep(matched < 0), same_class=False,
        least_iou=least_iou,
    )  # fmt: skip
    matched[free_boxes[mistaken >= 0]] = free_things[mistaken[mistaken >= 0]]
    found, missed = matched >= 0, _missed(things, matched)
    overlap, none = np.zeros(len(boxes)), np.zeros(len(missed))
    overlap[found] = iou(boxes.xywh[found], things.xywh[matched[found]])
    return Cells(
        np.concatenate([boxes.image, things.image[missed]]),
        np.concatenate([np.append(things.category, size)[matched], things.category[missed]]),
        np.concatenate([boxes.category, np.full(len(missed), size)]),
        np.concatenate([boxes.confidence, none]),
        np.concatenate([overlap, none]),
    )


def _missed(things: Boxes, matched: Ints) -> Ints:
    """Return the numbers of the objects that no box is taken for."""
    return np.setdiff1d(np.arange(len(things)), matched)


def _curves(classes: Sequence[str], rankings: list[Ranking]) -> dict[str, list[dict[str, Any]]]:
    points = min(MAX_POINTS, max(20, 10_000 // len(classes)))
    drawn = [(name, r) for name, r in zip(classes, rankings, strict=True) if r.positives]
    levels, mean_f1 = _macro_f1(rankings)
    seen = [(name, r) for name, r in drawn if len(r.scores)]
    return {
        "precision_recall": [
            {"class": name, **thin(np.append(0.0, r.recall), np.append(r.precision[0], r.precision), points)}
            for name, r in seen
        ],
        "f1_confidence": [{"class": name, **thin(*_from_zero(r.scores, r.f1), points)} for name, r in seen],
        "mean_f1_confidence": [thin(*_from_zero(levels, mean_f1))] if seen else [],
    }


def _ap_by_iou(classes: Sequence[str], by_iou: list[list[float | None]]) -> dict[str, list[dict[str, Any]]]:
    rows = [(name, row) for name, row in zip(classes, by_iou, strict=True) if row[0] is not None]
    return {"ap_by_iou": [{"class": name, "x": list(OVERLAPS), "y": row} for name, row in rows]}


def _from_zero(scores: Floats, f1: Floats) -> tuple[Floats, Floats]:
    """Return F1 by ascending threshold, from 0 on: below the lowest score nothing changes."""
    return np.append(0.0, scores[::-1]), np.append(f1[-1], f1[::-1])


def _notes(
    things: Boxes, boxes: Boxes, classes: Sequence[str], means: dict[str, float | None], images: int
) -> list[str]:
    if not images:
        return ["There are no images to measure on."]
    if not len(things):
        return ["No image here has an object, so no metric is defined."]
    notes = []
    absent = [name for number, name in enumerate(classes) if number not in set(things.category.tolist())]
    if absent:
        listed = ", ".join(absent[:10]) + (f" and {len(absent) - 10} more" if len(absent) > 10 else "")
        notes.append(f"No object here is of: {listed}. Means over classes leave such classes out.")
    if things.unknown:
        notes.append(f"Objects of classes that the model does not know were left out: {', '.join(things.unknown)}.")
    if not len(boxes):
        notes.append("The model reported no object at all.")
    sizes = [size for size in ("small", "medium", "large") if means[f"map_{size}"] is None]
    if sizes:
        notes.append(f"No object here is {' or '.join(sizes)}, so there is no average precision for that size.")
    return notes
