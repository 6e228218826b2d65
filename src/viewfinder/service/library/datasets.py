"""Datasets of the library: imported once, their index kept."""

import functools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa

from viewfinder.data import samples, sources
from viewfinder.data.check import summarise
from viewfinder.data.dataset import Dataset as Index
from viewfinder.data.distributions import distributions
from viewfinder.errors import StoreError
from viewfinder.service.library.library import Library, new_id, write
from viewfinder.service.source import Progress, Source, load
from viewfinder.store import Dataset

KEPT = 3
"""How many indexes are kept in memory: those that were used last."""
MOST_NAME = 200
_SUMMARY = 1  # the form of a kept summary; one of another form is made anew


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
    return keep(library, index, source=wanted.path, name=name, sample=sample)


def keep(
    library: Library,
    index: Index,
    *,
    source: Path,
    name: str = "",
    sample: str | None = None,
    fingerprint: str | None = None,
) -> Dataset:
    """Keep a dataset that was read, and return its row; `fingerprint` is that of its whole if parts of it are lost."""
    row = Dataset(
        id=new_id(), name=name or index.name, task=index.task, format=index.format,
        root=index.root.absolute().as_posix(), fingerprint=fingerprint or index.fingerprint,
        images=len(index), classes=list(index.classes), created=library.clock(),
        sample=sample, source=source.absolute().as_posix(),
    )  # fmt: skip
    index.write(_index_path(library, row))
    _summarise(library, row, index)
    with library.database.writing() as session:
        session.add(row)
    return row


def add_samples(library: Library) -> list[Dataset]:
    """Write and import the samples that are not there yet and were not deleted; return the new rows."""
    with library.database.reading() as session:
        there = set(session.scalars(sa.select(Dataset.sample)))
    wanted = (one for one in samples.SAMPLES.values() if one.name not in there)
    return [_add_sample(library, one) for one in wanted if not _unwanted(library, one.name).exists()]


def forget_sample(library: Library, sample: str) -> None:
    """Remember that a sample was deleted: it does not come back at the next start."""
    _unwanted(library, sample).parent.mkdir(parents=True, exist_ok=True)
    _unwanted(library, sample).touch()


def _unwanted(library: Library, sample: str) -> Path:
    return library.home / "samples" / f".{sample}-deleted"


def _add_sample(library: Library, sample: samples.Sample) -> Dataset:
    folder = library.home / "samples" / sample.name
    if not folder.exists():
        beside = folder.with_name(f".{sample.name}-{new_id()}")
        folder.parent.mkdir(parents=True, exist_ok=True)
        sample.write(beside)
        beside.rename(folder)
    return add(library, folder, sample=sample.name)


def datasets(library: Library) -> list[Dataset]:
    """Return all datasets that are not in the trash, the newest first."""
    query = sa.select(Dataset).where(Dataset.trashed.is_(None)).order_by(Dataset.created.desc())
    with library.database.reading() as session:
        return list(session.scalars(query))


def index(library: Library, dataset: Dataset) -> Index:
    """Return the images of a dataset, with their labels or boxes."""
    return _read(_index_path(library, dataset))


@functools.lru_cache(maxsize=KEPT)
def _read(path: Path) -> Index:
    return Index.read(path)  # a dataset never changes, and its id is used once


def summary(library: Library, dataset: Dataset) -> dict[str, Any]:
    """Return what `summarise` says of a dataset, and as `distributions` what there is to draw; made once, then kept."""
    try:
        found: dict[str, Any] = json.loads(_summary_path(library, dataset).read_bytes())
        if found["form"] == _SUMMARY:
            return found
    except (OSError, ValueError, KeyError, TypeError):
        pass  # there is none yet, or none of use: it is made anew
    return _summarise(library, dataset, index(library, dataset))


def _summarise(library: Library, dataset: Dataset, index: Index) -> dict[str, Any]:
    found = {"form": _SUMMARY, **summarise(index), "distributions": distributions(index)}
    text = json.dumps(found, ensure_ascii=False)
    write(_summary_path(library, dataset), text.encode())
    kept: dict[str, Any] = json.loads(text)
    return kept


def rename(library: Library, identity: str, name: str) -> Dataset:
    """Give a dataset another name, and return its row; raise StoreError for a name that cannot be."""
    name = " ".join(name.split())
    if not name or len(name) > MOST_NAME:
        raise StoreError(f"A dataset's name has 1 to {MOST_NAME} characters, not {len(name)}.")
    library.get(Dataset, identity)
    with library.database.writing() as session:
        session.execute(sa.update(Dataset).where(Dataset.id == identity).values(name=name))
    return library.get(Dataset, identity)


def _summary_path(library: Library, dataset: Dataset) -> Path:
    return library.home / "datasets" / dataset.id / "summary.json"


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
