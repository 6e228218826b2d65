"""Datasets of the library: imported once, their index kept."""

from pathlib import Path

import sqlalchemy as sa

from viewfinder.data import samples
from viewfinder.data.dataset import Dataset as Index
from viewfinder.service.library.library import Library, new_id
from viewfinder.service.source import Progress, Source, load
from viewfinder.store import Dataset


def add(
    library: Library,
    source: Source | Path | str,
    *,
    name: str = "",
    sample: str | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Import a source and return its row; raise SourceError when it cannot be read."""
    index = load(Source.of(source), progress=progress)
    row = Dataset(
        id=new_id(), name=name or index.name, task=index.task, format=index.format,
        root=index.root.absolute().as_posix(),
        fingerprint=index.fingerprint, images=len(index), classes=list(index.classes), created=library.clock(),
        sample=sample,
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


def _index_path(library: Library, dataset: Dataset) -> Path:
    return library.home / "datasets" / dataset.id / "dataset.parquet"
