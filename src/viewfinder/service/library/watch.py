"""Watching runs: one reader of a run's events for everybody who looks at it."""

import threading
import time
from dataclasses import dataclass, field
from typing import Any

from viewfinder.events import (
    AnyEvent,
    Diagnostic,
    Epoch,
    Failed,
    Finished,
    Note,
    Retry,
    Skipped,
    Started,
    Step,
    Stopped,
)  # fmt: skip
from viewfinder.report import parts
from viewfinder.run import RunFolder
from viewfinder.service.progress import TrainingProgress
from viewfinder.words import plural

MOST_POINTS = 400
REFRESH_S = 0.5


@dataclass
class Watched:
    """What a run told so far: where it stands, losses and rates by epoch (with fractions for steps), and its log."""

    progress: TrainingProgress
    steps: list[tuple[float, float]] = field(default_factory=list)
    rates: list[tuple[float, float]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, event: AnyEvent) -> None:
        """Take account of an event."""
        self.progress.add(event)
        match event:
            case Step():
                at = event.epoch - 1 + event.step / event.steps
                self.steps.append((at, event.loss))
                self.rates.append((at, event.learning_rate))
                if len(self.steps) > MOST_POINTS:
                    del self.steps[1::2], self.rates[1::2]
            case _:
                self.notes += self._line(event)

    def _line(self, event: AnyEvent) -> list[str]:
        """Return what an event adds to the log."""
        match event:
            case Note() | Retry() | Skipped():
                return [event.message]
            case Diagnostic():
                return [f"{event.file}: {event.reason}" if event.file else event.reason]
            case Started():
                began = "Training begins" if event.epoch == 1 else f"Training goes on in epoch {event.epoch}"
                return [
                    f"{began} on {event.device}: {plural(event.images, 'image')}, {plural(event.steps, 'step')} each."
                ]
            case Epoch():
                value, best = event.metrics.get(self.progress.metric.name), ", the best so far" if event.best else ""
                judged = f"{self.progress.metric.title} {'–' if value is None else f'{value:.4f}'}{best}"
                return [f"Epoch {event.epoch}: {judged}; loss {event.loss:.4g}, {event.seconds:.0f} s."]
            case Stopped() | Finished():
                return [f"{event.type.capitalize()}: {event.reason}."]
            case Failed():
                return [event.error]
            case _:
                return []


class Watch:
    """Follows one run's events; call `now` from any thread.

    `guessing`: how good it would be to always say the same, where that makes sense.
    """

    def __init__(self, run: RunFolder) -> None:
        self.run, self._offset, self._last = run, 0, 0.0
        self.task = run.design().task
        self.guessing = _guessing(run, self.task)
        self._watched = Watched(TrainingProgress.of(run.design()))
        self._lock = threading.Lock()

    def now(self) -> Watched:
        """Return what was told so far, at most half a second old."""
        with self._lock:
            if time.monotonic() - self._last >= REFRESH_S:
                for offset, event in self.run.events(self._offset):
                    self._offset = offset
                    self._watched.add(event)
                self._last = time.monotonic()
            return self._watched


def _guessing(run: RunFolder, task: str) -> dict[str, Any] | None:
    split = {str(name): rows for (name,), rows in run.split().group_by("split")}
    judged = split.get(run.info().dataset.monitored_split)
    if judged is None or "train" not in split:
        return None
    return parts.of(task).guessing(judged, split["train"])
