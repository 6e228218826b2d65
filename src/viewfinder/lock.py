"""A lock on a file: taken without waiting, released when its holder ends, however it ends."""

import sys
from pathlib import Path
from typing import IO


def take(path: Path) -> IO[bytes] | None:
    """Return the open file that holds the lock until it is closed; None when another process holds it.

    Raises OSError when the file cannot be opened.
    """
    file = path.open("a+b")
    if _try(file):
        return file
    file.close()
    return None


def _try(file: IO[bytes]) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
