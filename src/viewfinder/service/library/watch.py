"""Watching runs: one reader of a run's events for everybody who looks at it."""

import threading
import time
from dataclasses import dataclass, field
from typing import Any

from viewfinder.events import AnyEvent, Diagnostic, Note, Step
from viewfinder.report import parts
from viewfinder.run import RunFolder
from viewfinder.service.progress import TrainingProgress

MOST_POINTS = 400
REFRESH_S = 0.5


@dataclass
class Watched:
    """What a run told so far: where it stands, its losses by epoch (with fractions for steps), and its notes."""

    progress: TrainingProgress
    steps: list[tuple[float, float]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, event: AnyEvent) -> None:
        """Take account of an event."""
        self.progress.add(event)
        match event:
            case Step():
                self.steps.append((event.epoch - 1 + event.step / event.steps, event.loss))
                if len(self.steps) > MOST_POINTS:
                    del self.steps[1::2]
            case Note():
                self.notes.append(event.message)
            case Diagnostic():
                self.notes.append(f"{event.file}: {event.reason}")
            case _:
                pass


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
