"""Lack of memory: how it shows, and what gives some back."""

import contextlib
import ctypes
import gc
import re

import torch

SIGNS = re.compile(
    r"DefaultCPUAllocator|bad_alloc|std::bad_array_new_length|out of memory|can't allocate memory"
    r"|CUDNN_STATUS\w*ALLOC\w*|CUBLAS_STATUS_ALLOC_FAILED|valid cuDNN algorithm|could not create a (memory|primitive)"
)
"""What the libraries say, which mostly raise a RuntimeError: torch's allocators, C++, oneDNN, cuDNN and cuBLAS."""


def is_lack(error: BaseException) -> bool:
    """Return whether an error says that there is not enough memory."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and SIGNS.search(str(error)) is not None


M_MMAP_THRESHOLD = -3
LARGE = 128 * 1024


def release() -> None:
    """Give back the memory of what nobody uses any more, also what the C library holds for each thread (glibc).

    From then on a tensor's memory goes back as soon as nobody uses it: slower, but what one thread has used is no
    longer lost to the next (mallopt(3): a threshold that is set no longer grows with what is freed).
    """
    gc.collect()
    with contextlib.suppress(OSError, AttributeError, TypeError):  # another C library, or Windows
        library = ctypes.CDLL(None)
        library.malloc_trim(0)
        library.mallopt(M_MMAP_THRESHOLD, LARGE)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
