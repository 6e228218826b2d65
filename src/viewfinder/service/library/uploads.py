"""Uploads: files that come one by one with their relative paths, bounded, until they are imported or abandoned."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path, PurePosixPath

from viewfinder.errors import NotFoundError, StoreError
from viewfinder.service.library.library import Library, new_id
from viewfinder.words import visible

MOST_FILES = 500_000
MOST_FILE_BYTES = 2 << 30
MOST_BYTES = 200 << 30
ABANDONED_S = 24 * 3600.0


def begin(library: Library) -> str:
    """Return the id of a new upload; those that were abandoned a day ago are removed."""
    folder = library.home / "uploads"
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        if library.clock() - old.stat().st_mtime > ABANDONED_S:
            shutil.rmtree(old, ignore_errors=True)
    identity = new_id()
    (folder / identity).mkdir()
    return identity


def folder_of(library: Library, identity: str) -> Path:
    """Return where an upload's files are; raise StoreError when there is none of that id."""
    folder = library.home / "uploads" / identity
    if not identity.isalnum() or not folder.is_dir():
        raise NotFoundError(f"There is no upload '{identity}'. It may have been imported, or abandoned.")
    return folder


async def receive(library: Library, identity: str, name: str, chunks: AsyncIterator[bytes]) -> int:
    """Write a file of an upload and return its bytes; one that was sent before is replaced.

    Raises StoreError for a name that leads out of the upload, and for what is too large; then nothing is kept.
    """
    target = folder_of(library, identity) / _inside(name)
    size, beside = 0, target.with_name(f".{new_id()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as file:
            async for chunk in chunks:
                size += file.write(chunk)
                if size > MOST_FILE_BYTES:
                    raise StoreError(f"'{name}' is larger than {MOST_FILE_BYTES >> 30} GiB.")
        beside.replace(target)
    except OSError as error:
        raise StoreError(f"'{name}' cannot be written: {error.strerror or error}.") from None
    finally:
        beside.unlink(missing_ok=True)
    return size


def _inside(name: str) -> PurePosixPath:
    """Return a relative path that stays inside; raise StoreError for any other."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or not path.parts or any(part == ".." or set(part) & {":", "\0"} for part in path.parts):
        raise StoreError(f"'{visible(name)}' is not the name of a file inside a folder.")
    return path
