"""Whether the difference of two models is more than chance: the paired bootstrap over the images both were judged on.

Images are drawn with replacement, the same draw for both models, and the difference of each metric is measured anew;
the middle 95 % of these differences are its interval (B. Efron and R. Tibshirani, *An Introduction to the Bootstrap*,
1993, chapters 8 and 13: bootstrap of pairs, percentile interval). A draw is a row of weights: how often it has each
image. So a metric that is made of sums over images is one matrix product for all draws.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from viewfinder.metrics.ranking import Floats, Ints

DRAWS = 1000
CONFIDENCE = 0.95
LEAST_IMAGES = 30  # with fewer, the interval is much too narrow
MOST_RANKED = 200_000  # images times classes from which on the ROC AUC takes too long to draw again and again
_AT_ONCE = 4_000_000

Statistic = Callable[[Floats], Floats]
"""A metric of one model: takes weights [draws, images], returns its value in each draw; NaN where it is not defined."""


@dataclass(frozen=True)
class Difference:
    """How much higher a metric of the second model is than that of the first, and the interval of it."""

    value: float
    low: float
    high: float

    @property
    def is_more_than_chance(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.low > 0 or self.high < 0


def differences(
    first: Mapping[str, Statistic], second: Mapping[str, Statistic], images: int, *, draws: int = DRAWS, seed: int = 0
) -> dict[str, Difference]:
    """Return the difference of each metric that both models have, over the same `images` in the same order.

    A metric that is not defined, in all images or in most draws, is left out.
    """
    names = [name for name in first if name in second]
    ones = np.ones((1, images))
    values = {name: float((second[name](ones) - first[name](ones))[0]) for name in names}
    drawn: dict[str, list[Floats]] = {name: [] for name in names}
    random = np.random.default_rng(seed)
    for size in _chunks(draws, images):
        weights = resample(random, size, images)
        for name in names:
            drawn[name].append(second[name](weights) - first[name](weights))
    found = {name: _difference(values[name], np.concatenate(drawn[name])) for name in names}
    return {name: one for name, one in found.items() if one}


def resample(random: np.random.Generator, draws: int, images: int) -> Floats:
    """Return how often each of `draws` draws with replacement has each image: [draws, images], rows sum to `images`."""
    chosen = random.integers(0, images, (draws, images)) + images * np.arange(draws)[:, None]
    return np.bincount(chosen.ravel(), minlength=draws * images).reshape(draws, images).astype(np.float64)


def _chunks(draws: int, images: int) -> list[int]:
    """Return draws in parts whose weights fit into memory."""
    size = max(1, min(draws, _AT_ONCE // max(images, 1)))
    return [min(size, draws - start) for start in range(0, draws, size)]


def _difference(value: float, drawn: Floats) -> Difference | None:
    defined = drawn[~np.isnan(drawn)]
    if np.isnan(value) or len(defined) < len(drawn) / 2:
        return None
    low, high = np.quantile(defined, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Difference(value, float(low), float(high))


# -- metrics as statistics --------------------------------------------------------------------------------------------


def classification(truth: ArrayLike, proba: ArrayLike) -> dict[str, Statistic]:
    """Return the metrics of a classifier: class numbers `truth` [n], probabilities `proba` [n, k].

    They are those of `classification.measure`, means over the classes that a draw has. Without the ROC AUC where there
    are so many images and classes that it would take too long.
    """
    truth, proba = np.asarray(truth, np.int64), np.asarray(proba, np.float64)
    actual = np.eye(proba.shape[1])[truth]
    said = np.eye(proba.shape[1])[proba.argmax(axis=1)]
    chosen = proba[np.arange(len(truth)), truth].clip(np.finfo(np.float64).eps, 1.0)
    statistics = {
        **counts(actual * said, said, actual),
        "accuracy": _mean_of((actual * said).sum(axis=1)),
        "log_loss": _mean_of(-np.log(chosen)),
    }
    if proba.size <= MOST_RANKED:
        statistics["roc_auc"] = _roc_auc(truth, proba)
    return statistics


def counts(right: ArrayLike, said: ArrayLike, actual: ArrayLike) -> dict[str, Statistic]:
    """Return macro F1, precision and recall of what is counted by image and class: [n, k] each.

    `right` counts the right answers, `said` all answers, `actual` what there is. The means are over the classes of
    which a draw has any.
    """
    parts = [np.asarray(part, np.float64) for part in (right, said, actual)]

    def statistic(ratio: Callable[[Floats, Floats, Floats], tuple[Floats, Floats]]) -> Statistic:
        def measured(weights: Floats) -> Floats:
            right, said, actual = (weights @ part for part in parts)
            over, under = ratio(right, said, actual)
            values = np.divide(over, under, out=np.zeros_like(over), where=under > 0)
            return _masked_mean(values, actual > 0)

        return measured

    return {
        "f1": statistic(lambda right, said, actual: (2 * right, said + actual)),
        "precision": statistic(lambda right, said, actual: (right, said)),
        "recall": statistic(lambda right, said, actual: (right, actual)),
    }


def _mean_of(values: Floats) -> Statistic:
    return lambda weights: weights @ values / weights.sum(axis=1)


def _roc_auc(truth: Ints, proba: Floats) -> Statistic:
    ranked = [_Ranked.of(column, truth == number) for number, column in enumerate(proba.T) if (truth == number).any()]

    def measured(weights: Floats) -> Floats:
        columns = np.ascontiguousarray(weights.T)
        areas = np.stack([one.area(columns) for one in ranked], axis=1)
        return _masked_mean(np.nan_to_num(areas), ~np.isnan(areas))

    return measured


@dataclass(frozen=True)
class _Ranked:
    """One class against the rest: the images by ascending score, and where each of the class stands in that order.

    `lower` counts the others with a lower score, `upper` those with a lower or the same one: half of a tie is won.
    """

    positives: NDArray[np.intp]
    negatives: NDArray[np.intp]
    lower: NDArray[np.intp]
    upper: NDArray[np.intp]

    @classmethod
    def of(cls, scores: Floats, positive: NDArray[np.bool_]) -> "_Ranked":
        positives = np.flatnonzero(positive)
        negatives = np.flatnonzero(~positive)
        negatives = negatives[np.argsort(scores[negatives], kind="stable")]
        below = scores[negatives]
        lower, upper = (np.searchsorted(below, scores[positives], side=side) for side in ("left", "right"))
        return cls(positives, negatives, lower, upper)

    def area(self, weights: Floats) -> Floats:
        """Return the area under the ROC curve in each draw; `weights` is [images, draws]. NaN: not defined."""
        others = np.zeros((len(self.negatives) + 1, weights.shape[1]))
        np.cumsum(weights[self.negatives], axis=0, out=others[1:])
        own = weights[self.positives]
        won = np.einsum("nd,nd->d", own, others[self.lower] + others[self.upper]) / 2
        pairs = own.sum(axis=0) * others[-1]
        area: Floats = np.divide(won, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)
        return area


def _masked_mean(values: Floats, mask: NDArray[np.bool_]) -> Floats:
    """Return the mean of each row where `mask` is true; NaN where it nowhere is."""
    count = mask.sum(axis=1)
    total = (values * mask).sum(axis=1)
    mean: Floats = np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)
    return mean
