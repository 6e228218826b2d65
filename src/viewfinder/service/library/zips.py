"""Zip files of strangers: unpacked without trust in what they say of themselves."""

import shutil
import stat
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import IO

from viewfinder.errors import StoreError
from viewfinder.words import visible

MOST_MEMBERS = 300_000
MOST_BYTES = 200 << 30
MOST_RATIO = 100
ALWAYS_BYTES = 256 << 20  # what any zip may unfold to, whatever the ratio
MOST_NAME = 1000
MOST_DEPTH = 40
_MEMBER_BYTES = 200  # the room that a member takes in a zip's table of contents, or less, for all but odd zips
_CHUNK = 1 << 20
_PASSED_OVER = ("__MACOSX", ".DS_Store")
# What zipfile and its decompressors raise for files that are broken in one way or another.
_DAMAGED = (
    zipfile.BadZipFile, zlib.error, EOFError, ValueError, LookupError, NotImplementedError, RuntimeError, OverflowError,
)  # fmt: skip


def is_zip(name: str) -> bool:
    """Return whether a file of this name should be a zip."""
    return name.lower().endswith(".zip")


def inside(name: str) -> PurePosixPath:
    """Return a relative path that stays inside of its folder; raise StoreError for any other."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or not path.parts or any(part == ".." or set(part) & {":", "\0"} for part in path.parts):
        raise StoreError(f"'{visible(name)}' is not the name of a file inside a folder.")
    return path


def unpack(archive: Path, into: Path, progress: Callable[[int, int], None] = lambda done, total: None) -> None:
    """Unpack a zip into a new folder; zips in it stay as they are. `progress` takes the files done and in all.

    Raises StoreError, and leaves nothing behind, for one that is damaged or encrypted, that names files outside of the
    folder, links, or one file twice, and for one that unfolds to more than the bounds above or than the disk holds.
    """
    try:
        with archive.open("rb") as file, _opened(file) as content:
            members = _members(content)
            _check_sizes(members, archive, into)
            into.mkdir()
            most = _most_bytes(archive)
            for done, (path, member) in enumerate(members.items(), 1):
                most -= _write(content, member, path, into, most)
                progress(done, len(members))
    except _DAMAGED as error:
        _give_up(into, f"'{archive.name}' is damaged, or no zip: {error}.")
    except OSError as error:
        _give_up(into, f"'{archive.name}' cannot be unpacked: {error.strerror or error}.")
    except _Refused as error:
        _give_up(into, f"'{archive.name}' is not unpacked: {error}.")


class _Refused(Exception):  # noqa: N818 (never leaves this module)
    """Why a zip is not unpacked, in words."""


def _give_up(into: Path, message: str) -> None:
    shutil.rmtree(into, ignore_errors=True)
    raise StoreError(message) from None


def _opened(file: IO[bytes]) -> zipfile.ZipFile:
    """Open a zip, unless its table of contents alone would fill the memory."""
    end = zipfile._EndRecData(file)  # type: ignore[attr-defined]  # what zipfile itself goes by, so neither is fooled
    if end and end[zipfile._ECD_SIZE] > MOST_MEMBERS * _MEMBER_BYTES:  # type: ignore[attr-defined]
        raise _Refused(f"it has more than {MOST_MEMBERS:,} files")
    return zipfile.ZipFile(file)


def _members(content: zipfile.ZipFile) -> dict[PurePosixPath, zipfile.ZipInfo]:
    """Return the files to unpack, by where they go."""
    if len(content.infolist()) > MOST_MEMBERS:
        raise _Refused(f"it has more than {MOST_MEMBERS:,} files")
    found: dict[PurePosixPath, zipfile.ZipInfo] = {}
    for member in content.infolist():
        path = _checked(member)
        if member.is_dir() or any(part in _PASSED_OVER for part in path.parts):
            continue
        if path in found:
            raise _Refused(f"it holds '{path}' twice")
        found[path] = member
    if not found:
        raise _Refused("it holds no files")
    return found


def _checked(member: zipfile.ZipInfo) -> PurePosixPath:
    name = member.filename
    if len(name) > MOST_NAME or name.count("/") > MOST_DEPTH:
        raise _Refused(f"the name '{name[:60]}…' is too long")
    try:
        path = inside(name)
    except StoreError as error:
        raise _Refused(str(error).removesuffix(".")) from None
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise _Refused(f"'{name}' is a link or a device, not a file")
    if member.flag_bits & 0x1:
        raise _Refused("it is encrypted; unpack it yourself, and send the folder")
    return path


def _most_bytes(archive: Path) -> int:
    return min(MOST_BYTES, max(ALWAYS_BYTES, MOST_RATIO * archive.stat().st_size))


def _check_sizes(members: dict[PurePosixPath, zipfile.ZipInfo], archive: Path, into: Path) -> None:
    """Raise what can be told before anything is written."""
    said = sum(member.file_size for member in members.values())
    if said > _most_bytes(archive):
        raise _Refused(f"it unfolds to more than {_most_bytes(archive) >> 20:,} MiB")
    if said > shutil.disk_usage(into.parent).free:
        raise _Refused(f"it unfolds to {said >> 20:,} MiB, more than the disk of '{into.parent}' has free")


def _write(content: zipfile.ZipFile, member: zipfile.ZipInfo, path: PurePosixPath, into: Path, most: int) -> int:
    """Write a file and return its bytes, counting what really comes: what a zip says of its sizes may be a lie."""
    target, size = into / path, 0
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with content.open(member) as packed, target.open("xb") as file:
            while chunk := packed.read(_CHUNK):
                size += file.write(chunk)
                if size > most:
                    raise _Refused(f"it unfolds to more than it says, or than {most >> 20:,} MiB")
    except (FileExistsError, NotADirectoryError):
        raise _Refused(f"'{path}' is there twice, or as a file and as a folder") from None
    return size
