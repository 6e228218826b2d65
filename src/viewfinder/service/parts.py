"""Predicting in parts, each on the disk soon after it was made: what was interrupted goes on after the last."""

import contextlib
import itertools
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

import polars as pl

from viewfinder import atomic, lock
from viewfinder.data import slots
from viewfinder.data.diagnostics import Diagnostic
from viewfinder.errors import InputError, TrainingError
from viewfinder.run import RunFolder
from viewfinder.service import job as jobs
from viewfinder.service.source import Progress

WAIT_S, TRY_S = 120.0, 1.0  # for an engine whose command was killed; for a command that only looks at a lock
ASKED, KEY = "asked.lock", "key"
_in_use: set[Path] = set()  # by this process, whose threads a lock on a file does not keep apart
_taking = threading.Lock()


@dataclass(frozen=True)
class Job:
    """Images by path to be predicted with the model of a folder: a run's, or its copied `model` folder.

    Of boxes those of confidence ≥ `threshold` are kept, without one all. The job is given up when `stop` says so;
    `nice` is how much it stands back for other processes.
    """

    model: Path
    images: Sequence[str]
    threshold: float | None = None
    progress: Progress | None = None
    stop: Callable[[], bool] = lambda: False
    nice: int = 0


class Parts:
    """What a job has predicted: the tables in a folder."""

    def __init__(self, folder: Path) -> None:
        self._files = sorted(folder.glob("part-*.parquet"))

    @property
    def done(self) -> int:
        """How many images are done, the unreadable ones too."""
        return _number(self._files[-1]) if self._files else 0

    @property
    def table(self) -> pl.LazyFrame:
        """The rows of the readable images, in order, in the form of predictions.parquet."""
        return self._rows.filter(pl.col("error").is_null()).drop("error")

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """A finding for each image that cannot be read."""
        bad = self._rows.filter(pl.col("error").is_not_null()).select("image", "error").collect()
        return tuple(
            Diagnostic("error", "corrupt_image", name, f"It cannot be read: {error}. It was left out.")
            for name, error in bad.rows()
        )

    @property
    def _rows(self) -> pl.LazyFrame:
        return pl.scan_parquet(self._files, glob=False)

    @property
    def whole(self) -> bool:
        """Whether no part before the last one is missing or damaged."""
        done = [0, *(_number(path) for path in self._files)]
        try:
            counts = [pl.scan_parquet(path, glob=False).select(pl.len()).collect().item() for path in self._files]
        except (OSError, pl.exceptions.PolarsError):
            return False
        return counts == [after - before for before, after in itertools.pairwise(done)]


def _number(part: Path) -> int:
    """Return how many images are done with a part."""
    return int(part.stem.partition("-")[2])


class _GivenUp(Exception):  # noqa: N818 - it is no error
    """A job shall not go on."""


class _Watched(jobs.Told):
    """Keeps what a job tells, and stops it when it shall not go on."""

    def __init__(self, job: Job) -> None:
        super().__init__(job.progress)
        self.job = job

    def tick(self) -> None:
        """End the watch over a job that shall not go on; it is then asked to stop, and waited for."""
        if self.job.stop():
            raise _GivenUp


@contextlib.contextmanager
def predicted(job: Job, kept: Path | None = None, goes_on: str = "") -> Iterator[Parts]:
    """Predict a job's images and give the predictions.

    What was done is in the folder `kept` until the block has ended well: another call for the same, unchanged images
    goes on from there. `goes_on` says how the user does that. Raises KeyboardInterrupt when it was stopped, InputError
    when another process predicts there or the folder cannot be written, TrainingError for anything else.
    """
    with jobs.temporary() as folder, _own(folder.path), _kept(kept or folder.path / "parts", job) as parts:
        request = {"run": str(job.model.resolve()), "threshold": job.threshold, "nice": job.nice, "parts": str(parts)}
        try:
            _write(folder, job, request)
            jobs.run("predict", folder, _Watched(job))
        except (KeyboardInterrupt, _GivenUp):
            stays = f"Stopped after {Parts(parts).done:,} of {len(job.images):,} images"
            raise KeyboardInterrupt(f"{stays}. {goes_on}".strip()) from None
        except TrainingError as error:
            raise TrainingError(f"The prediction failed. {error} {goes_on}".strip()) from None
        yield Parts(parts)


def _write(folder: RunFolder, job: Job, request: Mapping[str, Any]) -> None:
    images = pl.DataFrame({"image": list(job.images)}, {"image": pl.String})
    try:
        atomic.replace(folder.path / "images.parquet", lambda file: images.write_parquet(file))
        folder.write_text("request.json", json.dumps(request))
    except (OSError, pl.exceptions.PolarsError) as error:  # for a full disk, polars has one of its own
        raise InputError(f"'{folder.path}' cannot be written: {getattr(error, 'strerror', None) or error}.") from None


@contextlib.contextmanager
def _own(folder: Path) -> Iterator[None]:
    """Hold the lock that tells an engine that somebody waits for its answer."""
    with lock.take(folder / ASKED) or contextlib.nullcontext():
        yield


@contextlib.contextmanager
def _kept(folder: Path, job: Job) -> Iterator[Path]:
    """Give one caller at a time a folder with the parts of this job alone; it goes when the block has ended well."""
    with contextlib.ExitStack() as holding:
        try:
            holding.enter_context(_held(folder))
            _wait_for_engine(folder, job)
            _forget_others(folder, job)
        except OSError as error:
            raise InputError(f"'{folder.parent}' cannot be written: {error.strerror or error}.") from None
        yield folder
        _forget(folder)
        with contextlib.suppress(OSError):  # Windows keeps the lock's file until it is closed
            shutil.rmtree(folder)
    with contextlib.suppress(OSError):
        (folder / ASKED).unlink(missing_ok=True)
        folder.rmdir()


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Hold a folder that is made if need be; raise InputError when another caller holds it."""
    end, place = time.monotonic() + TRY_S, folder.absolute()
    while (held := _take(place)) is None:
        if time.monotonic() > end:
            raise InputError(f"Another prediction into '{folder.parent}' has not ended yet; it keeps '{folder.name}'.")
        time.sleep(0.05)
    try:
        with held:
            yield
    finally:
        _in_use.discard(place)


def _take(folder: Path) -> IO[bytes] | None:
    """Return the lock of a folder, which is made if need be; None when it is held, or being deleted."""
    with _taking:
        if folder in _in_use:
            return None
        folder.mkdir(parents=True, exist_ok=True)
        held = lock.take(folder / ASKED)
        if held is None:
            return None
        if not _is_at(held, folder / ASKED):
            held.close()
            return None
        _in_use.add(folder)
        return held


def _is_at(file: IO[bytes], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except OSError:
        return False


def _wait_for_engine(folder: Path, job: Job) -> None:
    """Wait until an engine whose command was killed has noticed it, which it does after the images it is at."""
    end = time.monotonic() + WAIT_S
    while True:
        held = lock.take(folder / "lock")
        if held is not None:
            held.close()
            return
        if job.stop():
            raise KeyboardInterrupt
        if time.monotonic() > end:
            raise InputError(f"An earlier prediction in '{folder}' has not ended yet. Try again when it has.")
        time.sleep(0.1)


def _forget_others(folder: Path, job: Job) -> None:
    """Keep the parts that are there if they are of the same: images, model, threshold and version."""
    files = job.model / "model" if (job.model / "model").is_dir() else job.model
    of_model = [(name, *_stamp(files / name)) for name in ("model.json", "model.safetensors")]
    images = [(name, *_stamp(Path(name))) for name in job.images]
    key = slots.key((version("viewfinder"), of_model, job.threshold, images))
    path = folder / KEY
    if path.is_file() and path.read_text(encoding="ascii") == key and Parts(folder).whole:
        return
    _forget(folder)
    path.write_text(key, encoding="ascii")


def _forget(folder: Path) -> None:
    """Delete all parts; first what says of what they are, so that nobody goes on with some of them."""
    (folder / KEY).unlink(missing_ok=True)
    for part in folder.glob("part-*.parquet"):
        part.unlink()


def _stamp(path: Path) -> tuple[int, int]:
    """Return what changes when a file is replaced; zeros for one that is not there."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_size, found.st_mtime_ns
