"""How long a training will take and how much memory it needs, before it starts; without torch, and honestly a range.

Work is counted in multiply-adds from the catalogue: a pass forward through everything, and twice as much again backward
through what is retrained. It is set against the speed of a matrix product on this machine, of which each family
of networks reaches a share that was measured once (see `Efficiency`). What frozen layers make of an image is computed
in the first epoch alone where their input does not change.
"""

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass

from viewfinder import catalogue
from viewfinder.catalogue import Model
from viewfinder.design import Design, Training, views
from viewfinder.service.devices import missing

PASSES = 3  # forward, gradient of the inputs, gradient of the weights
SPREAD = 1.7  # the true time was within this factor of the estimate, either way
START_S = 15.0  # importing, reading weights, the report
BASE_MB = 700.0  # the process with its libraries, before any model


@dataclass(frozen=True)
class Efficiency:
    """What a family of networks makes of a machine.

    `share`: of the speed of a matrix product in single precision (dense convolutions in bfloat16 exceed it);
    `fixed_ms`: for an image of any size; `load_ms`: to read and augment one of 224 × 224 on one core; `mb_per_gflop`:
    memory of what an image leaves behind for the backward pass; `frozen_share`: what frozen layers
    reach that are computed apart from the others, 0 where they are not; `apart_ms`: as `fixed_ms`, then.
    """

    share: float
    fixed_ms: float
    load_ms: float
    mb_per_gflop: float
    frozen_share: float = 0.0
    apart_ms: float = 0.0


DEPTHWISE = Efficiency(0.3, 2.0, 3.0, 280.0, 0.8, 0.6)
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
    train, judge = (_seconds(row, design, passes, (speed or measured_speed)()) for passes in (PASSES, 1))
    fresh = min(epochs, views(design) or epochs) if train.kept else epochs
    later = train_images * train.again + judged_images * judge.again
    first = fresh * train_images * (train.once + train.again) + judged_images * (judge.once + judge.again)
    whole = START_S + first + (epochs - fresh) * train_images * train.again + (epochs - 1) * judged_images * judge.again
    epoch = later if fresh < epochs else later + train_images * train.once
    return Estimate(epochs, may_end_early, _range(epoch), _range(whole), memory)


@dataclass(frozen=True)
class _Seconds:
    """What an image takes: `once`, in an epoch in which it is new, and `again`, in every epoch."""

    once: float
    again: float
    kept: bool


def _seconds(row: Model, design: Design, passes: int, speed: float) -> _Seconds:
    training, efficiency = design.training, efficiency_of(row)
    apart = bool(efficiency.frozen_share) and design.runtime.engine != "torch" and _frozen_gflop(row, training) > 0
    load = efficiency.load_ms * (int(training.input_size) / 224) ** 2 / (os.cpu_count() or 1) / 1000
    gflop, frozen = _gflop(row, training, passes), _frozen_gflop(row, training)
    if not apart:
        return _Seconds(0.0, gflop / (speed * efficiency.share) + load + efficiency.fixed_ms / 1000, False)
    once = frozen / (speed * efficiency.frozen_share) + load
    return _Seconds(once, (gflop - frozen) / (speed * efficiency.share) + efficiency.apart_ms / 1000, True)


def efficiency_of(row: Model) -> Efficiency:
    """Return what the family of a model makes of a machine."""
    return EFFICIENCY[row.builder.rpartition(":")[2]]


def on_cpu(design: Design) -> bool:
    """Return whether the training will most likely run on the CPU; only the trainer knows for sure."""
    devices = design.runtime.devices
    if devices == "auto":
        return shutil.which("nvidia-smi") is None
    return devices == "cpu" or missing(devices) is not None


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
    whole = max(row.mflops, sum(layer.mflops for layer in row.layers)) * _scale(row, training) / 1000
    frozen = _frozen_gflop(row, training)
    return frozen + passes * (whole - frozen)


def _frozen_gflop(row: Model, training: Training) -> float:
    """Return the 10⁹ multiply-adds of the frozen layers for an image."""
    layers = [layer.mflops for layer in row.layers]
    return sum(layers[: len(layers) - int(training.retrained_layers)]) * _scale(row, training) / 1000


def _scale(row: Model, training: Training) -> float:
    return (int(training.input_size) / row.input_size) ** 2


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
