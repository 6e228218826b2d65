"""Predictions of a run's model for images that have no labels, or whose labels play no part."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import polars as pl

from viewfinder import atomic
from viewfinder.data import boxes
from viewfinder.data.diagnostics import Diagnostic
from viewfinder.data.sources.files import Tree
from viewfinder.errors import InputError, SourceError, TrainingError
from viewfinder.run import RunFolder
from viewfinder.service.job import Told, done
from viewfinder.service.source import Progress
from viewfinder.service.training import open_run

SUFFIXES = (".csv", ".parquet", ".jsonl")


@dataclass(frozen=True)
class Predictions:
    """A row for each readable image, in order, and a finding for each that is not."""

    table: pl.DataFrame
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
    the model's own. Raises InputError for a run without a model, and paths that are not there.
    """
    run = open_run(run)
    own = model_threshold(run)
    if out is not None:
        _check_out(Path(out))
    _check_threshold(run, own, threshold)
    given = [images] if isinstance(images, (str, Path)) else list(images)
    found = infer(run, list(_walk(given)), progress)
    if not found.table.height:
        reasons = "; ".join(f"{one.file}: {one.reason}" for one in found.diagnostics[:5])
        raise SourceError(f"None of the images can be read. {reasons}")
    limit = own if threshold is None else threshold
    table = found.table if limit is None else above(found.table, limit)
    if out is not None:
        write(table, Path(out))
    return Predictions(table, found.diagnostics)


@dataclass(frozen=True)
class Job:
    """Images by path to be predicted with the model of a folder: a run's, or its copied `model` folder.

    It is given up when `stop` says so; `nice` is how much it stands back for other processes.
    """

    model: Path
    images: Sequence[str]
    progress: Progress | None = None
    stop: Callable[[], bool] = lambda: False
    nice: int = 0


class _GivenUp(Exception):  # noqa: N818 - it is no error
    """A job shall not go on."""


class _Watched(Told):
    """Keeps what a job tells, and stops it when it shall not go on."""

    def __init__(self, job: Job) -> None:
        super().__init__(job.progress)
        self.job = job

    def tick(self) -> None:
        """End the watch over a job that shall not go on; it is then asked to stop, and waited for."""
        if self.job.stop():
            raise _GivenUp


def infer(run: RunFolder, images: Sequence[str], progress: Progress | None = None) -> Predictions:
    """Return all predictions for images by path, without a threshold, computed by a process of its own."""
    return answer(Job(run.with_model(), images, progress))


def answer(job: Job) -> Predictions:
    """Return all predictions of a job, without a threshold; raise KeyboardInterrupt when it was stopped."""
    request, told = {"run": str(job.model.resolve()), "nice": job.nice}, _Watched(job)
    asked = pl.DataFrame({"image": list(job.images)}, schema={"image": pl.String})
    try:
        with done("predict", request, told, asked) as folder:
            return Predictions(folder.predictions(), tuple(told.diagnostics))
    except _GivenUp:
        raise KeyboardInterrupt from None
    except TrainingError as error:
        raise TrainingError(f"The prediction failed. {error}") from None


def model_threshold(run: RunFolder) -> float | None:
    """Return the confidence from which the run's model reports a box; None for other tasks."""
    return run.model_info().threshold


def above(table: pl.DataFrame, threshold: float) -> pl.DataFrame:
    """Return predictions with only the boxes of confidence ≥ `threshold`."""
    kept = [
        json.dumps([box for box in boxes.from_json(text) if box["confidence"] >= threshold], ensure_ascii=False)
        for text in table["boxes"]
    ]
    return table.with_columns(pl.Series("boxes", kept, pl.String))


def write(table: pl.DataFrame, out: Path) -> None:
    """Write predictions as CSV, Parquet or JSON Lines, by the file's extension; the file is replaced at once."""
    writers: dict[str, Callable[[IO[bytes]], object]] = {
        ".csv": lambda file: table.write_csv(file),
        ".parquet": lambda file: table.write_parquet(file),
        ".jsonl": lambda file: file.writelines(_lines(table)),
    }
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        atomic.replace(out, writers[_suffix(out)])
    except OSError as error:
        raise InputError(f"'{out}' cannot be written: {error.strerror or error}.") from None


def plain(table: pl.DataFrame) -> list[dict[str, object]]:
    """Return predictions as plain data, boxes as lists."""
    rows = table.to_dicts()
    if "boxes" in table.columns:
        rows = [{**row, "boxes": boxes.from_json(row["boxes"])} for row in rows]
    return rows


def _lines(table: pl.DataFrame) -> Iterator[bytes]:
    for row in plain(table):
        yield (json.dumps(row, ensure_ascii=False) + "\n").encode()


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
