"""How good class probabilities are."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from viewfinder.metrics.ranking import MAX_POINTS, Floats, Ints, Ranking, calibration, density, mean, thin

NAMES = ("roc_auc", "accuracy", "precision", "recall", "f1", "log_loss", "average_precision")


def measure(truth: ArrayLike, proba: ArrayLike, classes: Sequence[str], *, curves: bool = True) -> dict[str, Any]:
    """Compare class numbers `truth` [n] with probabilities `proba` [n, k]; column j belongs to `classes[j]`.

    Precision, recall, F1, ROC AUC (one class against the rest) and average precision are unweighted means over the
    classes that the truth has; a class that was never predicted has precision 0. Probabilities under 2.2e-16 count as
    that in the log loss. With two classes the ROC AUC equals the binary one. What is not defined (no images, one class
    only, outputs that are no numbers) is None, and a note says why. `curves=False` leaves the curves out.
    """
    truth, proba = np.asarray(truth, np.int64), np.asarray(proba, np.float64).reshape(-1, len(classes))
    notes = _absent(truth, classes)
    if len(truth) and not np.isfinite(proba).all():
        notes.append("The model's outputs are not all numbers: nothing can be measured.")
        truth, proba = truth[:0], proba[:0]
    counts = _confusion(truth, proba, len(classes))
    rankings = [Ranking.of(proba[:, number], truth == number) for number in range(len(classes))]
    per_class = [_per_class(name, number, counts, rankings[number]) for number, name in enumerate(classes)]
    return {
        "metrics": _means(truth, proba, counts, per_class),
        "per_class": per_class,
        "confusion": {"labels": list(classes), "predicted_labels": list(classes), "counts": counts.tolist()},
        "curves": _curves(classes, rankings) | _probabilities(truth, proba, classes) if curves else {},
        "notes": notes,
    }


def _absent(truth: Ints, classes: Sequence[str]) -> list[str]:
    if not len(truth):
        return ["There are no images to measure on."]
    present = set(truth.tolist())
    absent = [name for number, name in enumerate(classes) if number not in present]
    if not absent:
        return []
    listed = ", ".join(absent[:10]) + (f" and {len(absent) - 10} more" if len(absent) > 10 else "")
    notes = [f"No image here is of: {listed}. Means over classes leave such classes out."]
    if len(present) == 1:
        notes.append("All images here are of one class, so the ROC AUC is not defined.")
    return notes


def _confusion(truth: Ints, proba: Floats, size: int) -> Ints:
    predicted = proba.argmax(axis=1) if len(proba) else np.zeros(0, np.int64)
    counts: NDArray[np.int64] = np.bincount(truth * size + predicted, minlength=size * size).reshape(size, size)
    return counts


def _per_class(name: str, number: int, counts: Ints, ranking: Ranking) -> dict[str, Any]:
    right, support, predicted = (
        int(n) for n in (counts[number, number], counts[number].sum(), counts[:, number].sum())
    )
    seen = support > 0
    return {
        "class": name,
        "support": support,
        "precision": (right / predicted if predicted else 0.0) if seen else None,
        "recall": right / support if seen else None,
        "f1": 2 * right / (support + predicted) if seen else None,
        "roc_auc": ranking.roc_auc(),
        "average_precision": ranking.average_precision(),
    }


def _means(truth: Ints, proba: Floats, counts: Ints, per_class: list[dict[str, Any]]) -> dict[str, float | None]:
    means: dict[str, float | None] = {name: mean(row.get(name) for row in per_class) for name in NAMES}
    if len(truth):
        chosen = proba[np.arange(len(truth)), truth].clip(np.finfo(np.float64).eps, 1.0)
        means |= {"accuracy": float(np.trace(counts) / len(truth)), "log_loss": float(-np.log(chosen).mean())}
    return means


def _curves(classes: Sequence[str], rankings: list[Ranking]) -> dict[str, list[dict[str, Any]]]:
    points = min(MAX_POINTS, max(20, 10_000 // len(classes)))
    drawn = [(name, ranking) for name, ranking in zip(classes, rankings, strict=True) if ranking.positives]
    recall_first = [(name, np.append(0.0, r.recall), np.append(r.precision[:1], r.precision)) for name, r in drawn]
    return {
        "roc": [{"class": n, **thin(*r.roc(), points)} for n, r in drawn if r.wrong[-1]],
        "precision_recall": [{"class": name, **thin(x, y, points)} for name, x, y in recall_first],
    }


def _probabilities(truth: Ints, proba: Floats, classes: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Return how the probabilities of each class that the truth has are spread, and how far they can be believed."""
    seen = [(name, proba[:, number], truth == number) for number, name in enumerate(classes) if (truth == number).any()]
    return {
        "calibration": [_curve(name, calibration(scores, own)) for name, scores, own in seen],
        "density": [_curve(name, density(scores[own])) for name, scores, own in seen],
        "density_of_others": [_curve(name, density(scores[~own])) for name, scores, own in seen if not own.all()],
    }


def _curve(name: str, points: tuple[Floats, Floats]) -> dict[str, Any]:
    return {"class": name, "x": points[0].round(5).tolist(), "y": points[1].round(5).tolist()}
