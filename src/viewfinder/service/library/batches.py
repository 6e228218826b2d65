"""Batches: a folder or zip of images that a model predicts in the background, into a CSV.

Each has a small file beside its CSV in `predictions/` of the library, which says what it was and how it ended. Its
images stay in a folder beside that until it is finished or deleted: one that the server's end interrupts goes on with
the next, and one that was stopped or failed can be resumed.
"""

import contextlib
import json
import shutil
import threading
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import polars as pl

from viewfinder.data.diagnostics import Diagnostic
from viewfinder.data.sources.files import Tree
from viewfinder.errors import NotFoundError, SourceError, StateError, ViewfinderError
from viewfinder.run import read_model_info
from viewfinder.service import predicting
from viewfinder.service.library import uploads, zips
from viewfinder.service.library.library import Library, new_id, write
from viewfinder.service.parts import Job, Parts, predicted

NICE = 10
MOST_STARTS = 3  # of a batch whose server ends each time, without any more of it being done
UNPACKING = ".unpacking"
KEPT = ".predictions"
UNFINISHED = ("stopped", "failed", "interrupted")
OVER = ("finished", *UNFINISHED)


@dataclass
class Batch:
    """Images that are predicted: how far it is, and at last the CSV, or what went wrong.

    `state` is waiting, running, finished, stopped, failed, or interrupted, because the server ended too often.
    `unreadable` are the images that were left out; `begun` is in seconds since 1970; `starts` counts how often it ran
    without getting on.
    """

    name: str
    model: Path
    csv: Path
    id: str
    state: str = "waiting"
    done: int = 0
    total: int = 0
    error: str | None = None
    unreadable: tuple[Diagnostic, ...] = ()
    begun: float = 0.0
    starts: int = 0
    given_up: str = "stopped"
    stopping: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def files(self) -> Path:
        """The folder of its images, until it is finished."""
        return self.csv.with_suffix("")

    @property
    def resumable(self) -> bool:
        """Whether it ended before it was finished, and its images are there to go on with."""
        return self.state in UNFINISHED and self.files.is_dir()

    def progress(self, done: int, total: int) -> None:
        """Take note of how far it is."""
        self.done, self.total = done, total


def of_upload(library: Library, identity: str, name: str, model: Path) -> Batch:
    """Begin to predict what was uploaded with the model of a folder; one batch is computed at a time.

    Raises NotFoundError when there is no such upload.
    """
    made = new_id()
    batch = Batch(name, model, _folder(library) / f"{made}.csv", made, begun=library.clock())
    batch.files.parent.mkdir(exist_ok=True)
    uploads.folder_of(library, identity).rename(batch.files)
    _remember(library, batch, batch.state)
    _begin(library, batch)
    return batch


def _begin(library: Library, batch: Batch) -> None:
    library.batches[batch.id] = batch
    threading.Thread(target=_work, args=(library, batch), name=f"viewfinder-batch-{batch.id}", daemon=True).start()


def recall(library: Library) -> None:
    """Know the batches of earlier servers again, and go on with those that were not over.

    To be called once, as the server starts.
    """
    found = [batch for path in _folder(library).glob("*.json") if (batch := _read(library, path))]
    for batch in sorted(found, key=lambda one: one.begun):
        if batch.state not in OVER:
            batch.csv.unlink(missing_ok=True)
            done = Parts(batch.files / KEPT).done
            batch.starts, batch.done = (0 if done > batch.done else batch.starts), done
            goes_on = batch.files.is_dir() and batch.starts < MOST_STARTS
            batch.state = "waiting" if goes_on else "interrupted"
        library.batches[batch.id] = batch
    used = {batch.files for batch in library.batches.values() if batch.state != "finished"}
    for left in _folder(library).glob("*"):
        if left.is_dir() and left not in used:
            shutil.rmtree(left, ignore_errors=True)
        elif left.name.startswith("."):  # what was being written
            left.unlink(missing_ok=True)
    for batch in [one for one in library.batches.values() if one.state not in OVER]:
        _begin(library, batch)


def batches(library: Library) -> list[Batch]:
    """Return all batches, the newest first."""
    return list(reversed(list(library.batches.values())))


def of_model(library: Library, model: Path) -> list[Batch]:
    """Return the batches of a model, the newest first."""
    return [batch for batch in batches(library) if batch.model == model]


def get(library: Library, identity: str) -> Batch:
    """Return a batch; raise NotFoundError when there is none of that id."""
    if identity not in library.batches:
        raise NotFoundError(f"There is no batch '{identity}'. It may have been deleted.")
    found: Batch = library.batches[identity]
    return found


def delete(library: Library, identity: str) -> None:
    """Delete a batch, its images and its CSV for good; raise StateError for one that is not over."""
    batch = get(library, identity)
    with batch.lock:
        if batch.state not in OVER:
            raise StateError(f"'{batch.name}' is {batch.state}. Stop it first.")
        batch.csv.unlink(missing_ok=True)
        batch.csv.with_suffix(".json").unlink(missing_ok=True)
        shutil.rmtree(batch.files, ignore_errors=True)
        library.batches.pop(identity, None)


def resume(library: Library, identity: str) -> Batch:
    """Let a batch that was stopped, failed or was interrupted go on with the images that are left; return it.

    Raises NotFoundError when there is none of that id, StateError when it is finished, is not over, or its images are
    gone.
    """
    batch = get(library, identity)
    with batch.lock:
        if not batch.resumable:
            lost = batch.state in UNFINISHED
            reason = "has lost its images: send them again" if lost else f"is {batch.state}"
            raise StateError(f"'{batch.name}' {reason}.")
        batch.state, batch.error, batch.starts, batch.given_up = "waiting", None, 0, "stopped"
        batch.stopping.clear()
    with contextlib.suppress(OSError):  # where the disk is full, the batch says so when its turn has come
        _remember(library, batch, batch.state)
    _begin(library, batch)
    return batch


def stop(batch: Batch) -> None:
    """Ask a batch to stop; a waiting one never starts."""
    batch.stopping.set()


def stop_all(library: Library) -> None:
    """Interrupt every batch: the server ends."""
    for batch in list(library.batches.values()):
        if not batch.stopping.is_set():
            batch.given_up = "interrupted"
        stop(batch)


def _folder(library: Library) -> Path:
    return library.home / "predictions"


def _remember(library: Library, batch: Batch, state: str) -> None:
    """Write what tells of a batch after a restart; a model of the library's is named by its place in it."""
    model = batch.model.relative_to(library.home) if batch.model.is_relative_to(library.home) else batch.model
    kept = {name: getattr(batch, name) for name in ("name", "begun", "starts", "done", "total", "error")}
    kept |= {"model": model.as_posix(), "state": state, "unreadable": [asdict(one) for one in batch.unreadable]}
    write(batch.csv.with_suffix(".json"), json.dumps(kept).encode())


def _read(library: Library, path: Path) -> Batch | None:
    """Return the batch that a file tells of; None when it cannot be read."""
    try:
        kept = json.loads(path.read_bytes())
        kept["model"] = library.home / kept["model"]
        kept["unreadable"] = tuple(Diagnostic(**one) for one in kept["unreadable"])
        return Batch(csv=path.with_suffix(".csv"), id=path.stem, **kept)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _work(library: Library, batch: Batch) -> None:
    state = "failed"
    try:
        state = _outcome(library, batch)
    except Exception as error:  # noqa: BLE001 - this is a thread's edge: the page shows what went wrong
        batch.error = str(error) if isinstance(error, ViewfinderError) else f"{type(error).__name__}: {error}"
    with contextlib.suppress(OSError):
        _remember(library, batch, "waiting" if state == "interrupted" else state)
    if state == "finished":
        shutil.rmtree(batch.files, ignore_errors=True)
    batch.state = state


def _outcome(library: Library, batch: Batch) -> str:
    """Predict a batch when its turn has come, and return how it ended."""
    with library.heavy:
        if batch.stopping.is_set():
            return batch.given_up
        batch.state, batch.starts, began = "running", batch.starts + 1, batch.done
        _remember(library, batch, batch.state)
        try:
            _predict(batch, batch.files)
        except KeyboardInterrupt:
            batch.starts = 0 if batch.done > began else batch.starts
            return batch.given_up if batch.stopping.is_set() else "interrupted"
        return "finished"


def _unpack(files: Path) -> None:
    """Put in place of each zip that was sent what is in it; raise StoreError for one that cannot be unpacked."""
    unpacking = files / UNPACKING
    shutil.rmtree(unpacking, ignore_errors=True)  # of a server that ended meanwhile
    for archive in [path for path in files.iterdir() if zips.is_zip(path.name) and path.is_file()]:
        zips.unpack(archive, unpacking)
        into = files / archive.stem
        unpacking.rename(into.with_name(f"{into.name}-{new_id()}") if into.exists() else into)
        archive.unlink()


def _predict(batch: Batch, files: Path) -> None:
    """Write the CSV: columns as in predictions.parquet, names relative to the upload, the model's threshold applied."""
    _unpack(files)
    images = Tree(files).images
    if not images:
        raise SourceError(f"'{batch.name}' holds no images that can be read.")
    batch.total = len(images)
    paths = {(files / name).as_posix(): name for name in images}
    threshold = read_model_info(batch.model).threshold
    job = Job(batch.model, list(paths), threshold, batch.progress, batch.stopping.is_set, NICE)
    with predicted(job, files / KEPT) as made:
        batch.unreadable = tuple(replace(one, file=paths.get(one.file, one.file)) for one in made.diagnostics)
        predicting.write(made.table.with_columns(pl.col("image").replace(paths)), batch.csv)
