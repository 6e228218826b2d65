"""Parts of networks as OpenVINO graphs: the fastest way to compute on a CPU what does not learn."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from viewfinder.catalogue import Model
from viewfinder.engine import conversion, device

WAITING = 4  # images that wait for a thread, so that none waits for them


class Graph:
    """A part of a network as a constant function of pixels: uint8 [S, S, 3] each → float32 [n, H, W, C].

    The pixels are normalised as the model's row says. Each image is computed alone, by one thread; `streams` of them at
    a time, 0: as many as there are cores. Most graphs of several images, or of any number, are slower (0013). The
    converted one is kept below the folder `kept`; `key` names it. Before one is made, `converting` is called.
    """

    def __init__(
        self,
        part: nn.Module,
        row: Model,
        size_px: int,
        precision: str,
        kept: Path,
        streams: int = 0,
        converting: Callable[[], None] | None = None,
    ) -> None:
        self.key = conversion.key(part, row.name, size_px)
        model = conversion.kept(kept / self.key)
        if model is None:
            if converting:
                converting()
            model = _converted(part, row, size_px)
            conversion.keep(model, part, kept / self.key)
        streams = streams or device.cores()
        compiled = conversion.core().compile_model(
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
        self._requests = [compiled.create_infer_request() for _ in range(streams + WAITING)]
        self._into: list[NDArray[np.float32] | None] = [None] * len(self._requests)
        self._next = 0

    def __call__(self, pixels: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Return what the part makes of images."""
        return self.begin(pixels)()

    def begin(self, pixels: Sequence[NDArray[np.uint8]]) -> Callable[[], NDArray[np.float32]]:
        """Begin to compute what the part makes of images; return what waits for the end, and then returns it."""
        found = np.empty((len(pixels), *self.shape), np.float32)
        for number, image in enumerate(pixels):
            self._start(image[None], found[number : number + 1])

        def finished() -> NDArray[np.float32]:
            for number, into in enumerate(self._into):
                if into is not None and into.base is found:
                    self._finish(number)
            return found

        return finished

    def _start(self, image: NDArray[np.uint8], into: NDArray[np.float32]) -> None:
        """Have an image computed by the request that has computed longest."""
        self._finish(self._next)
        self._requests[self._next].start_async({0: image})
        self._into[self._next] = into
        self._next = (self._next + 1) % len(self._requests)

    def _finish(self, number: int) -> None:
        """Wait for a request, if it computes something, and keep that."""
        into, self._into[number] = self._into[number], None
        if into is not None:
            self._requests[number].wait()
            into[:] = self._requests[number].get_output_tensor().data


def _converted(part: nn.Module, row: Model, size_px: int) -> Any:
    """Return the graph of a part of a network, with normalisation before it and channels last at both ends."""
    model = conversion.converted(part, torch.zeros(1, 3, size_px, size_px), (1, 3, size_px, size_px))
    from openvino.preprocess import PrePostProcessor

    steps, types = PrePostProcessor(model), conversion.module()
    steps.input().tensor().set_element_type(types.Type.u8).set_layout(types.Layout("NHWC"))
    steps.input().model().set_layout(types.Layout("NCHW"))
    normalise = steps.input().preprocess().convert_element_type(types.Type.f32)
    normalise.mean([255 * value for value in row.mean]).scale([255 * value for value in row.std])
    steps.output().model().set_layout(types.Layout("NCHW"))
    steps.output().tensor().set_layout(types.Layout("NHWC"))
    return steps.build()
