"""The course of a training: what was measured so far, and what follows from it."""

import math

from viewfinder.design import Training
from viewfinder.engine.progress import Progress
from viewfinder.schedule import best_epoch, learning_rate, patience_left
from viewfinder.tasks import Metric


class Course:
    """The finished epochs of a training as its metric on the monitored split saw them."""

    def __init__(self, progress: Progress, training: Training, metric: Metric, monitored: str) -> None:
        self._progress, self._training, self._metric, self._monitored = progress, training, metric, monitored

    def values(self, column: str | None = None) -> list[float]:
        """Return a column of the monitored split, a value an epoch; the metric, if none is named."""
        key = f"{self._monitored}_{column or self._metric.name}"
        return [math.nan if row[key] is None else float(row[key]) for row in self._progress.rows]

    def rate(self, step: int, steps: int) -> float:
        """Return the learning rate of step `step`, from 0, of `steps` in the epoch under way."""
        base, higher = float(self._training.learning_rate), self._metric.higher_is_better
        return learning_rate(base, self._training.schedule, self._training.warmup, step, steps, self.values(), higher)

    @property
    def patience_left(self) -> int | None:
        """How many more epochs may pass without an improvement; None: any number."""
        higher = self._metric.higher_is_better
        return patience_left(self._training.early_stopping, self.values(), higher, self._progress.since)

    @property
    def best_epoch(self) -> int | None:
        """The epoch, from 1, whose weights are the model; None before the first is finished."""
        return best_epoch(self.values(), self.values("loss"), self._metric.higher_is_better)

    def extend_patience(self) -> None:
        """Give an early-stopped run that is extended a new patience."""
        progress = self._progress
        if progress.rows and self.patience_left == 0 and progress.epoch <= int(self._training.epochs):
            progress.since = len(progress.rows)
