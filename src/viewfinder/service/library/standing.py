"""Where a run stands at a moment: its row, what its folder says, and what its trainer told."""

from dataclasses import dataclass
from typing import Any

import polars as pl

from viewfinder.run import RunInfo
from viewfinder.service.library import runs
from viewfinder.service.library.judged import Judged
from viewfinder.service.library.library import Library
from viewfinder.service.library.watch import Watched
from viewfinder.store import Run


@dataclass(frozen=True)
class Now:
    """A run at a moment.

    `reported`: there is a report; `guessing`: what guessing scores; `latest`: the images judged by the last epoch.
    """

    row: Run
    info: RunInfo
    watched: Watched
    epochs: pl.DataFrame
    reported: bool
    task: str
    guessing: dict[str, Any] | None
    latest: Judged | None

    @property
    def state(self) -> str:
        """The state as the user should see it: the row's until the trainer has begun."""
        return self.info.status if self.row.state != "stopped" else "stopped"

    @property
    def over(self) -> bool:
        """Whether it is over, for now: it may be resumed."""
        return self.state in runs.FINAL


def now(library: Library, identity: str) -> Now:
    """Read where a run stands; raise NotFoundError when there is none, RunError when its folder is lost."""
    row = library.get(Run, identity)
    folder = runs.folder(library, row)
    watch, reported = library.watch(folder), (folder.path / "report.json").is_file()
    return Now(
        row, folder.info(), watch.now(), folder.epochs(), reported, watch.task, watch.guessing, library.latest(folder)
    )
