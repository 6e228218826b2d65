"""Imports: datasets that are being read in the background."""

import shutil
import threading
from dataclasses import dataclass, field
from pathlib import Path

from viewfinder.errors import NotFoundError, StoreError, ViewfinderError
from viewfinder.service.library import datasets, uploads
from viewfinder.service.library.library import Library, new_id
from viewfinder.service.source import Source
from viewfinder.store import Dataset
from viewfinder.words import visible


@dataclass
class Import:
    """A source that is being imported: how far it is, and at last the dataset or what went wrong."""

    name: str
    id: str = field(default_factory=new_id)
    done: int = 0
    total: int = 0
    dataset: Dataset | None = None
    error: str | None = None

    def progress(self, done: int, total: int) -> None:
        """Take note of how far it is."""
        self.done, self.total = done, total


def of_path(library: Library, path: Path | str) -> Import:
    """Begin to import a source on this machine; raise StoreError for one outside of what may be read."""
    if not str(path).strip():
        raise StoreError("Name a folder or a file.")
    return _begin(library, Source(_allowed(library, path)))


def of_upload(library: Library, identity: str, name: str) -> Import:
    """Begin to import what was uploaded; its files then belong to the dataset."""
    folder = uploads.folder_of(library, identity)
    inside = [path for path in folder.iterdir() if not path.name.startswith(".")]
    kept = library.home / "datasets" / "files" / identity
    kept.parent.mkdir(parents=True, exist_ok=True)
    folder.rename(kept)
    source = kept / inside[0].name if len(inside) == 1 else kept
    return _begin(library, Source(source), name=name, remove=kept)


def get(library: Library, identity: str) -> Import:
    """Return an import; raise NotFoundError when there was none of that id since the server started."""
    if identity not in library.imports:
        raise NotFoundError(f"There is no import '{identity}'.")
    found: Import = library.imports[identity]
    return found


def _begin(library: Library, source: Source, name: str = "", remove: Path | None = None) -> Import:
    begun = Import(name or source.path.name)
    library.imports[begun.id] = begun

    def work() -> None:
        try:
            begun.dataset = datasets.add(library, source, name=name, progress=begun.progress)
        except Exception as error:  # noqa: BLE001 - this is a thread's edge: the page shows what went wrong
            begun.error = str(error) if isinstance(error, ViewfinderError) else f"{type(error).__name__}: {error}"
            if remove:
                shutil.rmtree(remove, ignore_errors=True)

    threading.Thread(target=work, name=f"viewfinder-import-{begun.id}", daemon=True).start()
    return begun


def _allowed(library: Library, path: Path | str) -> Path:
    try:
        found = Path(path).expanduser().absolute().resolve()
        exists = found.exists()
    except (OSError, ValueError, RuntimeError):  # no path of this system: too long, a null byte, an unknown ~name
        raise StoreError(f"'{visible(str(path))}' is not the path of a folder or a file.") from None
    if not any(found.is_relative_to(root.resolve()) for root in library.data_roots):
        roots = ", ".join(f"'{root}'" for root in library.data_roots)
        raise StoreError(f"'{path}' is outside of what this server may read: {roots}. --data-root adds a folder.")
    if not exists:
        raise StoreError(f"There is no '{path}' on this machine.")
    return found
