"""Uploads: files that come one by one with their relative paths, bounded, until they are imported or abandoned."""

import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from viewfinder.errors import NotFoundError, StoreError
from viewfinder.service.library.library import Library, new_id
from viewfinder.service.library.zips import inside, is_zip

MOST_FILES = 500_000
MOST_FILE_BYTES = 2 << 30
MOST_BYTES = 200 << 30
ABANDONED_S = 24 * 3600.0


@dataclass
class _Tally:
    """How much an upload holds."""

    files: int
    size: int


def begin(library: Library) -> str:
    """Return the id of a new upload; those to which nothing was sent for a day are removed."""
    folder = library.home / "uploads"
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        if library.clock() - old.stat().st_mtime > ABANDONED_S:
            shutil.rmtree(old, ignore_errors=True)
            library.uploads.pop(old.name, None)
    identity = new_id()
    (folder / identity).mkdir()
    return identity


def folder_of(library: Library, identity: str) -> Path:
    """Return where an upload's files are; raise NotFoundError when there is none of that id."""
    folder = library.home / "uploads" / identity
    if not identity.isalnum() or not folder.is_dir():
        raise NotFoundError(f"There is no upload '{identity}'. It may have been imported, or abandoned.")
    return folder


def sent(library: Library, identity: str) -> dict[str, int]:
    """Return the files of an upload that are there whole, by name, with their bytes; raise as `folder_of`."""
    folder = folder_of(library, identity)
    paths = (Path(place, name) for place, _, names in os.walk(folder) for name in names if not _is_partial(name))
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in paths}


async def receive(library: Library, identity: str, name: str, chunks: AsyncIterator[bytes]) -> int:
    """Write a file of an upload and return its bytes; one that was sent before is replaced.

    Raises StoreError for a name that leads out of the upload, and for what is too large or too much; then nothing of
    it is kept.
    """
    folder = folder_of(library, identity)
    target, tally = folder / inside(name), _tally(library, identity)
    if tally.files >= MOST_FILES:
        raise StoreError(f"An upload has {MOST_FILES:,} files at most. Send the rest as a zip, or use a server path.")
    most = MOST_BYTES if is_zip(name) else MOST_FILE_BYTES
    size, beside = 0, target.with_name(f".{new_id()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as file:
            async for chunk in chunks:
                size += file.write(chunk)
                _check(name, size, most, tally)
        replaced = target.stat().st_size if target.exists() else None
        beside.replace(target)
        os.utime(folder)  # so that it does not count as abandoned
    except OSError as error:
        raise StoreError(f"'{name}' cannot be written: {error.strerror or error}.") from None
    finally:
        beside.unlink(missing_ok=True)
    tally.files += replaced is None
    tally.size += size - (replaced or 0)
    return size


def _check(name: str, size: int, most: int, tally: _Tally) -> None:
    if size > most:
        raise StoreError(f"'{name}' is larger than {most >> 30} GiB.")
    if tally.size + size > MOST_BYTES:
        raise StoreError(f"An upload has {MOST_BYTES >> 30} GiB at most. Use a path on the server's disk instead.")


def _tally(library: Library, identity: str) -> _Tally:
    """Return how much an upload holds; counted anew when the server was started after it began."""
    if identity not in library.uploads:
        sizes = sent(library, identity).values()
        library.uploads[identity] = _Tally(len(sizes), sum(sizes))
    found: _Tally = library.uploads[identity]
    return found


def _is_partial(name: str) -> bool:
    return name.startswith(".") and name.endswith(".part")
