"""COCO's average precision in many draws of the images at once.

Boxes are matched once at each overlap and put in order once; a draw only weighs them: a box counts as often as the draw
has its image. An image that is drawn twice so counts as two images with the same boxes, its copies side by side.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from viewfinder.metrics.drawn import Measure, Sums, columns, masked_mean
from viewfinder.metrics.matching import Boxes, found_at
from viewfinder.metrics.ranking import Floats

MOST_BOXES = 100  # of an image and class
_LEVELS = np.linspace(0.5, 0.95, 10)
_RECALL_STEP = 0.01  # COCO's 101 recalls are its multiples, to the last bit
_AT_ONCE = 500_000


def average_precisions(truth: Boxes, predicted: Boxes, images: int, classes: int) -> Measure:
    """Return `map` (mean over IoU 0.50 to 0.95 and classes) and `map_50` (at IoU 0.50) in each draw.

    The formula is COCO's (T.-Y. Lin et al., "Microsoft COCO: Common Objects in Context", 2014, and its evaluation
    code): the 100 most confident boxes of an image and class, greedy matching, and the mean of the precision at 101
    recalls, where the precision at a recall is the highest at that recall or a higher one. Means are over the classes
    of which a draw has objects; a class without boxes has 0. Without any object there is no metric.
    """
    predicted = _most_confident(predicted)
    found = found_at(truth, predicted, _LEVELS.tolist())
    ranked = [
        _Ranked.of(truth.image[truth.category == k], predicted.image[own], found[:, own], images)
        for k, own in ((k, predicted.category == k) for k in range(classes))
        if (truth.category == k).any()
    ]

    def measured(weights: Floats) -> dict[str, Floats]:
        table = np.stack([one.precisions(weights) for one in ranked], axis=1)
        return {"map": _mean(table), "map_50": _mean(table[:, :, :1])}

    return measured if ranked else lambda weights: {}


def _most_confident(boxes: Boxes) -> Boxes:
    """Return the boxes by descending confidence, ties in order of their images, the most confident of each image."""
    order = np.lexsort((boxes.image, -boxes.confidence))
    key = boxes.image[order] * (1 + boxes.category.max(initial=0)) + boxes.category[order]
    by_key = np.argsort(key, kind="stable")
    place = np.empty(len(key), np.int64)
    place[by_key] = np.arange(len(key)) - np.searchsorted(key[by_key], key[by_key])
    return boxes.keep(order[place < MOST_BOXES])


def _mean(table: Floats) -> Floats:
    rows = table.reshape(len(table), -1)
    return masked_mean(np.nan_to_num(rows), ~np.isnan(rows))


@dataclass(frozen=True)
class _Ranked:
    """One class: its objects, and its boxes by descending confidence.

    Only boxes that are an object at some overlap matter one by one: of these `image` [m] and, at each overlap, whether
    it `is_object` [10, m]. `steps` are all boxes from after one of them down to the next.
    """

    objects: Sums
    steps: Sums
    image: NDArray[np.int64]
    is_object: NDArray[np.bool_]

    @classmethod
    def of(
        cls, objects: NDArray[np.int64], image: NDArray[np.int64], found: NDArray[np.bool_], images: int
    ) -> "_Ranked":
        right = np.flatnonzero(found.any(axis=0))
        all_objects = Sums.of_runs(objects, np.array([len(objects)]), images)
        return cls(all_objects, Sums.of_runs(image, right + 1, images), image[right], found[:, right])

    def precisions(self, weights: Floats) -> Floats:
        """Return the average precision at each overlap, [draws, 10]; NaN in draws that have no object."""
        size = max(1, _AT_ONCE // max(1, len(self.image)))
        return np.concatenate([self._some(weights[start : start + size]) for start in range(0, len(weights), size)])

    def _some(self, weights: Floats) -> Floats:
        turned = columns(weights)
        objects = self.objects(turned)[:, 0]
        boxes = np.cumsum(self.steps(turned), axis=1)
        own = weights[:, self.image]
        numbers = [np.flatnonzero(one) for one in self.is_object]
        at = [_interpolated(own.take(some, axis=1), boxes.take(some, axis=1), objects) for some in numbers]
        return np.where(objects > 0, at, np.nan).T


def _interpolated(own: Floats, boxes: Floats, objects: Floats) -> Floats:
    """Return the mean precision at 101 recalls in each draw.

    `own` [draws, n] are the weights of the right boxes, `boxes` [draws, n] those of all boxes down to each right one,
    `objects` [draws] those of what there is. The highest precision from a recall on is always at a right box, so the
    wrong ones need not be asked.
    """
    right = np.cumsum(own, axis=1)
    precision = right / np.maximum(boxes, 1)
    best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    recall = right / np.maximum(objects, 1)[:, None]
    nearest = np.rint(100 * recall)
    reached = nearest + (nearest * _RECALL_STEP <= recall)  # how many of the 101 recalls
    mean: Floats = np.einsum("dn,dn->d", best, np.diff(reached, axis=1, prepend=0)) / 101
    return mean
