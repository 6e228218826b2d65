"""Charts as plain data: declared here once, drawn as SVG in the report and by another library on a web page."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from viewfinder.tasks import Metric

NAMED = 10
WORST = 5

Curve = Mapping[str, Any]


@dataclass(frozen=True)
class Series:
    """One line. `color` counts through the palette; faint ones are context, without colour; a null y is a gap."""

    name: str
    x: tuple[float, ...]
    y: tuple[float | None, ...]
    color: int = 0
    dashed: bool = False
    faint: bool = False


@dataclass(frozen=True)
class Mark:
    """A vertical line at `x`, and what it stands for."""

    x: float
    label: str


@dataclass(frozen=True)
class Chart:
    """A chart: `reading` is one sentence that says how to read it; a range is null where the data decide."""

    id: str
    title: str
    reading: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None
    log_y: bool = False
    whole_x: bool = False
    marks: tuple[Mark, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the chart as plain data."""
        return asdict(self)


def learning(epochs: pl.DataFrame, split: str, metric: Metric, best: int | None, warmup: bool = False) -> list[Chart]:
    """Return the learning curves of epochs.csv; none without epochs. `split` is the monitored one.

    `warmup` says whether the learning rate rose to its first value within epoch 1, which the table does not hold.
    """
    if not epochs.height:
        return []
    marks = (Mark(float(best), f"best epoch {best}"),) if best is not None else ()
    better = "higher" if metric.higher_is_better else "lower"
    title = metric.title if metric.title.isupper() else metric.title[0].lower() + metric.title[1:]
    return [
        _over_epochs(
            Chart(
                "loss",
                "Loss",
                f"Both should fall; when only the training loss still falls while that of the {split} split rises, "
                "the model is learning the training images by heart.",
                "epoch",
                "loss",
                _columns(epochs, {"train_loss": "training", f"{split}_loss": f"{split} split"}),
                marks=marks,
            )
        ),
        _over_epochs(
            Chart(
                "metric",
                f"{metric.title} on the {split} split",
                f"{metric.explanation} {better.capitalize()} is better; the epoch with the best value is the model.",
                "epoch",
                metric.title,
                _columns(epochs, {f"{split}_{metric.name}": f"{title if metric.title != 'ROC AUC' else metric.title}"}),
                marks=marks,
            )
        ),
        _over_epochs(_rates(epochs, warmup, marks)),
    ]


def _rates(epochs: pl.DataFrame, warmup: bool, marks: tuple[Mark, ...]) -> Chart:
    rose = " Within epoch 1 it rose from near zero, which is not drawn." if warmup else ""
    return Chart(
        "learning_rate",
        "Learning rate",
        "How large the steps of learning were at the end of each epoch." + rose,
        "epoch",
        "learning rate",
        _columns(epochs, {"learning_rate": "learning rate"}),
        y_range=None if _spans_tenfold(epochs) else (0.0, _largest(epochs["learning_rate"])),
        log_y=_spans_tenfold(epochs),
        marks=marks,
    )


def _over_epochs(chart: Chart) -> Chart:
    last = max((x for series in chart.series for x in series.x), default=1.0)
    return Chart(**{**vars(chart), "whole_x": True, "x_range": (0.5, last + 0.5) if last < 2 else (1.0, last)})


def _columns(epochs: pl.DataFrame, names: Mapping[str, str]) -> tuple[Series, ...]:
    x = tuple(float(epoch) for epoch in epochs["epoch"])
    present = [(column, title) for column, title in names.items() if column in epochs.columns]
    return tuple(
        Series(title, x, tuple(_finite(value) for value in epochs[column]), color)
        for color, (column, title) in enumerate(present)
    )


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and abs(float(value)) < float("inf") else None


def _largest(values: pl.Series) -> float:
    return max((float(value) for value in values.drop_nulls()), default=1.0)


def _spans_tenfold(epochs: pl.DataFrame) -> bool:
    rates = epochs["learning_rate"].drop_nulls()
    return bool(len(rates) and rates.min() > 0 and rates.max() >= 10 * rates.min())  # type: ignore[operator]  # a column of numbers


def diagonal(name: str) -> Series:
    """Return the line from (0, 0) to (1, 1), as context."""
    return Series(name, (0.0, 1.0), (0.0, 1.0), dashed=True, faint=True)


def per_class(curves: Sequence[Curve], scores: Mapping[str, float | None], score: str = "") -> tuple[Series, ...]:
    """Return a line for each class, its score in its name if `score` names it.

    Of more than ten classes only the five worst are named.
    """
    worst = sorted((c["class"] for c in curves), key=lambda name: (scores[name] is None, scores[name]))
    named = set(worst[:WORST] if len(curves) > NAMED else worst)
    order = [*(c for c in curves if c["class"] not in named), *(c for c in curves if c["class"] in named)]
    colors = iter(range(len(named)))
    return tuple(
        Series(_named(curve["class"], scores[curve["class"]], score), *_points(curve), color=next(colors))
        if curve["class"] in named
        else Series("the other classes", *_points(curve), faint=True)
        for curve in order
    )


def _points(curve: Curve) -> tuple[tuple[float, ...], tuple[float | None, ...]]:
    return tuple(curve["x"]), tuple(curve["y"])


def _named(name: str, value: float | None, score: str) -> str:
    return name if value is None or not score else f"{name} ({score} {value:.3f})"


def many_note(curves: Iterable[Curve]) -> str:
    """Return the words that say which classes are named in a chart of these curves."""
    count = len(list(curves))
    return f" Of {count} classes the {WORST} with the lowest values are named." if count > NAMED else ""
