"""OpenVINO: parts of networks converted to its graphs, and graphs kept on disk."""

import functools
import hashlib
import os
import shutil
import sys
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from viewfinder.data import slots

FORMAT = 2  # of the graphs that are kept
MOST_BYTES = 2 << 30  # of all that are kept


def module() -> Any:
    """Return the module `openvino`, kept from telling its makers that it is used."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # so importing it fails, as it may
    import openvino

    return openvino


@functools.cache
def core() -> Any:
    """Return the one Core of this process.

    A Core gives the thread that first compiles with it another stack for signals, and at its end sets back the stack
    that was there before. Of two that do not end in reverse order, the later sets back one that is gone: the next
    signal then ends the process.
    """
    return module().Core()


def converted(part: nn.Module, example: Tensor, shape: Sequence[int]) -> Any:
    """Return a part of a network as a graph; `shape` is that of its input, with -1 where sizes vary."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # tracing warns of every size that becomes a constant
        traced = torch.jit.trace(part.eval(), example, check_trace=False)  # type: ignore[no-untyped-call]
        return module().convert_model(traced, example_input=example, input=list(shape))


def key(part: nn.Module, *described: object) -> str:
    """Return what tells a part of a network, its weights and what is `described` from any others."""
    digest = hashlib.sha256()
    for name, tensor in part.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return slots.key((FORMAT, version("openvino"), torch.__version__, *described, digest.hexdigest()))


def kept(folder: Path) -> Any:
    """Return the graph that a folder keeps, or None if there is none, or a damaged one."""
    try:
        os.utime(folder)
        return core().read_model(folder / "graph.xml")
    except (OSError, RuntimeError):
        return None


def keep(model: Any, part: nn.Module, folder: Path) -> None:
    """Keep the graph of a part of a network in a folder, if that is possible."""
    beside = folder.with_name(f"{folder.name}.{os.getpid()}.part")
    try:
        shutil.rmtree(folder, ignore_errors=True)
        size_bytes = sum(tensor.nbytes for tensor in part.state_dict().values())
        slots.make_room(folder.parent, folder.name, size_bytes, MOST_BYTES)
        beside.mkdir(parents=True)
        module().save_model(model, beside / "graph.xml", compress_to_fp16=False)
        beside.replace(folder)
    except (OSError, RuntimeError):  # the disk is full, or another run was faster
        shutil.rmtree(beside, ignore_errors=True)
