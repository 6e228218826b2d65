"""Batches: a folder or zip of images that a model predicts in the background, into a CSV."""

import shutil
import threading
from dataclasses import dataclass, field
from pathlib import Path

from viewfinder.data.diagnostics import Diagnostic
from viewfinder.data.sources.files import Tree
from viewfinder.errors import NotFoundError, SourceError, ViewfinderError
from viewfinder.run import read_model_info
from viewfinder.service import predicting
from viewfinder.service.library import uploads, zips
from viewfinder.service.library.library import Library, new_id

NICE = 10
OVER = ("finished", "stopped", "failed")


@dataclass
class Batch:
    """Images that are predicted: how far it is, and at last the CSV, or what went wrong.

    `state` is waiting, running, finished, stopped or failed. `unreadable` are the images that were left out.
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
    stopping: threading.Event = field(default_factory=threading.Event)

    def progress(self, done: int, total: int) -> None:
        """Take note of how far it is."""
        self.done, self.total = done, total


def of_upload(library: Library, identity: str, name: str, model: Path) -> Batch:
    """Begin to predict what was uploaded with the model of a folder; one batch is computed at a time.

    Raises NotFoundError when there is no such upload.
    """
    made = new_id()
    batch = Batch(name, model, library.home / "predictions" / f"{made}.csv", made)
    files = batch.csv.with_suffix("")
    files.parent.mkdir(exist_ok=True)
    _tidy(library, files.parent)
    uploads.folder_of(library, identity).rename(files)
    library.batches[made] = batch
    thread = threading.Thread(target=_work, args=(library, batch, files), name=f"viewfinder-batch-{made}", daemon=True)
    thread.start()
    return batch


def batches(library: Library) -> list[Batch]:
    """Return all batches since the server started, the newest first."""
    return list(reversed(list(library.batches.values())))


def of_model(library: Library, model: Path) -> list[Batch]:
    """Return the batches of a model since the server started, the newest first."""
    return [batch for batch in batches(library) if batch.model == model]


def get(library: Library, identity: str) -> Batch:
    """Return a batch; raise NotFoundError when there was none of that id since the server started."""
    if identity not in library.batches:
        raise NotFoundError(f"There is no batch '{identity}'.")
    found: Batch = library.batches[identity]
    return found


def stop(batch: Batch) -> None:
    """Ask a batch to stop; a waiting one never starts."""
    batch.stopping.set()


def stop_all(library: Library) -> None:
    """Ask every batch to stop: the server ends."""
    for batch in list(library.batches.values()):
        stop(batch)


def _tidy(library: Library, folder: Path) -> None:
    """Remove the images of batches that a server which was killed left behind."""
    for left in folder.iterdir():
        if left.is_dir() and left.name not in library.batches:
            shutil.rmtree(left, ignore_errors=True)


def _work(library: Library, batch: Batch, files: Path) -> None:
    try:
        with library.heavy:
            if not batch.stopping.is_set():
                batch.state = "running"
                _predict(batch, files)
                batch.state = "finished"
    except KeyboardInterrupt:
        pass
    except Exception as error:  # noqa: BLE001 - this is a thread's edge: the page shows what went wrong
        batch.error = str(error) if isinstance(error, ViewfinderError) else f"{type(error).__name__}: {error}"
        batch.state = "failed"
    finally:
        shutil.rmtree(files, ignore_errors=True)
        if batch.state not in OVER:
            batch.state = "stopped"


def _unpack(files: Path) -> None:
    """Put in place of each zip that was sent what is in it; raise StoreError for one that cannot be unpacked."""
    for archive in [path for path in files.iterdir() if zips.is_zip(path.name) and path.is_file()]:
        into = files / archive.stem
        zips.unpack(archive, into.with_name(f"{into.name}-{new_id()}") if into.exists() else into)
        archive.unlink()


def _predict(batch: Batch, files: Path) -> None:
    """Write the CSV: columns as in predictions.parquet, names relative to the upload, the model's threshold applied."""
    _unpack(files)
    images = Tree(files).images
    if not images:
        raise SourceError(f"'{batch.name}' holds no images that can be read.")
    batch.total = len(images)
    paths = {(files / name).as_posix(): name for name in images}
    job = predicting.Job(batch.model, list(paths), batch.progress, batch.stopping.is_set, NICE)
    found = predicting.answer(job)
    batch.unreadable = tuple(
        Diagnostic(one.severity, one.kind, paths.get(one.file, one.file), one.reason) for one in found.diagnostics
    )
    threshold = read_model_info(batch.model).threshold
    table = found.table if threshold is None else predicting.above(found.table, threshold)
    predicting.write(table.with_columns(table["image"].replace(paths)), batch.csv)
