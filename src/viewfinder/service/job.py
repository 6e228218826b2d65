"""A question to the engine, answered by a process of its own in a folder."""

import contextlib
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from viewfinder.errors import InputError, TrainingError
from viewfinder.events import AnyEvent
from viewfinder.run import RunFolder
from viewfinder.service import launch

Progress = Callable[[int, int], None]


class Told(launch.Silent):
    """Keeps what a job tells."""

    def __init__(self, progress: Progress | None = None) -> None:
        self.progress = progress
        self.error: str | None = None

    def event(self, event: AnyEvent) -> None:
        """Take note of an event."""
        match event.type:
            case "evaluating":
                if self.progress:
                    self.progress(event.done, event.images)
            case "failed":
                self.error = event.error
            case _:
                pass


@contextlib.contextmanager
def done(command: str, request: Mapping[str, Any], told: Told) -> Iterator[RunFolder]:
    """Run a command of the engine on a request in a folder of its own, and yield the folder with its answer.

    Raises what `run` does.
    """
    with temporary() as folder:
        folder.write_text("request.json", json.dumps(request))
        run(command, folder, told)
        yield folder


@contextlib.contextmanager
def temporary() -> Iterator[RunFolder]:
    """Give a folder for a job that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="viewfinder-", ignore_cleanup_errors=True) as name:
        yield RunFolder(Path(name))


def run(command: str, folder: RunFolder, told: Told) -> None:
    """Run a command of the engine on a job's folder.

    Raises InputError when the user's input was wrong, TrainingError for anything else, and KeyboardInterrupt when it
    was stopped.
    """
    ended = launch.follow(command, folder, told)
    if ended.asked or ended.code == launch.STOPPED:
        raise KeyboardInterrupt
    if ended.code != 0:
        log = folder.path / "log.txt"
        killed = "The system ended it for lack of memory." if ended.out_of_memory else ""
        lacking = "There is not enough memory." if launch.lacked_memory(log) else ""
        error = told.error or killed or lacking or launch.last_line(log) or f"It ended with code {ended.code}."
        raise InputError(error) if ended.code == launch.INPUT_IS_WRONG else TrainingError(error)
