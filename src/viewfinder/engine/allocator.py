"""How the C library deals with freed memory (glibc's mallopt(3); another library does as it always does).

What the environment says of its thresholds (MALLOC_TRIM_THRESHOLD_, GLIBC_TUNABLES …) holds.
"""

import contextlib
import ctypes
import os

THRESHOLDS = {"trim_threshold": -1, "mmap_threshold": -3}
"""The parameters' names in glibc's tunables and their numbers in malloc.h."""
SMALL, LARGE = 128 * 1024, 1 << 30


def reuse() -> None:
    """Keep the memory of freed tensors for the next ones, which then need no new pages from the system.

    A detector makes and frees tensors of tens of MB for every image: a fifth of its time went into their pages (0013).
    """
    _set_thresholds(LARGE)


def give_back() -> None:
    """Give back what is held for each thread, and from now on what a tensor had as soon as nobody uses it.

    That is slower, but what one thread has used is no longer lost to the next.
    """
    _call("malloc_trim", 0)
    _set_thresholds(SMALL)


def _set_thresholds(size: int) -> None:
    tunables = os.environ.get("GLIBC_TUNABLES", "")
    for name, number in THRESHOLDS.items():
        if f"MALLOC_{name.upper()}_" not in os.environ and f"glibc.malloc.{name}=" not in tunables:
            _call("mallopt", number, size)


def _call(function: str, *arguments: int) -> None:
    with contextlib.suppress(OSError, AttributeError, TypeError):  # another C library, or Windows
        getattr(ctypes.CDLL(None), function)(*arguments)
