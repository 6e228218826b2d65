"""Sources: reading one, and telling its task without opening its images."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from viewfinder.data import sources
from viewfinder.data.dataset import Dataset
from viewfinder.data.sources.files import existing
from viewfinder.data.sources.recognise import Wish, recognise

Progress = Callable[[int, int], None]
"""Called with the images done and the images in all."""


@dataclass(frozen=True)
class Source:
    """Where images and labels come from, and what settles a doubt about it."""

    path: Path
    task: str | None = None
    image_column: str | None = None
    target_column: str | None = None

    @classmethod
    def of(cls, source: "Source | Path | str") -> Self:
        """Return a source, also from its path alone."""
        if isinstance(source, Source):
            return cls(source.path, source.task, source.image_column, source.target_column)
        return cls(Path(source))

    def with_task(self, task: str | None) -> "Source":
        """Return the source with a task, unless it has one."""
        return Source(self.path, self.task or task, self.image_column, self.target_column)


def task_of(source: Source) -> str:
    """Return the task that a source is for, by looking at names and labels only."""
    if source.task:
        return source.task
    return recognise(existing(source.path), Wish(None, source.image_column, source.target_column)).task


def load(source: Source, *, group_column: str | None = None, progress: Progress | None = None) -> Dataset:
    """Return the dataset of a source; raise SourceError when it has no image that can be used."""
    return sources.load(
        source.path,
        task=source.task,
        image_column=source.image_column,
        target_column=source.target_column,
        group_column=group_column,
        progress=progress,
    )
