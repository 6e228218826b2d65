"""Small pieces of what a training computes, in several ways, to be measured."""

from contextlib import nullcontext
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from viewfinder.catalogue import ROWS, Model
from viewfinder.engine import build, device, layers
from viewfinder.engine.graphs import Graph
from viewfinder.engine.machine import Way

SIZE_PX = 224  # of the pictures of a graph
LEARNT, LEARNT_PX = 8, 128  # pictures of a step; of a single one bfloat16 seems slower than it is in a batch
PICTURES, MOST_PICTURES = 4, 32  # of a graph, for each core, and at most: as many as a batch has
CPU = torch.device("cpu")


class Trials:
    """Pieces of the smallest model of a row's family, with random weights and pictures.

    What is frozen is the first half of its layers; what learns is as many of the last ones as by default, half at most,
    with a few pictures. Graphs are kept below the folder `kept`. No number is drawn that a training would draw.
    """

    def __init__(self, row: Model, kept: Path) -> None:
        self._row = min((one for one in ROWS if one.builder == row.builder), key=lambda one: one.mflops)
        self._half = len(self._row.layers) // 2
        self._learning = min(self._row.retrained_layers, self._half)
        self._kept = kept
        self._graphs: dict[tuple[str, int], Graph] = {}

    def learning(self, precision: str, threads: int) -> Way:
        """Return a step of the layers that learn, forward and backward."""

        def step() -> None:
            torch.set_num_threads(threads)
            part, maps = self._learning_part, self._maps
            with device.bf16(part, CPU) if precision == "bf16" else nullcontext():
                out = part(maps.bfloat16() if precision == "bf16" else maps)
            out.float().square().mean().backward()

        return step

    def by_torch(self, precision: str, threads: int) -> Way:
        """Return the computation of the frozen layers by torch."""
        mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (self._row.mean, self._row.std))

        def compute() -> Tensor:
            torch.set_num_threads(threads)
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                images = torch.from_numpy(np.stack(self._pixels)).permute(0, 3, 1, 2).float().div_(255)
                found: Tensor = self._frozen_part((images - mean) / std)
                return found

        return compute

    def by_openvino(self, precision: str, streams: int) -> Way:
        """Return the computation of the frozen layers by a graph, which is made when it is first computed."""

        def compute() -> NDArray[np.float32]:
            key = precision, streams
            if key not in self._graphs:
                self._graphs[key] = Graph(self._frozen_part, self._row, SIZE_PX, precision, self._kept, streams)
            return self._graphs[key](self._pixels)

        return compute

    @cached_property
    def _pixels(self) -> list[NDArray[np.uint8]]:
        count = min(MOST_PICTURES, PICTURES * device.cores())
        return list(np.random.default_rng(0).integers(0, 256, (count, SIZE_PX, SIZE_PX, 3), dtype=np.uint8))

    @cached_property
    def _network(self) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return build.network(self._row, 2, "frozen")

    @cached_property
    def _frozen_part(self) -> nn.Sequential:
        return layers.frozen_part(self._network, self._row, len(self._row.layers) - self._half)

    @cached_property
    def _learning_part(self) -> nn.Sequential:
        last = self._row.layers[-self._learning :]
        return nn.Sequential(*(self._network.get_submodule(name) for layer in last for name in layer.modules)).train()

    @cached_property
    def _maps(self) -> Tensor:
        """Random maps of the size that the layers which learn get."""
        with torch.inference_mode():
            shape = layers.frozen_part(self._network, self._row, self._learning)(
                torch.zeros(1, 3, SIZE_PX, SIZE_PX)
            ).shape
        maps = torch.rand(self._row.batch_size // 4, *shape[1:], generator=torch.Generator().manual_seed(0))
        return maps.contiguous(memory_format=torch.channels_last)
