"""Predictions of a run's model for images that have no labels, or whose labels play no part."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import polars as pl

from viewfinder import atomic
from viewfinder.data import boxes
from viewfinder.data.diagnostics import Diagnostic
from viewfinder.data.sources.files import Tree
from viewfinder.errors import InputError, SourceError
from viewfinder.run import RunFolder
from viewfinder.service.parts import Job, Parts, predicted
from viewfinder.service.source import Progress
from viewfinder.service.training import open_run

SUFFIXES = (".csv", ".parquet", ".jsonl")
BOXES = pl.List(pl.Struct({"bbox": pl.List(pl.Float64), "category": pl.String, "confidence": pl.Float64}))


@dataclass(frozen=True)
class Predictions:
    """A row for each readable image, in order, and a finding for each that is not."""

    table: pl.DataFrame
    diagnostics: tuple[Diagnostic, ...]


@dataclass(frozen=True)
class Written:
    """How many predictions are in the file, and a finding for each image that cannot be read."""

    count: int
    diagnostics: tuple[Diagnostic, ...]


def predict(
    run: RunFolder | Path | str,
    images: Sequence[Path | str] | Path | str,
    out: Path | str | None = None,
    threshold: float | None = None,
    *,
    progress: Progress | None = None,
) -> Predictions:
    """Predict images, and those in folders, with the best model of a run; write the table to `out` if given.

    The columns are those of predictions.parquet; of boxes only those of confidence ≥ `threshold` are kept, by default
    the model's own. Raises InputError for a run without a model, and paths that are not there. With `out`, what was
    interrupted goes on when it is called again.
    """
    with _asked(run, images, out, threshold, progress) as made:
        if out is not None:
            write(made.table, Path(out))
        return Predictions(made.table.collect(), made.diagnostics)


def predict_into(
    run: RunFolder | Path | str,
    images: Sequence[Path | str] | Path | str,
    out: Path | str,
    threshold: float | None = None,
    *,
    progress: Progress | None = None,
) -> Written:
    """Predict as `predict` does, but hold no more than a part of the table in memory."""
    with _asked(run, images, out, threshold, progress) as made:
        write(made.table, Path(out))
        return Written(_count(made), made.diagnostics)


@contextlib.contextmanager
def _asked(
    run: RunFolder | Path | str,
    images: Sequence[Path | str] | Path | str,
    out: Path | str | None,
    threshold: float | None,
    progress: Progress | None,
) -> Iterator[Parts]:
    """Give the predictions of at least one image."""
    run = open_run(run)
    own = model_threshold(run)
    if out is not None:
        _check_out(Path(out))
    _check_threshold(run, own, threshold)
    given = [images] if isinstance(images, (str, Path)) else list(images)
    limit = own if threshold is None else threshold
    job = Job(run.with_model(), list(_walk(given)), limit, progress)
    kept = Path(out).with_name(f".{Path(out).name}.parts") if out is not None else None
    with predicted(job, kept, "The same command goes on from there." if kept else "") as made:
        if _count(made):
            yield made
            return
        reasons = "; ".join(f"{one.file}: {one.reason}" for one in made.diagnostics[:5])
    raise SourceError(f"None of the images can be read. {reasons}")


def _count(made: Parts) -> int:
    return int(made.table.select(pl.len()).collect().item())


def infer(run: RunFolder, images: Sequence[str], progress: Progress | None = None) -> Predictions:
    """Return all predictions for images by path, without a threshold, computed by a process of its own."""
    with predicted(Job(run.with_model(), images, progress=progress)) as made:
        return Predictions(made.table.collect(), made.diagnostics)


def model_threshold(run: RunFolder) -> float | None:
    """Return the confidence from which the run's model reports a box; None for other tasks."""
    return run.model_info().threshold


def write(table: pl.DataFrame | pl.LazyFrame, out: Path) -> None:
    """Write predictions as CSV, Parquet or JSON Lines, by the file's extension; the file is replaced at once."""
    suffix, rows = _suffix(out), table.lazy()
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        atomic.replace(out, lambda file: _sink(rows, suffix, file))
    except (OSError, pl.exceptions.PolarsError) as error:  # for a full disk, polars has one of its own
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"'{out}' cannot be written: {reason}.") from None


def _sink(rows: pl.LazyFrame, suffix: str, file: IO[bytes]) -> None:
    if suffix == ".csv":
        rows.sink_csv(file)
    elif suffix == ".parquet":
        rows.sink_parquet(file)
    elif "boxes" in rows.collect_schema():
        rows.with_columns(pl.col("boxes").str.json_decode(BOXES)).sink_ndjson(file)
    else:
        rows.sink_ndjson(file)


def plain(table: pl.DataFrame) -> list[dict[str, object]]:
    """Return predictions as plain data, boxes as lists."""
    rows = table.to_dicts()
    if "boxes" in table.columns:
        rows = [{**row, "boxes": boxes.from_json(row["boxes"])} for row in rows]
    return rows


def _suffix(out: Path) -> str:
    suffix = out.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"--out '{out}': predictions are written as one of {', '.join(SUFFIXES)}.")
    return suffix


def _check_out(out: Path) -> None:
    """Raise InputError for a file that could not be written, before the work is done for nothing."""
    _suffix(out)
    if out.is_dir():
        raise InputError(f"--out '{out}' is a folder. Give the name of a file.")
    there = next(folder for folder in out.absolute().parents if folder.exists())
    if not there.is_dir():
        raise InputError(f"--out '{out}' cannot be written: '{there}' is a file, not a folder.")


def _check_threshold(run: RunFolder, own: float | None, threshold: float | None) -> None:
    if threshold is None:
        return
    if own is None:
        raise InputError(f"--threshold {threshold}: the model of '{run.path}' gives each image a class, not boxes.")
    if not 0 <= threshold <= 1:
        raise InputError(f"--threshold {threshold}: a confidence is between 0 and 1.")


def _walk(given: Sequence[Path | str]) -> Iterator[str]:
    """Yield the images of files and folders, each once, its path as the user would write it, with `/`."""
    if not given:
        raise SourceError("No image was named. Give images, or folders of images.")
    seen = set()
    for name in _named(given):
        if (place := os.path.abspath(name)) not in seen:  # noqa: PTH100 - Path.resolve would follow links
            seen.add(place)
            yield name


def _named(given: Sequence[Path | str]) -> Iterator[str]:
    for path in map(Path, given):
        if path.is_dir():
            inside = Tree(path).images
            if not inside:
                raise SourceError(f"The folder '{path}' holds no images.")
            yield from ((path / name).as_posix() for name in inside)
        elif path.exists():
            yield path.as_posix()
        else:
            raise SourceError(f"There is no image or folder '{path}'.")
