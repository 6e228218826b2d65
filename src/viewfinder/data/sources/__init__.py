"""Reading sources: one module for each format, and `load`, which recognises the format by looking."""

from collections.abc import Callable
from pathlib import Path

from viewfinder import tasks
from viewfinder.data.dataset import Dataset
from viewfinder.data.sources.assemble import assemble
from viewfinder.data.sources.files import existing
from viewfinder.data.sources.recognise import Wish, recognise

__all__ = ["load"]


def load(
    source: Path,
    *,
    task: str | None = None,
    image_column: str | None = None,
    target_column: str | None = None,
    group_column: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """Return the dataset of a source: a folder, a table or an annotation file.

    Every image is decoded once; `progress(done, total)` is called after each. What cannot be used is left out and
    listed in the dataset's diagnostics. `task` and the columns settle what looking alone cannot. Raises SourceError
    when the source is not there, is of no format that is read, or has no image that can be used.
    """
    if task is not None:
        tasks.get(task)
    path = existing(source)
    listing = recognise(path, Wish(task, image_column, target_column, group_column))
    return assemble(listing, path.stem if path.is_file() else path.name, progress)
