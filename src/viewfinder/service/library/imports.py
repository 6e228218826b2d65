"""Imports: datasets that are being read in the background; what a killed server left undone can be started again.

Each has a small file in `imports/` of the library, which says what it reads and how it ended.
"""

import contextlib
import json
import shutil
import threading
from dataclasses import dataclass, field
from pathlib import Path

from viewfinder import design_file
from viewfinder.errors import InputError, NotFoundError, StateError, StoreError, ViewfinderError
from viewfinder.service.library import datasets, outlook, uploads, zips
from viewfinder.service.library.library import Library, new_id, write
from viewfinder.service.source import Source
from viewfinder.store import Dataset

REMEMBERED_S = 7 * 24 * 3600.0
_beginning = threading.Lock()


@dataclass
class Import:
    """A source that is being imported: how far it is, and at last the dataset or what went wrong.

    `path` is what is read, or None for an upload, whose id the import then shares. `doing` is what `done` of `total`
    counts. `interrupted` says that the server ended meanwhile; `again` then goes on.
    """

    name: str
    begun: float
    path: str | None = None
    id: str = field(default_factory=new_id)
    doing: str = "images read"
    done: int = 0
    total: int = 0
    dataset: Dataset | None = None
    error: str | None = None
    interrupted: bool = False

    def progress(self, done: int, total: int) -> None:
        """Take note of how far it is."""
        self.done, self.total = done, total


def of_path(library: Library, path: Path | str) -> Import:
    """Begin to import a source on this machine; raise StoreError for one outside of what may be read."""
    if not str(path).strip():
        raise StoreError("Name a folder or a file.")
    allowed = library.allowed(path)
    return _begin(library, Import(_stem(allowed), library.clock(), str(allowed)))


def of_upload(library: Library, identity: str, name: str) -> Import:
    """Begin to import what was uploaded, once; its files then belong to the dataset.

    Raises NotFoundError when there is no such upload. An upload that is nothing but a zip is unpacked.
    """
    with _beginning:
        if known := _known(library, identity):
            return known
        uploads.folder_of(library, identity)
        known_as = _stem(Path(name))[: datasets.MOST_NAME] or "Uploaded files"
        return _begin(library, Import(known_as, library.clock(), id=identity))


def get(library: Library, identity: str) -> Import:
    """Return an import; raise NotFoundError when there was none of that id lately."""
    if found := _known(library, identity):
        return found
    raise NotFoundError(f"There is no import '{identity}'. It may be over since long, or have been given up.")


def unfinished(library: Library) -> list[Import]:
    """Return the imports that go on, and those that were interrupted, the newest first."""
    names = [path.stem for path in (library.home / "imports").glob("*.json")]
    found = [one for name in names if (one := _known(library, name)) and not (one.dataset or one.error)]
    return sorted(found, key=lambda one: -one.begun)


def again(library: Library, identity: str) -> Import:
    """Start an interrupted import again, once; any other is returned as it is. Raises as `get` and `of_path` do."""
    with _beginning:
        found = get(library, identity)
        if not found.interrupted:
            return found
        path = str(library.allowed(found.path)) if found.path else None
        return _begin(library, Import(found.name, found.begun, path, found.id))


def give_up(library: Library, identity: str) -> None:
    """Forget an interrupted import, with the files that were uploaded for it; raise StateError for any other."""
    with _beginning:
        found = get(library, identity)
        if not found.interrupted:
            raise StateError(f"The import of '{found.name}' was not interrupted, so there is nothing to give up.")
        _remove_files(library, found)
        _record(library, identity).unlink(missing_ok=True)


def _begin(library: Library, begun: Import) -> Import:
    _forget_old(library)
    library.imports[begun.id] = begun
    _remember(library, begun)
    threading.Thread(target=_work, args=(library, begun), name=f"viewfinder-import-{begun.id}", daemon=True).start()
    return begun


def _work(library: Library, begun: Import) -> None:
    try:
        source = Source(_settled(library, begun))
        begun.doing, begun.done, begun.total = "images read", 0, 0
        begun.dataset = _ready(library, datasets.add(library, source, name=begun.name, progress=begun.progress))
    except Exception as error:  # noqa: BLE001 - this is a thread's edge: the page shows what went wrong
        _remove_files(library, begun)
        begun.error = str(error) if isinstance(error, ViewfinderError) else f"{type(error).__name__}: {error}"
    _remember(library, begun)


def _ready(library: Library, row: Dataset) -> Dataset:
    """Return a dataset after working out what its pages show first."""
    index = datasets.index(library, row)
    datasets.summary(library, row)
    with contextlib.suppress(InputError):  # what cannot be divided is said on the Design page
        outlook.parts_of(library, row, index, design_file.parse({"task": row.task}))
    return row


def _settled(library: Library, begun: Import) -> Path:
    """Return what is to be read, moved or unpacked to where it stays; done before, it is not done again."""
    path, files = Path(begun.path) if begun.path else None, _files(library, begun)
    if path and not _is_archive(path):
        return path
    if not files.exists():
        files.parent.mkdir(parents=True, exist_ok=True)
        sent = path or _entered(uploads.folder_of(library, begun.id))
        if _is_archive(sent):
            begun.doing, partial = "files unpacked", _partial(files)
            shutil.rmtree(partial, ignore_errors=True)
            zips.unpack(sent, partial, begun.progress)
            partial.rename(files)
        else:
            uploads.folder_of(library, begun.id).rename(files)
    _remove_upload(library, begun)
    return _entered(files)


def _is_archive(path: Path) -> bool:
    return zips.is_zip(path.name) and path.is_file()


def _entered(folder: Path) -> Path:
    """Return the one thing that a folder holds, or the folder itself if it holds more."""
    inside = [path for path in folder.iterdir() if not path.name.startswith(".")]
    return inside[0] if len(inside) == 1 else folder


def _files(library: Library, begun: Import) -> Path:
    """Return where the files of an import stay that the library owns: those that were uploaded or unpacked."""
    return library.home / "datasets" / "files" / begun.id


def _partial(files: Path) -> Path:
    return files.with_name(f".{files.name}")


def _remove_files(library: Library, begun: Import) -> None:
    files = _files(library, begun)
    shutil.rmtree(files, ignore_errors=True)
    shutil.rmtree(_partial(files), ignore_errors=True)
    _remove_upload(library, begun)


def _remove_upload(library: Library, begun: Import) -> None:
    shutil.rmtree(library.home / "uploads" / begun.id, ignore_errors=True)
    library.uploads.pop(begun.id, None)


def _stem(path: Path) -> str:
    return path.stem if zips.is_zip(path.name) else path.name


def _record(library: Library, identity: str) -> Path:
    return library.home / "imports" / f"{identity}.json"


def _remember(library: Library, begun: Import) -> None:
    made = begun.dataset.id if begun.dataset else None
    kept = {"name": begun.name, "begun": begun.begun, "path": begun.path, "error": begun.error, "dataset": made}
    write(_record(library, begun.id), json.dumps(kept).encode())


def _known(library: Library, identity: str) -> Import | None:
    """Return an import that this server began, or that its file tells of."""
    if identity in library.imports:
        found: Import = library.imports[identity]
        return found
    if not identity.isalnum():
        return None
    try:
        kept = json.loads(_record(library, identity).read_bytes())
        read = Import(kept["name"], kept["begun"], kept["path"], identity, error=kept["error"])
        read.dataset = library.get(Dataset, kept["dataset"]) if kept["dataset"] else _made(library, read)
    except (OSError, ValueError, KeyError, TypeError, NotFoundError):
        return None
    read.interrupted = not (read.dataset or read.error)
    return read


def _made(library: Library, begun: Import) -> Dataset | None:
    """Return the dataset of an import whose server was killed before it could take note of it."""
    files = _files(library, begun)
    return next((row for row in datasets.datasets(library) if Path(row.root).is_relative_to(files)), None)


def _forget_old(library: Library) -> None:
    """Remove the files that tell of imports which ended long ago."""
    for path in (library.home / "imports").glob("*.json"):
        found = _known(library, path.stem)
        going = found and not (found.dataset or found.error)
        if not found or (not going and library.clock() - found.begun > REMEMBERED_S):
            path.unlink(missing_ok=True)
            library.imports.pop(path.stem, None)
