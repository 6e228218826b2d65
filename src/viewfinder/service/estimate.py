"""How long a training will take and how much memory it needs, before it starts; without torch, and honestly a range.

Work is counted in multiply-adds from the catalogue: a pass forward through everything, and twice as much again backward
through what is retrained. It is set against the speed of a matrix product on this machine, of which each family
of networks reaches a share that was measured once (see `Efficiency`).
"""

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass

from viewfinder import catalogue
from viewfinder.catalogue import Model
from viewfinder.design import Design, Training

PASSES = 3  # forward, gradient of the inputs, gradient of the weights
SPREAD = 1.7  # the true time was within this factor of the estimate, either way
START_S = 15.0  # importing, reading weights, the report
BASE_MB = 700.0  # the process with its libraries, before any model


@dataclass(frozen=True)
class Efficiency:
    """What a family of networks makes of a machine.

    `share`: of the speed of a matrix product in single precision (dense convolutions in bfloat16 exceed it);
    `fixed_ms`: for an image of any size; `load_ms`: to read and augment one of 224 × 224 on one core; `mb_per_gflop`:
    memory of what an image leaves behind for the backward pass.
    """

    share: float
    fixed_ms: float
    load_ms: float
    mb_per_gflop: float


DEPTHWISE = Efficiency(0.3, 2.0, 3.0, 280.0)
EFFICIENCY = {
    "EfficientNet": DEPTHWISE,
    "EfficientNetLite0": DEPTHWISE,
    "ResNet50": Efficiency(1.2, 25.0, 3.0, 12.0),
    "Lite0": Efficiency(0.4, 25.0, 3.0, 100.0),
}
"""By the name of a row's builder; measured on two cores of a machine with AVX-512."""


@dataclass(frozen=True)
class Estimate:
    """What a training is expected to take: (least, most) seconds for an epoch and for all, and memory in MB.

    `seconds_per_epoch` and `seconds` are None where the speed cannot be known beforehand.
    """

    epochs: int
    may_end_early: bool
    seconds_per_epoch: tuple[float, float] | None
    seconds: tuple[float, float] | None
    memory_mb: float


def estimate(
    design: Design, train_images: int, judged_images: int, *, speed: Callable[[], float] | None = None
) -> Estimate:
    """Return what a resolved design is expected to take; `speed` tells 10⁹ multiply-adds per second of the machine."""
    training, row = design.training, catalogue.get(design.training.model)
    epochs = int(training.epochs)
    may_end_early, memory = training.early_stopping.enabled, _memory_mb(row, training)
    if not on_cpu(design):
        return Estimate(epochs, may_end_early, None, None, memory)
    efficiency, images = efficiency_of(row), train_images + judged_images
    gflop = train_images * _gflop(row, training, PASSES) + judged_images * _gflop(row, training, 1)
    loading_ms = efficiency.load_ms * (int(training.input_size) / 224) ** 2 / (os.cpu_count() or 1)
    each_image = images * (efficiency.fixed_ms + loading_ms) / 1000
    epoch = gflop / ((speed or measured_speed)() * efficiency.share) + each_image
    whole = START_S + epochs * epoch
    return Estimate(epochs, may_end_early, _range(epoch), _range(whole), memory)


def efficiency_of(row: Model) -> Efficiency:
    """Return what the family of a model makes of a machine."""
    return EFFICIENCY[row.builder.rpartition(":")[2]]


def on_cpu(design: Design) -> bool:
    """Return whether the training will most likely run on the CPU; only the trainer knows for sure."""
    devices = design.runtime.devices
    return devices == "cpu" or (devices == "auto" and shutil.which("nvidia-smi") is None)


def measured_speed(seconds: float = 0.2, size: int = 768) -> float:
    """Return this machine's speed in single precision, in 10⁹ multiply-adds per second: the best of a few products."""
    import numpy as np

    matrix = np.ones((size, size), np.float32)
    result, best, end = np.empty_like(matrix), float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end or best == float("inf"):
        begin = time.perf_counter()
        np.matmul(matrix, matrix, out=result)
        best = min(best, time.perf_counter() - begin)
    return size**3 / best / 1e9


def _gflop(row: Model, training: Training, passes: int) -> float:
    """Return the 10⁹ multiply-adds for an image: once for what is frozen, `passes` times for the rest."""
    layers = [layer.mflops for layer in row.layers]
    count = int(training.retrained_layers)
    frozen = sum(layers[: len(layers) - count])
    retrained = max(row.mflops, sum(layers)) - frozen
    scale = (int(training.input_size) / row.input_size) ** 2
    return (frozen + passes * retrained) * scale / 1000


def _memory_mb(row: Model, training: Training) -> float:
    """Return parameters, gradients and two states of the optimizer, and what a batch leaves for the backward pass."""
    frozen = [layer.parameters for layer in row.layers][: len(row.layers) - int(training.retrained_layers)]
    everything = max(row.parameters, sum(layer.parameters for layer in row.layers))
    values = everything + 3 * (everything - sum(frozen))
    kept = _gflop(row, training, 2) - _gflop(row, training, 1)
    batch = int(training.batch_size) * kept * efficiency_of(row).mb_per_gflop
    return BASE_MB + values * 4 / 1e6 + batch


def _range(seconds: float) -> tuple[float, float]:
    return seconds / SPREAD, seconds * SPREAD
