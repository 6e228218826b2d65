"""Parts of networks as OpenVINO graphs: the fastest way to compute on a CPU what does not learn."""

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

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from viewfinder.catalogue import Model
from viewfinder.data import slots
from viewfinder.engine import device

TOGETHER = 4  # images that one thread computes at a time; larger batches were slower
FORMAT = 1  # of the graphs that are kept
MOST_BYTES = 2 << 30  # of all that are kept


class Graph:
    """A part of a network as a constant function of pixels: uint8 [S, S, 3] each → float32 [n, H, W, C].

    The pixels are normalised as the model's row says. What comes out for an image is the same, to the bit, whatever
    other images are computed with it. The converted graph is kept below the folder `kept`; `key` names it.
    """

    def __init__(self, part: nn.Module, row: Model, size_px: int, precision: str, kept: Path) -> None:
        openvino, core = _openvino(), _core()
        self.key = slots.key((FORMAT, version("openvino"), torch.__version__, row.name, size_px, _digest(part)))
        model = _kept(core, kept / self.key) or _converted(openvino, part, row, size_px, kept / self.key)
        streams = device.cores()
        compiled = core.compile_model(
            model,
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
                "PERFORMANCE_HINT": "THROUGHPUT",
                "NUM_STREAMS": streams,
                "INFERENCE_NUM_THREADS": streams,
            },
        )
        self.shape = tuple(size.get_length() for size in list(compiled.output(0).partial_shape)[1:])
        self._queue = openvino.AsyncInferQueue(compiled, streams)

    def __call__(self, pixels: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Return what the part makes of images."""
        found = np.empty((len(pixels), *self.shape), np.float32)

        def keep(request: Any, begin: int) -> None:
            result = request.get_output_tensor().data
            found[begin : begin + len(result)] = result

        self._queue.set_callback(keep)
        for begin in range(0, len(pixels), TOGETHER):
            self._queue.start_async({0: np.stack(pixels[begin : begin + TOGETHER])}, begin)
        self._queue.wait_all()
        return found


def _openvino() -> Any:
    """Return the module, kept from telling its makers that it is used."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # so importing it fails, as it may
    import openvino

    return openvino


@functools.cache
def _core() -> Any:
    """Return the one Core of this process.

    A Core gives the thread that first compiles with it another stack for signals, and at its end sets back the stack
    that was there before. Of two that do not end in reverse order, the later sets back one that is gone: the next
    signal then ends the process.
    """
    return _openvino().Core()


def _kept(core: Any, folder: Path) -> Any:
    """Return the graph that a folder keeps, or None if there is none, or a damaged one."""
    try:
        os.utime(folder)
        return core.read_model(folder / "graph.xml")
    except (OSError, RuntimeError):
        return None


def _converted(openvino: Any, part: nn.Module, row: Model, size_px: int, folder: Path) -> Any:
    """Return the graph of a part of a network, and keep it if that is possible."""
    example = torch.zeros(2, 3, size_px, size_px)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # tracing warns of every size that becomes a constant
        traced = torch.jit.trace(part.eval(), example, check_trace=False)  # type: ignore[no-untyped-call]
        model = openvino.convert_model(traced, example_input=example, input=[-1, 3, size_px, size_px])
    model = _from_pixels(openvino, model, row)
    beside = folder.with_name(f"{folder.name}.{os.getpid()}.part")
    try:
        shutil.rmtree(folder, ignore_errors=True)
        slots.make_room(folder.parent, folder.name, _bytes(part), MOST_BYTES)
        beside.mkdir(parents=True)
        openvino.save_model(model, beside / "graph.xml", compress_to_fp16=False)
        beside.replace(folder)
    except (OSError, RuntimeError):  # the disk is full, or another run was faster
        shutil.rmtree(beside, ignore_errors=True)
    return model


def _from_pixels(openvino: Any, model: Any, row: Model) -> Any:
    """Return the graph with normalisation before it, and with channels last at both ends."""
    from openvino.preprocess import PrePostProcessor

    steps = PrePostProcessor(model)
    steps.input().tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    steps.input().model().set_layout(openvino.Layout("NCHW"))
    normalise = steps.input().preprocess().convert_element_type(openvino.Type.f32)
    normalise.mean([255 * value for value in row.mean]).scale([255 * value for value in row.std])
    steps.output().model().set_layout(openvino.Layout("NCHW"))
    steps.output().tensor().set_layout(openvino.Layout("NHWC"))
    return steps.build()


def _bytes(part: nn.Module) -> int:
    return sum(tensor.nbytes for tensor in part.state_dict().values())


def _digest(part: nn.Module) -> str:
    """Return what tells the weights of a part of a network from any others."""
    digest = hashlib.sha256()
    for name, tensor in part.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
