"""Lack of memory: how it shows, and what gives some back."""

import gc
import re

import torch

from viewfinder.engine import allocator

SIGNS = re.compile(
    r"DefaultCPUAllocator|bad_alloc|std::bad_array_new_length|out of memory|can't alloc"
    r"|Broken promise"  # of a thread of OpenVINO (2026.4) that did not live to do its part
    r"|CUDNN_STATUS\w*ALLOC\w*|CUBLAS_STATUS_ALLOC_FAILED|valid cuDNN algorithm|could not create a (memory|primitive)"
)
"""What libraries say, which mostly raise a RuntimeError: torch's allocators, C++, OpenVINO, oneDNN, cuDNN, cuBLAS."""


def is_lack(error: BaseException) -> bool:
    """Return whether an error says that there is not enough memory."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and SIGNS.search(str(error)) is not None


def release() -> None:
    """Give back the memory of what nobody uses any more, and keep none from now on."""
    gc.collect()
    allocator.give_back()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
