"""What each task puts into a report: `viewfinder.report.<task>` holds these functions."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, Protocol, cast

import polars as pl

from viewfinder.report.charts import Chart

Judged = Mapping[str, Any]
"""What `viewfinder.metrics.<task>.measure` returned."""


class Part(Protocol):
    """The side of a report that depends on the task.

    `answers` is the truth joined with the predictions, a row an image; where both have a column, that of the
    predictions ends in `_predicted`.
    """

    def measure(self, answers: pl.DataFrame, classes: Sequence[str], threshold: float | None) -> dict[str, Any]:
        """Judge the answers."""

    def guessing(self, answers: pl.DataFrame, train: pl.DataFrame) -> dict[str, Any] | None:
        """Return how good it would be to always say the same, or None where that makes no sense."""

    def sentences(self, judged: Judged, split: str, guessing: Mapping[str, Any] | None) -> list[str]:
        """Return in plain words how good the model is."""

    def headlines(self) -> tuple[str, ...]:
        """Return the names of the metrics shown large, besides the optimised one."""

    def titles(self) -> Mapping[str, tuple[str, str]]:
        """Return title and explanation of measures that `viewfinder.tasks` does not have."""

    def charts(self, judged: Judged) -> list[Chart]:
        """Return the charts of the judged answers."""

    def tables(self, judged: Judged, answers: pl.DataFrame) -> list[dict[str, Any]]:
        """Return tables: `{"id", "title", "reading", "columns": [{"key", "title", "kind"}], "rows": [{…}]}`."""

    def mistakes(self, judged: Judged, answers: pl.DataFrame, limit: int) -> list[dict[str, Any]]:
        """Return the worst answers: `{"image", "title", "text", "boxes"}`, the worst first."""

    def contents(self, table: pl.DataFrame, classes: Sequence[str]) -> dict[str, Any]:
        """Return what a split holds: `{"things": "images", "counts": {class: n}, "empty": images without any}`."""


def of(task: str) -> Part:
    """Return the part of a task."""
    return cast(Part, import_module(f"viewfinder.report.{task}"))
