"""Metrics measured in many draws of the images at once.

A draw is a row of weights: how often it has each image. So what is a sum over images is one product for all draws, and
what stands in order (of scores) is put in order once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from viewfinder.metrics.ranking import Floats, Ints

Singles = NDArray[np.float32]

MOST_RANKED = 2_000_000  # images times classes from which on a ranking takes too long to draw again and again

Measure = Callable[[Floats], dict[str, Floats]]
"""The metrics of one model: takes weights [draws, images], returns the value of each in each draw; NaN: not defined."""


def together(*measures: Measure) -> Measure:
    """Return all metrics of some measures of one model as one."""
    return lambda weights: {name: values for measure in measures for name, values in measure(weights).items()}


def classification(truth: ArrayLike, proba: ArrayLike) -> Measure:
    """Return the metrics of a classifier: class numbers `truth` [n], probabilities `proba` [n, k].

    They are those of `classification.measure`, means over the classes that a draw has. Without the ROC AUC and the
    average precision where there are so many images and classes that they would take too long.
    """
    truth, proba = np.asarray(truth, np.int64), np.asarray(proba, np.float64)
    actual = np.eye(proba.shape[1], dtype=bool)[truth]
    said = np.eye(proba.shape[1], dtype=bool)[proba.argmax(axis=1)]
    chosen = proba[np.arange(len(truth)), truth].clip(np.finfo(np.float64).eps, 1.0)
    measures = [
        counts(actual & said, said, actual),
        _mean_of("accuracy", (actual & said).sum(axis=1)),
        _mean_of("log_loss", -np.log(chosen)),
    ]
    if proba.size <= MOST_RANKED:
        measures += [_roc_auc(truth, proba), _average_precision(truth, proba)]
    return together(*measures)


def counts(right: ArrayLike, said: ArrayLike, actual: ArrayLike) -> Measure:
    """Return macro F1, precision and recall of what is counted by image and class: [n, k] each.

    `right` counts the right answers, `said` all answers, `actual` what there is. The means are over the classes of
    which a draw has any.
    """
    parts = [Sums.of_counts(np.asarray(part)) for part in (right, said, actual)]

    def measured(weights: Floats) -> dict[str, Floats]:
        turned = columns(weights)
        right, said, actual = (part(turned) for part in parts)
        ratios = {"f1": (2 * right, said + actual), "precision": (right, said), "recall": (right, actual)}
        return {name: masked_mean(_ratio(*ratio), actual > 0) for name, ratio in ratios.items()}

    return measured


def masked_mean(values: Floats, mask: NDArray[np.bool_]) -> Floats:
    """Return the mean of each row where `mask` is true; NaN where it nowhere is."""
    count = mask.sum(axis=1)
    total = (values * mask).sum(axis=1)
    mean: Floats = np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)
    return mean


@dataclass(frozen=True)
class Sums:
    """Sums of weights over groups of images, an image as often as a group has it: `matrix` is sparse [groups, images].

    They are summed in single precision, which is exact: weights and counts are whole numbers, their sums under 2²⁴.
    """

    matrix: Any

    @classmethod
    def of_counts(cls, times: NDArray[Any]) -> "Sums":
        """Return a group for each column of `times` [images, groups]: how often it has each image."""
        from scipy.sparse import csr_array

        return cls(csr_array(times.T, dtype=np.float32))

    @classmethod
    def of_runs(cls, image: NDArray[np.intp], ends: NDArray[np.intp], images: int) -> "Sums":
        """Return groups that lie one after the other in a list of image numbers: the first is `image[:ends[0]]`."""
        from scipy.sparse import csr_array

        last = int(ends[-1]) if len(ends) else 0
        parts = np.ones(last, np.float32), image[:last].astype(np.int32), np.append(0, ends).astype(np.int32)
        return cls(csr_array(parts, shape=(len(ends), images)))

    def __call__(self, columns: Singles) -> Floats:
        """Return the sum of each group in each draw, [draws, groups]; `columns` are those of `columns`."""
        return np.ascontiguousarray((self.matrix @ columns).T, np.float64)


def columns(weights: Floats) -> Singles:
    """Return weights [draws, images] as `Sums` takes them: [images, draws]."""
    return np.ascontiguousarray(weights.T, np.float32)


def _ratio(over: Floats, under: Floats) -> Floats:
    ratio: Floats = np.divide(over, under, out=np.zeros_like(over), where=under > 0)
    return ratio


def _mean_of(name: str, values: NDArray[Any]) -> Measure:
    return lambda weights: {name: weights @ values / weights.sum(axis=1)}


def _roc_auc(truth: Ints, proba: Floats) -> Measure:
    ranked = [_Ranked.of(column, truth == number) for number, column in enumerate(proba.T) if (truth == number).any()]

    def measured(weights: Floats) -> dict[str, Floats]:
        turned = columns(weights)
        areas = np.stack([one.area(turned) for one in ranked], axis=1)
        return {"roc_auc": masked_mean(np.nan_to_num(areas), ~np.isnan(areas))}

    return measured


def _average_precision(truth: Ints, proba: Floats) -> Measure:
    found = [_Found.of(column, truth == number) for number, column in enumerate(proba.T) if (truth == number).any()]

    def measured(weights: Floats) -> dict[str, Floats]:
        turned = columns(weights)
        averages = np.stack([one.average_precision(turned) for one in found], axis=1)
        return {"average_precision": masked_mean(np.nan_to_num(averages), ~np.isnan(averages))}

    return measured


@dataclass(frozen=True)
class _Found:
    """One class against the rest: its images by descending score, and all images down to each of them.

    `own` and `every` are summed from one distinct score that an image of the class has down to the next.
    """

    own: Sums
    every: Sums

    @classmethod
    def of(cls, scores: Floats, positive: NDArray[np.bool_]) -> "_Found":
        order = np.argsort(-scores, kind="stable")
        ends = np.flatnonzero(np.append(scores[order][1:] != scores[order][:-1], True)) + 1
        found = np.cumsum(positive[order], dtype=np.intp)[ends - 1]
        more = np.diff(found, prepend=0) > 0
        own, every = order[positive[order]], order
        return cls(Sums.of_runs(own, found[more], len(scores)), Sums.of_runs(every, ends[more], len(scores)))

    def average_precision(self, columns: Singles) -> Floats:
        """Return the sum of precision over the steps of recall in each draw; NaN: not defined."""
        steps = self.own(columns)
        right, every = np.cumsum(steps, axis=1), np.cumsum(self.every(columns), axis=1)
        total = np.einsum("dn,dn->d", steps, right / np.maximum(every, 1))
        average: Floats = np.divide(total, right[:, -1], out=np.full(len(total), np.nan), where=right[:, -1] > 0)
        return average


@dataclass(frozen=True)
class _Ranked:
    """One class against the rest: its images, and where each of them stands among the others by ascending score.

    `steps` are the others between one such place and the next. `lower` is the number of the step up to which the others
    have a lower score, `upper` of that up to which they have a lower one or the same: half of a tie is won.
    """

    positives: NDArray[np.intp]
    steps: Sums
    lower: NDArray[np.intp]
    upper: NDArray[np.intp]

    @classmethod
    def of(cls, scores: Floats, positive: NDArray[np.bool_]) -> "_Ranked":
        positives, others = np.flatnonzero(positive), np.flatnonzero(~positive)
        others = others[np.argsort(scores[others], kind="stable")]
        lower, upper = (np.searchsorted(scores[others], scores[positives], side=side) for side in ("left", "right"))
        ends = np.unique(np.concatenate([lower, upper, [len(others)]]))
        steps = Sums.of_runs(others, ends, len(scores))
        return cls(positives, steps, np.searchsorted(ends, lower), np.searchsorted(ends, upper))

    def area(self, columns: Singles) -> Floats:
        """Return the area under the ROC curve in each draw; NaN: not defined."""
        others = np.cumsum(self.steps(columns), axis=1)
        own = columns[self.positives].T.astype(np.float64)
        won = np.einsum("dn,dn->d", own, others[:, self.lower] + others[:, self.upper]) / 2
        pairs = own.sum(axis=1) * others[:, -1]
        area: Floats = np.divide(won, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)
        return area
