"""Datasets of the library: imported once, their index kept."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import sqlalchemy as sa

from viewfinder.data import samples, sources
from viewfinder.data.dataset import Dataset as Index
from viewfinder.service.library.library import Library, new_id
from viewfinder.service.source import Progress, Source, load
from viewfinder.store import Dataset


def add(
    library: Library,
    origin: Source | Path | str,
    *,
    name: str = "",
    sample: str | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Import a source and return its row; raise SourceError when it cannot be read."""
    wanted = Source.of(origin)
    index = load(wanted, progress=progress)
    row = Dataset(
        id=new_id(), name=name or index.name, task=index.task, format=index.format,
        root=index.root.absolute().as_posix(),
        fingerprint=index.fingerprint, images=len(index), classes=list(index.classes), created=library.clock(),
        sample=sample, source=wanted.path.absolute().as_posix(),
    )  # fmt: skip
    index.write(_index_path(library, row))
    with library.database.writing() as session:
        session.add(row)
    return row


def add_samples(library: Library) -> list[Dataset]:
    """Write and import the samples that are not there yet; return the new rows."""
    there = {row.sample for row in datasets(library)}
    return [_add_sample(library, one) for one in samples.SAMPLES.values() if one.name not in there]


def _add_sample(library: Library, sample: samples.Sample) -> Dataset:
    folder = library.home / "samples" / sample.name
    if not folder.exists():
        beside = folder.with_name(f".{sample.name}-{new_id()}")
        folder.parent.mkdir(parents=True, exist_ok=True)
        sample.write(beside)
        beside.rename(folder)
    return add(library, folder, sample=sample.name)


def datasets(library: Library) -> list[Dataset]:
    """Return all datasets, the newest first."""
    with library.database.reading() as session:
        return list(session.scalars(sa.select(Dataset).order_by(Dataset.created.desc())))


def index(library: Library, dataset: Dataset) -> Index:
    """Return the images of a dataset, with their labels or boxes."""
    return Index.read(_index_path(library, dataset))


def group_columns(dataset: Dataset) -> list[str]:
    """Return the columns by which images can be kept together; none but for tables. Raise SourceError if it is gone."""
    return sources.group_columns(source(dataset))


def grouped(dataset: Dataset, index: Index, column: str | None) -> Index:
    """Return a dataset whose images are grouped by a column of its table; raise SourceError when there is none."""
    if column is None:
        return index
    groups = sources.groups(source(dataset), dataset.task, column)
    values = [groups.get(image) for image in index.images["image"]]
    return replace(index, images=index.images.with_columns(group=pl.Series(values, dtype=pl.String)))


def source(dataset: Dataset) -> Path:
    """Return the folder or file that was imported."""
    return Path(dataset.source or dataset.root)


def _index_path(library: Library, dataset: Dataset) -> Path:
    return library.home / "datasets" / dataset.id / "dataset.parquet"
