"""How the C library deals with freed memory (glibc's mallopt(3); another library does as it always does)."""

import contextlib
import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
SMALL, LARGE = 128 * 1024, 1 << 30


def reuse() -> None:
    """Keep the memory of freed tensors for the next ones, which then need no new pages from the system.

    A detector makes and frees tensors of tens of MB for every image: a fifth of its time went into their pages (0013).
    """
    _call("mallopt", M_MMAP_THRESHOLD, LARGE)
    _call("mallopt", M_TRIM_THRESHOLD, LARGE)


def give_back() -> None:
    """Give back what is held for each thread, and from now on what a tensor had as soon as nobody uses it.

    That is slower, but what one thread has used is no longer lost to the next.
    """
    _call("malloc_trim", 0)
    _call("mallopt", M_MMAP_THRESHOLD, SMALL)
    _call("mallopt", M_TRIM_THRESHOLD, SMALL)


def _call(function: str, *arguments: int) -> None:
    with contextlib.suppress(OSError, AttributeError, TypeError):  # another C library, or Windows
        getattr(ctypes.CDLL(None), function)(*arguments)
