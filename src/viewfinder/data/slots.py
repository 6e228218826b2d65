"""Caches on disk: pieces of bytes, each under a number, in files that several processes may use at once.

Whatever is in a cache can be made again, so nothing that goes wrong with it is an error: a piece that a crash, another
process or the disk left damaged is one that is not there (its CRC-32 tells), and what cannot be written is not kept.
Pieces are read, not mapped into memory: a mapped file that is cut short ends the process that looks at it.
"""

import hashlib
import os
import shutil
import threading
import time
import zlib
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO

import numpy as np

MOST_BYTES = 20 << 30  # of all caches in a folder together
MOST_OF_FREE = 0.5  # and no more than this share of what the disk has left
RESERVE = 2 << 30, 0.1  # bytes that are left to what matters, and no more than this share of a small disk
LOOK_BYTES = 32 << 20  # after so many it looks again at what the disk has left
USED_S = 600.0  # a cache that was used so recently belongs to a training, and is not removed for another
TOLD_S = 60.0  # how often it says that it is used
CHECKSUM_BITS = 32  # of an entry of the index; above them is one more than the length, and 0 for what is not there
ENTRY = 8  # bytes in the index


class Slots:
    """A cache of `count` pieces of at most `size_bytes`; the first ones are kept, as many as `most_bytes` holds.

    It may be used from several threads. What one process keeps, others find. Close it, or use it in a `with`
    statement.
    """

    def __init__(self, folder: Path, count: int, size_bytes: int, most_bytes: int = MOST_BYTES) -> None:
        self.size_bytes = size_bytes
        self.count = min(count, most_bytes // (size_bytes + ENTRY))
        self._lock = threading.Lock()
        self._index = np.zeros(self.count, "<u8")
        self._damaged: set[int] = set()
        self._files: tuple[IO[bytes], IO[bytes]] | None = None
        self._folder, self._told, self._unlooked = folder, 0.0, LOOK_BYTES
        if not self.count:
            return
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            self._tell()
            with ExitStack() as opened:
                pieces, index = (opened.enter_context(_opened(folder / name)) for name in ("pieces", "index"))
                content = index.read(self.count * ENTRY)
                known = np.frombuffer(content, "<u8", len(content) // ENTRY)  # the last entry may be cut short
                self._index[: len(known)] = known
                if os.fstat(pieces.fileno()).st_size > self.count * size_bytes:  # it had more room once
                    pieces.truncate(self.count * size_bytes)
                self._files = pieces, index
                opened.pop_all()

    def __enter__(self) -> "Slots":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files; nothing is kept any more."""
        with self._lock:
            files, self._files = self._files, None
            for file in files or ():
                file.close()

    def __contains__(self, number: int) -> bool:
        return bool(self._entry(number))

    def get(self, number: int) -> bytes | None:
        """Return a piece, or None if it is not there."""
        entry = self._entry(number)
        if not entry:
            return None
        with self._lock, suppress(OSError):
            if self._files is not None:
                self._tell()
                pieces, _ = self._files
                pieces.seek(number * self.size_bytes)
                found = pieces.read(min((entry >> CHECKSUM_BITS) - 1, self.size_bytes))
                if _entry_of(found) == entry:
                    return found
        self._damaged.add(number)
        return None

    def put(self, number: int, piece: bytes) -> None:
        """Keep a piece, if there is room: what else needs the disk comes first."""
        if number >= self.count or len(piece) > self.size_bytes:
            return
        entry = _entry_of(piece)
        with self._lock, suppress(OSError):  # the disk is full, or the folder is gone
            if self._files is not None and self._is_room(len(piece)):
                self._tell()
                pieces, index = self._files
                pieces.seek(number * self.size_bytes)
                pieces.write(piece)
                index.seek(number * ENTRY)
                index.write(entry.to_bytes(ENTRY, "little"))
                self._index[number] = entry
                self._damaged.discard(number)

    def _tell(self) -> None:
        """Say, by its folder's time, that the cache is used."""
        now = time.monotonic()
        if now - self._told >= TOLD_S or not self._told:
            self._told = now
            with suppress(OSError):
                os.utime(self._folder)

    def _is_room(self, size: int) -> bool:
        """Return whether the disk has more left than the reserve, as of some bytes ago."""
        self._unlooked += size
        if self._unlooked > LOOK_BYTES:
            disk, (most, share) = shutil.disk_usage(self._folder), RESERVE
            if disk.free < min(most, disk.total * share):
                return False
            self._unlooked = 0
        return True

    def _entry(self, number: int) -> int:
        """Return the entry of a piece, which another process may have kept meanwhile; 0 when it is not there."""
        if not 0 <= number < self.count or self._files is None or number in self._damaged:
            return 0
        if not self._index[number]:
            with self._lock, suppress(OSError):
                if self._files is not None:
                    self._files[1].seek(number * ENTRY)
                    self._index[number] = int.from_bytes(self._files[1].read(ENTRY), "little")
        return int(self._index[number])


def _entry_of(piece: bytes) -> int:
    return (len(piece) + 1) << CHECKSUM_BITS | zlib.crc32(piece)


def key(parts: Iterable[object]) -> str:
    """Return a name for a cache that depends on all of what its pieces are made from."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(repr(part).encode() + b"\n")
    return digest.hexdigest()[:32]


def make_room(root: Path, name: str, wanted: int, most_bytes: int = MOST_BYTES) -> int:
    """Remove the caches below `root` that were used longest ago, until one of `wanted` bytes fits beside the others.

    Those that were used just now stay. Returns how many bytes the cache `name` may have.
    """
    with suppress(OSError):
        root.mkdir(parents=True, exist_ok=True)
        others = sorted((_used(path), path) for path in root.iterdir() if path.name != name)
        taken = {path: _allocated(path) for _, path in others}
        free = shutil.disk_usage(root).free + _allocated(root / name)
        for used, path in others:
            fits = sum(taken.values()) + wanted <= most_bytes and wanted <= free * MOST_OF_FREE
            if fits or time.time() - used < USED_S:
                break
            shutil.rmtree(path, ignore_errors=True)
            free += taken.pop(path)
        return max(0, min(most_bytes - sum(taken.values()), int(free * MOST_OF_FREE)))
    return 0


def _opened(path: Path) -> IO[bytes]:
    """Open a file to read and write, without cutting it; what is written is at once where other processes see it."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600), "r+b", buffering=0)


def _used(folder: Path) -> float:
    """Return when a cache was used; long ago, if another process has just removed it."""
    with suppress(OSError):
        return folder.stat().st_mtime
    return 0.0


def _allocated(folder: Path) -> int:
    """Return what the files of a cache take of the disk; those with holes take less than their size."""
    taken = 0
    with suppress(OSError):  # another process has just removed it
        for path in folder.glob("*"):
            stat = path.stat()
            taken += getattr(stat, "st_blocks", 0) * 512 or stat.st_size
    return taken
