"""A question to the engine, answered by a process of its own in a folder that is gone afterwards."""

import contextlib
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from viewfinder.data.diagnostics import Diagnostic
from viewfinder.errors import InputError, TrainingError
from viewfinder.events import AnyEvent
from viewfinder.run import RunFolder
from viewfinder.service import launch

Progress = Callable[[int, int], None]


class Told(launch.Silent):
    """Keeps what a job tells."""

    def __init__(self, progress: Progress | None = None) -> None:
        self.progress = progress
        self.diagnostics: list[Diagnostic] = []
        self.error: str | None = None

    def event(self, event: AnyEvent) -> None:
        """Take note of an event."""
        match event.type:
            case "evaluating":
                if self.progress:
                    self.progress(event.done, event.images)
            case "diagnostic":
                self.diagnostics.append(Diagnostic(event.severity, event.kind, event.file, event.reason))
            case "failed":
                self.error = event.error
            case _:
                pass


@contextlib.contextmanager
def done(
    command: str, request: Mapping[str, Any], told: Told, images: pl.DataFrame | None = None
) -> Iterator[RunFolder]:
    """Run a command of the engine on a request, and yield the folder with its answer.

    Raises InputError when the user's input was wrong, TrainingError for anything else, and KeyboardInterrupt when it
    was stopped.
    """
    with tempfile.TemporaryDirectory(prefix="viewfinder-", ignore_cleanup_errors=True) as name:
        job = RunFolder(Path(name))
        job.write_text("request.json", json.dumps(request))
        if images is not None:
            images.write_parquet(job.path / "images.parquet")
        ended = launch.follow(command, job, told)
        if ended.asked or ended.code == launch.STOPPED:
            raise KeyboardInterrupt
        if ended.code != 0:
            error = told.error or launch.last_line(job.path / "log.txt") or f"It ended with code {ended.code}."
            raise InputError(error) if ended.code == launch.INPUT_IS_WRONG else TrainingError(error)
        yield job
