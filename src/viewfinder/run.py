"""The run folder: every read and write of its files.

The folder is the whole interface between a training and everything that watches it. Files are replaced atomically or
appended a line at a time, so a reader never sees half of one; a torn last line is ignored.
"""

import contextlib
import csv
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Self

import polars as pl
from pydantic import ValidationError

from viewfinder import atomic, design_file
from viewfinder.atomic import replace
from viewfinder.design import Design
from viewfinder.errors import RunError
from viewfinder.events import ADAPTER, AnyEvent, Event
from viewfinder.lock import take
from viewfinder.records import Choices as Choices
from viewfinder.records import DatasetInfo as DatasetInfo
from viewfinder.records import ModelInfo as ModelInfo
from viewfinder.records import RunInfo as RunInfo
from viewfinder.records import Status as Status


class RunFolder:
    """A run's folder, open for reading; the trainer, holder of the lock, also writes.

    `leads` is false for a process that trains with another one, which writes.
    """

    leads = True

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(
        cls, path: Path, design: Design, info: RunInfo, split: pl.DataFrame, files: pl.DataFrame | None = None
    ) -> Self:
        """Make a new run in an empty or new folder, with image and sha256 of `files`; raise RunError for any other."""
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise RunError(f"The folder '{path}' is not empty. Choose another with --out.")
        try:
            path.mkdir(parents=True, exist_ok=True)
            run = cls(path)
            replace(path / "split.parquet", lambda file: split.write_parquet(file))
            if files is not None:
                replace(path / "files.parquet", lambda file: files.write_parquet(file))
            run.write_design(design)
            run.write_info(info)
        except OSError as error:
            raise RunError(f"The run folder '{path}' cannot be written: {error.strerror or error}.") from None
        return run

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open an existing run; raise RunError when the folder is none."""
        if not (path / "run.json").is_file():
            what = "does not exist" if not path.exists() else "is not a run folder: it has no run.json"
            raise RunError(f"'{path}' {what}. `viewfinder train SOURCE` makes one.")
        return cls(path)

    # -- read ---------------------------------------------------------------------------------------------------------

    def info(self) -> RunInfo:
        """Read run.json."""
        try:
            return RunInfo.model_validate_json((self.path / "run.json").read_bytes())
        except (OSError, ValidationError) as error:
            raise RunError(f"'{self.path / 'run.json'}' cannot be read as a run: {_why(error)}") from None

    def design(self) -> Design:
        """Read design.yaml: the design as resolved."""
        return design_file.parse(design_file.read(self.path / "design.yaml"))

    def judged_at(self) -> float | None:
        """Return the threshold that the metrics are judged at, the optimum, whichever the model uses now.

        A run of an earlier version tells it in its report only.
        """
        info = self.info()
        if info.optimum is not None or info.threshold is None:
            return info.optimum
        told: float | None = self.report().get("threshold")
        return info.threshold if told is None else told

    def split(self) -> pl.DataFrame:
        """Read split.parquet: image, split, and label or boxes."""
        return _table(self.path / "split.parquet")

    def files(self) -> pl.DataFrame | None:
        """Read files.parquet: image and sha256, as the data was imported; None for a run that has none."""
        path = self.path / "files.parquet"
        return _table(path) if path.is_file() else None

    def predictions(self) -> pl.DataFrame:
        """Read predictions.parquet; raise RunError when no epoch has been judged yet."""
        path = self.path / "predictions.parquet"
        if not path.is_file():
            raise RunError(f"'{self.path}' has no predictions yet: no epoch is finished.")
        return pl.read_parquet(path, glob=False)

    def latest(self) -> pl.DataFrame:
        """Read latest.parquet: what the latest epoch (column `epoch`) says of a few images of the monitored split."""
        path = self.path / "latest.parquet"
        return pl.read_parquet(path, glob=False) if path.is_file() else pl.DataFrame()

    def events(self, offset: int = 0) -> Iterator[tuple[int, AnyEvent]]:
        """Yield each complete event from byte `offset` on, with the offset of the next one."""
        path = self.path / "events.jsonl"
        if not path.is_file() or offset > path.stat().st_size:
            return
        with path.open("rb") as file:
            file.seek(offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                offset += len(line)
                with contextlib.suppress(ValidationError):
                    yield offset, ADAPTER.validate_json(line)

    def epochs(self) -> pl.DataFrame:
        """Read epochs.csv, a row an epoch; empty when no epoch is finished. Undefined metrics are null."""
        path = self.path / "epochs.csv"
        rows = path.read_bytes().rpartition(b"\n")[0] if path.is_file() else b""
        if not rows.strip():
            return pl.DataFrame()
        try:
            table = pl.read_csv(rows, infer_schema=False, truncate_ragged_lines=True)
            numbers = pl.exclude("epoch").cast(pl.Float64, strict=False)
            return table.with_columns(pl.col("epoch").cast(pl.Int64), numbers)
        except pl.exceptions.PolarsError:
            raise RunError(f"'{path}' is damaged: it is not the table of epochs that a training writes.") from None

    def report(self) -> dict[str, Any]:
        """Read report.json; empty when there is none yet."""
        path = self.path / "report.json"
        if not path.is_file():
            return {}
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            content = None
        if not isinstance(content, dict):
            raise RunError(f"'{path}' is damaged: it is not a report.")
        return content

    def model_path(self) -> Path:
        """Return the folder of the best model; raise RunError when no epoch is finished."""
        path = self.path / "model"
        if not (path / "model.json").is_file():
            raise RunError(
                f"'{self.path}' has no model yet: no epoch is finished. `viewfinder resume` goes on with it."
            )
        return path

    def with_model(self) -> Path:
        """Return the run's folder if its model is complete; raise RunError otherwise."""
        weights = self.model_path() / "model.safetensors"
        if not weights.is_file():
            raise RunError(f"The model of '{self.path}' is not complete: '{weights}' is missing.")
        return self.path

    def model_info(self) -> ModelInfo:
        """Read model.json; raise RunError when there is no model yet."""
        return read_model_info(self.model_path())

    @property
    def stop_requested(self) -> bool:
        """Whether the file `stop` has appeared."""
        return (self.path / "stop").exists()

    # -- write --------------------------------------------------------------------------------------------------------

    def write_info(self, info: RunInfo) -> None:
        """Replace run.json."""
        self.write_text("run.json", info.model_dump_json(indent=2) + "\n")

    def update(self, **changes: Any) -> RunInfo:
        """Change fields of run.json; return what it says now."""
        info = self.changed_info(**changes)
        self.write_info(info)
        return info

    def changed_info(self, **changes: Any) -> RunInfo:
        """Return what run.json would say with some fields changed."""
        return RunInfo.model_validate({**self.info().model_dump(), **changes})

    def write_design(self, design: Design) -> None:
        """Replace design.yaml."""
        self.write_text("design.yaml", design_file.dumps(design))

    def write_text(self, name: str, text: str) -> None:
        """Replace a text file of the folder, as UTF-8 with `\\n`."""
        replace(self.path / name, lambda file: file.write(text.encode()))

    def write_predictions(self, table: pl.DataFrame) -> None:
        """Replace predictions.parquet."""
        replace(self.path / "predictions.parquet", lambda file: table.write_parquet(file))

    def write_latest(self, table: pl.DataFrame, epoch: int) -> None:
        """Replace latest.parquet."""
        told = table.with_columns(epoch=pl.lit(epoch))
        replace(self.path / "latest.parquet", lambda file: told.write_parquet(file))

    def write_model(self, info: ModelInfo, write: Callable[[IO[bytes]], object]) -> None:
        """Replace the model; `write` writes its weights in the format of safetensors."""
        folder = self.path / "model"
        folder.mkdir(exist_ok=True)
        replace(folder / "model.safetensors", write)
        replace(folder / "model.json", lambda file: file.write((info.model_dump_json(indent=2) + "\n").encode()))

    def write_threshold(self, threshold: float, note: Event) -> None:
        """Have the model report boxes from another confidence on, and say so in the events; nobody may be training."""
        with self.locked():
            info = read_model_info(self.model_path()).model_copy(update={"threshold": threshold})
            text = info.model_dump_json(indent=2) + "\n"
            replace(self.path / "model" / "model.json", lambda file: file.write(text.encode()))
            self.update(threshold=threshold, optimum=self.judged_at())
            self.append(note)

    def append(self, event: Event) -> None:
        """Append an event; one write, so that lines of several writers never mix.

        A line that a killed writer left torn is ended first, or the event would be lost with it.
        """
        line = event.model_dump_json() + "\n"
        with (self.path / "events.jsonl").open("a+b") as file:
            torn = file.seek(0, os.SEEK_END) > 0 and file.seek(-1, os.SEEK_END) >= 0 and file.read(1) != b"\n"
            file.write(("\n" + line if torn else line).encode())

    def write_epochs(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Replace epochs.csv with these rows; the first row's keys are the header."""
        if not rows:
            (self.path / "epochs.csv").unlink(missing_ok=True)
            return

        def write(file: IO[bytes]) -> None:
            text = _TextWriter(file)
            writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)

        replace(self.path / "epochs.csv", write)

    def request_stop(self) -> None:
        """Ask the trainer to stop cleanly."""
        (self.path / "stop").touch()

    def clear_stop(self) -> None:
        """Forget an earlier request to stop."""
        (self.path / "stop").unlink(missing_ok=True)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run's lock: there is one writer. Raise RunError when another process holds it."""
        try:
            file = take(self.path / "lock")
        except OSError as error:
            raise RunError(f"The run folder '{self.path}' cannot be written: {error.strerror or error}.") from None
        if file is None:
            raise RunError(
                f"The run '{self.path}' is being trained by another process. "
                f"Creating the file '{self.path / 'stop'}' stops it cleanly."
            )
        with file:
            yield

    def tidy(self) -> None:
        """Delete what writers that were killed left half written; nobody else may be writing."""
        for folder in (self.path, self.path / "model", self.path / "checkpoint"):
            atomic.tidy(folder)

    def is_alive(self) -> bool:
        """Return whether a trainer holds the lock."""
        try:
            with self.locked():
                return False
        except RunError:
            return True


def read_model_info(folder: Path) -> ModelInfo:
    """Read the model.json of a model's folder."""
    try:
        return ModelInfo.model_validate_json((folder / "model.json").read_bytes())
    except (OSError, ValidationError) as error:
        raise RunError(f"'{folder / 'model.json'}' cannot be read as a model: {_why(error)}") from None


def _table(path: Path) -> pl.DataFrame:
    """Read a Parquet file of a run; raise RunError when it cannot be read."""
    try:
        return pl.read_parquet(path, glob=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise RunError(f"'{path}' cannot be read: {error}") from None


def _why(error: OSError | ValidationError) -> str:
    """Return in one line what is wrong with a file."""
    if isinstance(error, OSError):
        return f"{error.strerror or error}."
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}." if where else f"{first['msg']}."


class _TextWriter:
    """Gives `csv` the text file it wants over a binary one."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file

    def write(self, text: str) -> int:
        return self.file.write(text.encode())
