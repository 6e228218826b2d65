"""Which predicted box is which true object: greedy, by descending confidence, as COCO does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewfinder.metrics.ranking import Floats, Ints

IOU = 0.5
_PAIRS_AT_ONCE = 500_000

Box = Mapping[str, Any]


@dataclass(frozen=True)
class Boxes:
    """The boxes of many images as columns, in the order given: `xywh` [n, 4], image and class numbers, confidence."""

    xywh: Floats
    image: Ints
    category: Ints
    confidence: Floats
    unknown: tuple[str, ...] = ()

    @classmethod
    def of(cls, images: Sequence[Sequence[Box]], classes: Sequence[str]) -> "Boxes":
        """Gather the boxes of each image; those of other classes are left out, their names listed in `unknown`."""
        number = {name: index for index, name in enumerate(classes)}
        flat = [(index, box) for index, boxes in enumerate(images) for box in boxes]
        unknown = tuple(sorted({box["category"] for _, box in flat} - set(number)))
        if unknown:
            flat = [(index, box) for index, box in flat if box["category"] in number]
        return cls(
            np.array([box["bbox"] for _, box in flat], float).reshape(-1, 4),
            np.array([index for index, _ in flat], np.int64),
            np.array([number[box["category"]] for _, box in flat], np.int64),
            np.array([box.get("confidence", 1.0) for _, box in flat], float),
            unknown,
        )

    def __len__(self) -> int:
        return len(self.image)

    def keep(self, mask: NDArray[np.bool_] | Ints) -> "Boxes":
        """Return the boxes where `mask` [n] is true, or those of these numbers."""
        return Boxes(self.xywh[mask], self.image[mask], self.category[mask], self.confidence[mask], self.unknown)


def match(truth: Boxes, predicted: Boxes, *, same_class: bool = True, least_iou: float = IOU) -> Ints:
    """Return for each predicted box the number of the true object it is, or -1.

    From the highest confidence down (ties in the order given), a predicted box takes the object of its image (and, with
    `same_class`, of its class) that it overlaps most, of those not taken yet, with an intersection over union of at
    least `least_iou`. So what is above some confidence does not depend on what is below it.
    """
    ones, others, _ = _in_turn(truth, predicted, same_class, least_iou)
    return _greedy(ones, others, truth, predicted)


def found_at(truth: Boxes, predicted: Boxes, levels: Sequence[float]) -> NDArray[np.bool_]:
    """Return whether each predicted box is an object of its class at each of these overlaps, [levels, n].

    Boxes are matched at each overlap anew, as `match` does it, but without any allowance for rounding: as COCO does.
    """
    ones, others, overlap = _in_turn(truth, predicted, True, min(levels))
    near = [overlap >= level for level in levels]
    return np.stack([_greedy(ones[which], others[which], truth, predicted) >= 0 for which in near])


def _in_turn(truth: Boxes, predicted: Boxes, same_class: bool, least: float) -> tuple[Ints, Ints, Floats]:
    """Return all pairs as `_overlapping` does, in the order in which they are to be matched."""
    rank = np.empty(len(predicted), np.int64)
    rank[np.argsort(-predicted.confidence, kind="stable")] = np.arange(len(predicted))
    ones, others, overlap = _overlapping(truth, predicted, same_class, least)
    order = np.lexsort((-others, -overlap, rank[ones]))
    return ones[order], others[order], overlap[order]


def _greedy(ones: Ints, others: Ints, truth: Boxes, predicted: Boxes) -> Ints:
    """Return for each predicted box the object of its first pair whose object is not taken yet, or -1."""
    matched, taken = [-1] * len(predicted), [False] * len(truth)
    for box, thing in zip(ones.tolist(), others.tolist(), strict=True):
        if matched[box] < 0 and not taken[thing]:
            matched[box], taken[thing] = thing, True
    return np.array(matched, np.int64)


def _overlapping(truth: Boxes, predicted: Boxes, same_class: bool, least: float) -> tuple[Ints, Ints, Floats]:
    """Return all pairs with IoU ≥ `least` as (predicted number, truth number, IoU), a bounded number at once."""
    truth_key, key = _keys(truth, predicted, same_class)
    by_key = np.argsort(truth_key, kind="stable")
    sorted_keys = truth_key[by_key]
    first = np.searchsorted(sorted_keys, key)
    count = np.searchsorted(sorted_keys, key, side="right") - first
    chunk = np.cumsum(count) // _PAIRS_AT_ONCE
    found = [
        _pairs(part, first[part], count[part], by_key, truth.xywh, predicted.xywh, least)
        for part in np.split(np.arange(len(key)), np.flatnonzero(np.diff(chunk)) + 1)
    ]
    ones, others, overlaps = zip(*found, strict=True)
    return np.concatenate(ones), np.concatenate(others), np.concatenate(overlaps)


def _keys(truth: Boxes, predicted: Boxes, same_class: bool) -> tuple[Ints, Ints]:
    if not same_class:
        return truth.image, predicted.image
    size = 1 + max(truth.category.max(initial=0), predicted.category.max(initial=0))
    return truth.image * size + truth.category, predicted.image * size + predicted.category


def _pairs(
    part: Ints, first: Ints, count: Ints, by_key: Ints, truth: Floats, predicted: Floats, least: float
) -> tuple[Ints, Ints, Floats]:
    one = np.repeat(part, count)
    offset = np.arange(len(one)) - np.repeat(np.cumsum(count) - count, count)
    other = by_key[np.repeat(first, count) + offset]
    overlap = iou(predicted[one], truth[other])
    near = overlap >= least - 1e-10
    return one[near], other[near], overlap[near]


def iou(one: Floats, other: Floats) -> Floats:
    """Return the intersection over union of each pair of boxes [n, 4] as (x, y, width, height)."""
    low = np.maximum(one[:, :2], other[:, :2])
    high = np.minimum(one[:, :2] + one[:, 2:], other[:, :2] + other[:, 2:])
    shared = np.clip(high - low, 0.0, None).prod(axis=1)
    union = one[:, 2:].prod(axis=1) + other[:, 2:].prod(axis=1) - shared
    result: Floats = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return result
