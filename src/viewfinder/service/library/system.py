"""The machine's side of the library: the disk it takes, what can be cleared, copies of the database, versions."""

import os
import platform
import shutil
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from viewfinder.errors import NotFoundError, StoreError
from viewfinder.service.library import trash
from viewfinder.service.library.library import Library, new_id
from viewfinder.store import Dataset, Run, SavedModel

CACHES = ("datasets/*/thumbnails",)  # what is made again when it is needed
KEPT = {  # below cache/: what trainings share
    "images": "Images at the size of training",
    "features": "What frozen layers make of images",
    "graphs": "Frozen layers made ready",
}
SMALL = 4096  # bytes: a smaller file may lie within its folder, and then takes no blocks
PACKAGES = {
    "Viewfinder": "viewfinder", "PyTorch": "torch", "torchvision": "torchvision", "NumPy": "numpy",
    "Polars": "polars", "Pillow": "pillow", "NiceGUI": "nicegui", "SQLAlchemy": "sqlalchemy",
}  # fmt: skip


@dataclass(frozen=True)
class Use:
    """What something takes of the disk; `id` of a row, "" for what is none."""

    kind: str
    name: str
    bytes: int
    id: str = ""


@dataclass(frozen=True)
class Disk:
    """What the library takes, the largest first, and what is left where it lies."""

    uses: list[Use]
    free: int
    total: int


def disk(library: Library) -> Disk:
    """Look at every file of the library; that takes a while."""
    caches = sum(size(path) for path in _caches(library))
    uses = [*_rows(library), Use("cache", "Thumbnails", caches), *_others(library)]
    usage = shutil.disk_usage(library.home)
    return Disk(sorted((use for use in uses if use.bytes), key=lambda use: -use.bytes), usage.free, usage.total)


def _rows(library: Library) -> Iterable[Use]:
    """Yield datasets, runs and saved models with the files that are theirs; what is in the trash together."""
    in_trash = size(library.home / "trash")
    tables: dict[str, type[Any]] = {"dataset": Dataset, "run": Run, "saved model": SavedModel}
    for kind, table in tables.items():
        with library.database.reading() as session:
            rows = list(session.scalars(sa.select(table)))
        for row in rows:
            taken = sum(size(place) for place in trash.places(library, row))
            if isinstance(row, Dataset):
                taken -= sum(size(path) for path in _caches(library, row.id))
            if row.trashed is None:
                yield Use(kind, row.name, taken, row.id)
            else:
                in_trash += taken
    yield Use("trash", "Deleted in the last 7 days", in_trash)


def _others(library: Library) -> Iterable[Use]:
    yield Use("database", "Database", sum(path.stat().st_size for path in library.home.glob("viewfinder*.db*")))
    yield Use("backup", "Copies of the database", size(library.home / "backups"))
    for folder, name in KEPT.items():
        yield Use("cache", name, size(library.home / "cache" / folder))
    yield Use("upload", "Unfinished uploads", size(library.home / "uploads"))


def _caches(library: Library, dataset: str = "*") -> list[Path]:
    return [path for pattern in CACHES for path in library.home.glob(pattern.replace("*", dataset, 1))]


def size(path: Path) -> int:
    """Return the bytes of a file, or of all files below a folder; 0 when there is none. Holes in files take none."""
    if path.is_file():
        return _taken(path.stat())
    total = 0
    for folder, _, files in os.walk(path):
        for name in files:
            with suppress(OSError):  # removed meanwhile
                total += _taken((Path(folder) / name).lstat())
    return total


def _taken(stat: os.stat_result) -> int:
    blocks = getattr(stat, "st_blocks", None)  # of 512 bytes; some systems have no such number
    return stat.st_size if blocks is None else min(stat.st_size, max(blocks * 512, SMALL))


def clear_caches(library: Library) -> int:
    """Remove what is made again when it is needed; return how many bytes that were."""
    freed = 0
    for path in (*_caches(library), library.home / "cache"):
        freed += size(path)
        shutil.rmtree(path, ignore_errors=True)
    return freed


def back_up(library: Library) -> Path:
    """Copy the database to `backups/` as it is at one moment; return the file.

    Raises StoreError when it cannot be written.
    """
    named = time.strftime("%Y%m%d-%H%M%S", time.gmtime(library.clock()))
    target = library.home / "backups" / f"viewfinder-{named}-{new_id()}.db"
    beside = target.with_suffix(".part")
    try:
        target.parent.mkdir(exist_ok=True)
        library.database.back_up(beside)
        beside.replace(target)
    except OSError as error:
        raise StoreError(f"'{target}' cannot be written: {error.strerror or error}.") from None
    finally:
        beside.unlink(missing_ok=True)
    return target


def backups(library: Library) -> list[Path]:
    """Return the copies of the database, the newest first."""
    return sorted((library.home / "backups").glob("viewfinder-*.db"), reverse=True)


def backup(library: Library, name: str) -> Path:
    """Return a copy of the database by its file's name; raise NotFoundError when there is none."""
    for path in backups(library):
        if path.name == name:
            return path
    raise NotFoundError(f"There is no copy '{name}' of the database.")


def versions(of: Callable[[str], str] = version) -> dict[str, str]:
    """Return the versions of what is installed; nothing is imported for it."""
    found = {"Python": platform.python_version(), "System": platform.platform()}
    for title, package in PACKAGES.items():
        with suppress(PackageNotFoundError):
            found[title] = of(package)
    return found
