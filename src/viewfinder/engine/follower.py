"""The run folder for processes that train with the one that leads: they read it, and write next to nothing."""

from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any

import polars as pl

from viewfinder.design import Design
from viewfinder.events import Diagnostic, Event, Retry
from viewfinder.run import ModelInfo, RunFolder


class FollowedRun(RunFolder):
    """A run's folder that another process writes. Only images that cannot be read, and lack of memory, are told."""

    leads = False

    def append(self, event: Event) -> None:
        """Append what the leading process does not see."""
        if isinstance(event, Diagnostic | Retry):
            super().append(event)

    def write_design(self, design: Design) -> None:
        """Write nothing."""

    def write_text(self, name: str, text: str) -> None:
        """Write nothing."""

    def write_predictions(self, table: pl.DataFrame) -> None:
        """Write nothing."""

    def write_latest(self, table: pl.DataFrame, epoch: int) -> None:
        """Write nothing."""

    def write_model(self, info: ModelInfo, write: Callable[[IO[bytes]], object]) -> None:
        """Write nothing."""

    def write_epochs(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write nothing."""

    def clear_stop(self) -> None:
        """Leave the request to the process that leads."""
