"""Reading sources: one module for each format, and `load`, which recognises the format by looking."""

from collections.abc import Callable
from pathlib import Path

from viewfinder import tasks
from viewfinder.data.dataset import Dataset
from viewfinder.data.sources import table
from viewfinder.data.sources.assemble import assemble
from viewfinder.data.sources.files import existing
from viewfinder.data.sources.recognise import Wish, recognise

__all__ = ["group_columns", "groups", "load"]


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


def groups(source: Path, task: str, column: str) -> dict[str, str | None]:
    """Return the group of each image that a table names, without opening an image; raise SourceError like `load`."""
    return {item.image: item.group for item in recognise(existing(source), Wish(task, group_column=column)).items}


def group_columns(source: Path) -> list[str]:
    """Return the columns of a table that hold neither images nor targets; none for any other source."""
    path = existing(source)
    tables = [path] if path.is_file() else list(path.iterdir())
    tables = [one for one in tables if one.is_file() and table.is_table(one.name)]
    if len(tables) != 1:
        return []
    read = table.parse(tables[0])
    chosen = table.choose(read, None, None, None, None)
    return [name for name in read.columns if name not in (chosen.image, chosen.target)]
