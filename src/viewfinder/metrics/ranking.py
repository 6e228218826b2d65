"""A list of answers in order of their scores: what every curve and every area under one is read from."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MAX_POINTS = 200


@dataclass(frozen=True)
class Ranking:
    """Counts of right and wrong answers above each distinct score, from the highest score down.

    `scores[i]` is a distinct score, `right[i]` and `wrong[i]` count the answers with that score or a higher one;
    `positives` is how many right answers there are to find, which may be more than were given.
    """

    scores: Floats
    right: Ints
    wrong: Ints
    positives: int

    @classmethod
    def of(cls, scores: ArrayLike, hits: ArrayLike, positives: int | None = None) -> "Ranking":
        """Rank answers: `scores` [n], `hits` [n] whether each is right; `positives` defaults to the number of hits."""
        scores, hits = np.asarray(scores, float), np.asarray(hits, bool)
        order = np.argsort(-scores, kind="stable")
        scores, right = scores[order], np.cumsum(hits[order])
        last = np.flatnonzero(np.append(scores[1:] != scores[:-1], True)) if len(scores) else np.zeros(0, int)
        right = right[last].astype(np.int64)
        return cls(scores[last], right, last + 1 - right, int(hits.sum()) if positives is None else positives)

    @property
    def precision(self) -> Floats:
        """The share of right ones among the answers down to each score."""
        return self.right / (self.right + self.wrong)

    @property
    def recall(self) -> Floats:
        """The share found of all there is to find, down to each score; needs positives."""
        return self.right / self.positives

    @property
    def f1(self) -> Floats:
        """The harmonic mean of precision and recall at each score; needs positives."""
        return 2 * self.right / (self.right + self.wrong + self.positives)

    def roc(self) -> tuple[Floats, Floats]:
        """Return false and true positive rates, both from 0 to 1; needs right and wrong answers."""
        false_rate = np.append(0.0, self.wrong / self.wrong[-1])
        return false_rate, np.append(0.0, self.recall)

    def roc_auc(self) -> float | None:
        """Return the area under the ROC curve; None where all answers are right or all are wrong."""
        if not self.positives or not len(self.wrong) or not self.wrong[-1]:
            return None
        false_rate, true_rate = self.roc()
        return float(np.sum(np.diff(false_rate) * (true_rate[1:] + true_rate[:-1]) / 2))

    def average_precision(self) -> float | None:
        """Return the sum of precision over the steps of recall, not interpolated; None without positives."""
        if not self.positives:
            return None
        return float(np.sum(np.diff(self.recall, prepend=0.0) * self.precision))


def calibration(scores: Floats, hits: NDArray[np.bool_], bins: int = 10) -> tuple[Floats, Floats]:
    """Return, for each of `bins` equal ranges of scores in 0 … 1 that holds any, the mean score and the share of hits.

    A score on the border of two ranges is in the lower one. The reliability diagram of DeGroot & Fienberg, 1983.
    """
    place = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], scores)
    count, total, right = (
        np.bincount(place, weights=weights, minlength=bins) for weights in (None, scores, hits.astype(float))
    )
    some = count > 0
    return total[some] / count[some], right[some] / count[some]


def density(scores: Floats, bins: int = 20) -> tuple[Floats, Floats]:
    """Return the middle of each of `bins` equal ranges of scores in 0 … 1, and the share of the scores in it."""
    edges = np.linspace(0, 1, bins + 1)
    count = np.bincount(np.searchsorted(edges[1:-1], scores), minlength=bins)
    return (edges[1:] + edges[:-1]) / 2, count / max(len(scores), 1)


def mean(values: Iterable[float | None]) -> float | None:
    """Return the mean of the values that are defined; None where none is."""
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else None


def thin(x: Floats, y: Floats, points: int = MAX_POINTS) -> dict[str, list[float]]:
    """Return the curve as `{"x": [...], "y": [...]}` with at most `points` of its points, both ends kept.

    Points that are no corner of the curve go first; of what is left, those nearest to evenly spaced along the curve.
    """
    keep = _corners(x, y)
    x, y = x[keep], y[keep]
    if len(x) > points:
        length = np.append(0.0, np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y))))
        keep = np.unique(np.searchsorted(length, np.linspace(0, length[-1], points)).clip(0, len(x) - 1))
        x, y = x[keep], y[keep]
    return {"x": _rounded(x), "y": _rounded(y)}


def _corners(x: Floats, y: Floats) -> NDArray[np.intp]:
    dx, dy = np.diff(x), np.diff(y)
    straight = np.zeros(len(x), bool)
    if len(x) > 2:
        same_side = (dx[1:] * dx[:-1] >= 0) & (dy[1:] * dy[:-1] >= 0)
        straight[1:-1] = np.isclose(dx[1:] * dy[:-1], dy[1:] * dx[:-1], rtol=0, atol=1e-15) & same_side
    return np.flatnonzero(~straight)


def _rounded(values: Floats) -> list[float]:
    rounded: Any = np.round(values, 5)
    return list(rounded.tolist())
