"""Predicting in parts, each on the disk soon after it was made: what was interrupted goes on after the last."""

import contextlib
import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from io import BytesIO
from pathlib import Path

import polars as pl

from viewfinder import lock
from viewfinder.data.diagnostics import Diagnostic
from viewfinder.errors import InputError, RunError, TrainingError
from viewfinder.run import RunFolder
from viewfinder.service import job as jobs
from viewfinder.service.source import Progress

WAIT_S = 10.0


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
        return int(self._files[-1].stem.partition("-")[2]) if self._files else 0

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
        return pl.scan_parquet(self._files)


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
def predicted(job: Job, kept: Path | None = None) -> Iterator[Parts]:
    """Predict a job's images and give the predictions.

    What was done is in the folder `kept` until the block has ended well: another call for the same, unchanged images
    goes on from there. Raises KeyboardInterrupt when it was stopped, InputError when another process predicts there or
    the folder cannot be written, TrainingError for anything else.
    """
    with jobs.temporary() if kept is None else _held(kept) as folder:
        _prepare(folder, job)
        try:
            jobs.run("predict", folder, _Watched(job))
        except (KeyboardInterrupt, _GivenUp):
            stays = f"Stopped after {Parts(folder.path).done:,} of {len(job.images):,} images"
            raise KeyboardInterrupt(f"{stays}. {_goes_on(kept)}".strip()) from None
        except TrainingError as error:
            raise TrainingError(f"The prediction failed. {error} {_goes_on(kept)}".strip()) from None
        yield Parts(folder.path)
    if kept is not None:
        shutil.rmtree(kept, ignore_errors=True)


def _goes_on(kept: Path | None) -> str:
    return "The same command goes on from there." if kept is not None else ""


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[RunFolder]:
    """Give a folder that only this process uses meanwhile."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = lock.take(folder / "asked.lock")
    except OSError as error:
        raise InputError(f"'{folder.parent}' cannot be written: {error.strerror or error}.") from None
    if held is None:
        raise InputError(f"Another prediction into '{folder.parent}' has not ended yet; it keeps '{folder.name}'.")
    with held:
        _wait_for_engine(RunFolder(folder))
        yield RunFolder(folder)


def _wait_for_engine(folder: RunFolder) -> None:
    """Wait until an engine whose command was killed has noticed it."""
    end = time.monotonic() + WAIT_S
    while True:
        try:
            with folder.locked():
                return
        except RunError:
            if time.monotonic() > end:
                raise InputError(f"An earlier prediction in '{folder.path}' has not ended yet.") from None
            time.sleep(0.1)


def _prepare(folder: RunFolder, job: Job) -> None:
    """Write what is asked for; forget what was done before, unless that is the same."""
    of_model = {path.name: _stamp(path) for path in (job.model / "model.json", job.model / "model.safetensors")}
    if (job.model / "model").is_dir():
        of_model = {path.name: _stamp(path) for path in sorted((job.model / "model").iterdir())}
    request = {"run": str(job.model.resolve()), "threshold": job.threshold, "nice": job.nice}
    text = json.dumps({**request, "model": of_model, "version": version("viewfinder")})
    rows = [(name, *_stamp(Path(name))) for name in job.images]
    schema = {"image": pl.String, "size": pl.Int64, "modified": pl.Int64}
    images = BytesIO()
    pl.DataFrame(rows, schema, orient="row").write_parquet(images)
    request_file, images_file = folder.path / "request.json", folder.path / "images.parquet"
    same = request_file.is_file() and request_file.read_text(encoding="utf-8") == text
    if not (same and images_file.is_file() and images_file.read_bytes() == images.getvalue()):
        for part in folder.path.glob("part-*.parquet"):
            part.unlink()
        images_file.write_bytes(images.getvalue())
        folder.write_text("request.json", text)
    folder.clear_stop()


def _stamp(path: Path) -> tuple[int, int]:
    """Return what changes when a file is replaced; zeros for one that is not there."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_size, found.st_mtime_ns
