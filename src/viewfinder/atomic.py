"""Files that are replaced in one step: whoever reads one sees the old content or the new one, never a part."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO


def replace(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file beside `path`, flush it to the disk, and put it in its place in one step."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        _replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def _replace(source: Path, target: Path, attempts: int = 20) -> None:
    """Rename; on Windows a reader can hold the target for a moment, so try again."""
    for attempt in range(attempts):
        try:
            source.replace(target)
            return
        except PermissionError:
            if sys.platform != "win32" or attempt == attempts - 1:
                raise
            time.sleep(0.05)


def tidy(folder: Path) -> None:
    """Delete what writers that were killed left half written in a folder; nobody else may be writing in it."""
    for left in folder.glob(".*.*"):
        if left.suffix[1:].isdigit():
            left.unlink(missing_ok=True)
