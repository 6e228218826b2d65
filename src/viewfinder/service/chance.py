"""Whether one run's model is better than another's by more than chance, on the test images that both were judged on."""

from dataclasses import dataclass
from typing import Any

import polars as pl

from viewfinder import tasks
from viewfinder.metrics import bootstrap
from viewfinder.metrics.bootstrap import Difference, Interval
from viewfinder.metrics.drawn import Measure
from viewfinder.report import intervals as resampled
from viewfinder.run import RunFolder
from viewfinder.words import MOST_DIGITS, plural

CHANCE, MORE, EQUAL = "could be chance", "more than chance", "the same"

BASIS = {
    "classification": "Paired bootstrap: {images}, drawn {draws:,} times with replacement.",
    "detection": "Paired bootstrap: {images}, drawn {draws:,} times with replacement. F1, precision and recall at each "
    "run's own threshold, boxes counted from IoU 0.5; average precision over all boxes.",
}


@dataclass(frozen=True)
class Judged:
    """What a run's model said of its test images: truth beside prediction, a row each, in order of their names."""

    run: RunFolder
    answers: pl.DataFrame

    @classmethod
    def of(cls, run: RunFolder) -> "Judged":
        """Read it; raise RunError when no epoch is finished."""
        truth = run.split().rename({"split": "of_split"})
        joined = truth.join(run.predictions(), on="image", how="inner", suffix="_predicted")
        return cls(run, joined.sort("image"))

    def only(self, images: pl.Series) -> "Judged":
        """Return those of some images."""
        return Judged(self.run, self.answers.filter(pl.col("image").is_in(images.implode())))

    def measure(self) -> Measure:
        """Return the metrics that can be measured anew in each draw; of boxes at the run's own threshold."""
        info = self.run.info()
        return resampled.measure(self.answers, info.dataset.classes, info.threshold)


def intervals(run: RunFolder) -> dict[str, Interval]:
    """Return each metric of a run over the images it was judged on, and its 95 % interval (bootstrap over images).

    Empty where there are too few images (under 30) or outputs are no numbers. Raise RunError when no epoch is finished.
    """
    info = run.info()
    return resampled.intervals(Judged.of(run).answers, info.dataset.classes, info.threshold)


def against(first: RunFolder, other: RunFolder, names: tuple[str, str] = ("A", "B")) -> dict[str, Any]:
    """Return how `other` differs from `first` as plain data.

    `images` that both were judged on; `reason` why nothing can be said, or None; `metrics`: for each the `difference`
    (other minus first) with its 95 % interval, a `verdict`, and the whole in a `sentence`; `basis`: what was measured.
    """
    reason, shared = _not_comparable(first, other), 0
    metrics: list[dict[str, Any]] = []
    if reason is None:
        one, two = Judged.of(first), Judged.of(other)
        images = one.answers.join(two.answers, on="image", how="semi")["image"]
        shared = len(images)
        if shared < bootstrap.LEAST_IMAGES:
            reason = f"{plural(shared, 'shared test image')}: too few to tell ({bootstrap.LEAST_IMAGES} at least)."
        else:
            parts = one.only(images).measure(), two.only(images).measure()
            differing = {len(one.answers), len(two.answers)} != {shared}
            on = f" on the {plural(shared, 'shared test image')}" if differing else ""
            metrics = _metrics(first.design().task, bootstrap.differences(*parts, shared), names, on)
    basis = BASIS[first.design().task].format(images=plural(shared, "shared test image"), draws=bootstrap.DRAWS)
    return {"images": shared, "reason": reason, "basis": basis, "metrics": metrics}


def _not_comparable(first: RunFolder, other: RunFolder) -> str | None:
    one, two = first.info().dataset, other.info().dataset
    if one.fingerprint != two.fingerprint:
        return "They were trained on different data."
    if one.classes != two.classes:
        return "They tell different classes apart."
    if not all((run.path / "predictions.parquet").is_file() for run in (first, other)):
        return "One of them has no predictions yet."
    return None


def _metrics(task: str, found: dict[str, Difference], names: tuple[str, str], on: str) -> list[dict[str, Any]]:
    """Return what is said of each metric; `on` says on which images, where these are not all."""
    known = tasks.get(task).metrics
    found = {name: _without_noise(one) for name, one in found.items()}
    return [
        {
            "metric": name,
            "difference": found[name].value,
            "low": found[name].low,
            "high": found[name].high,
            "verdict": _verdict(found[name]),
            "sentence": f"{metric.title}: {_sentence(found[name], metric.higher_is_better, names, on)}",
        }
        for name, metric in known.items()
        if name in found
    ]


def _without_noise(found: Difference) -> Difference:
    """Return a difference without what sums in another order make of zero."""
    return Difference(*(round(value, MOST_DIGITS) for value in (found.value, found.low, found.high)))


def _verdict(found: Difference) -> str:
    if found.value == found.low == found.high == 0:
        return EQUAL
    return MORE if found.is_more_than_chance else CHANCE


def _sentence(found: Difference, higher_is_better: bool, names: tuple[str, str], on: str) -> str:
    """Return who is better, by how much, and whether that can be chance; seen from the better one."""
    if _verdict(found) == EQUAL:
        return f"{names[0]} and {names[1]} are the same{on}."
    sign = -1 if found.value < 0 else 1
    low, high = sorted((sign * found.low, sign * found.high))
    better = names[1] if (sign > 0) == higher_is_better else names[0]
    digits = _digits(found.value, low, high)
    what = f"{better} is better by {abs(found.value):.{digits}f}" if found.value else "no difference"
    return f"{what} (95 %: {_signed(low, digits)} to {_signed(high, digits)}){on}: {_verdict(found)}."


def _digits(*values: float) -> int:
    """Return how many digits it takes, three at least, that only what is zero reads as zero."""
    enough = (digits for digits in range(3, MOST_DIGITS) if all(round(one, digits) or not one for one in values))
    return next(enough, MOST_DIGITS)


def _signed(value: float, digits: int) -> str:
    return f"{value:.{digits}f}".replace("-", "−") if value else "0"
