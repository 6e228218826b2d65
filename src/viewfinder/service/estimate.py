"""How long a training will take and how much memory it needs, before it starts; without torch, and honestly a range.

Work is counted in multiply-adds from the catalogue: a pass forward through everything, and twice as much again backward
through what is retrained. It is set against the speed of a matrix product on this machine, of which each family
of networks reaches a share that was measured once (see `Efficiency`; `benchmarks/estimates.py` sets estimates beside
what was taken). An image is decoded in the first epoch alone, and so is what frozen layers make of it computed where
their input does not change.
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
START_S = 6.0  # importing, reading weights, the report
DECODE_MS = 6.0  # to decode a photograph of 650 × 417 and keep it at the size that is needed, on one core
BASE_MB = 480.0  # the processes with their libraries, before any model
STREAM_MB = 12.0  # what each core needs to compute frozen layers apart, of an image of 224 × 224
FROZEN_BYTES, APART_BYTES = 4, 4 + 2 + 4  # of a parameter that does not learn; with its copies where it is apart
LEARNING_BYTES = 4 * 4  # of one that learns, its gradient, and two states of the optimizer


@dataclass(frozen=True)
class Efficiency:
    """What a family of networks makes of a machine.

    `share`: of the speed of a matrix product in single precision (dense convolutions in bfloat16 exceed it), by what
    learns; `frozen_share`: by frozen layers in the network; `apart_share`: by those that are computed apart, 0 where
    none are. `fixed_ms`: for an image of any size; `apart_ms`: the same where frozen layers are apart; `load_ms`: to
    augment one of 224 × 224 on one core. `mb_per_gflop`: memory of what an image leaves behind for the backward pass;
    `passing_mb`: of one of 224 × 224 on its way through early layers, where those are not apart.
    `early`: how much more time and memory work in the first layers, whose maps are large, takes than in the last.
    """

    share: float
    frozen_share: float
    fixed_ms: float
    load_ms: float
    mb_per_gflop: float
    early: float = 0.0
    apart_share: float = 0.0
    apart_ms: float = 0.0
    passing_mb: float = 0.0


DEPTHWISE = Efficiency(0.5, 0.17, 2.0, 1.8, 44.0, 2.2, 0.5, 0.6, 5.0)
EFFICIENCY = {
    "EfficientNet": DEPTHWISE,
    "EfficientNetLite0": DEPTHWISE,
    "ResNet50": Efficiency(1.3, 1.2, 25.0, 1.8, 6.0),
    "Lite0": Efficiency(0.65, 0.65, 25.0, 1.8, 47.0),
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
    may_end_early, memory = training.early_stopping.enabled, _memory_mb(row, design)
    if not on_cpu(design):
        return Estimate(epochs, may_end_early, None, None, memory)
    if missing(design.runtime.devices):
        design = design.model_copy(update={"runtime": design.runtime.model_copy(update={"devices": "cpu"})})
    of_machine = (speed or measured_speed)()
    train, judge = (_seconds(row, design, passes, of_machine) for passes in (PASSES, 1))
    decoding = (train_images + judged_images) * DECODE_MS / _cores() / 1000
    fresh = min(epochs, views(design) or epochs)
    always = train_images * train.always + judged_images * judge.always
    whole = START_S + decoding + fresh * train_images * train.new + judged_images * judge.new + epochs * always
    epoch = always if fresh < epochs else always + train_images * train.new
    return Estimate(epochs, may_end_early, _range(epoch), _range(whole), memory)


@dataclass(frozen=True)
class _Seconds:
    """What an image takes: `new` in an epoch in which its view is a new one, beside `always` in every epoch."""

    new: float
    always: float


def _seconds(row: Model, design: Design, passes: int, speed: float) -> _Seconds:
    training, machine = design.training, efficiency_of(row)
    load = machine.load_ms * (int(training.input_size) / 224) ** 2 / _cores() / 1000
    learning = passes * _learning_gflop(row, training) * _effort(row, training) / (speed * machine.share)
    if _apart(design):
        frozen = _frozen_gflop(row, training) / (speed * machine.apart_share)
        return _Seconds(frozen + load, learning + machine.apart_ms / 1000)
    frozen = _frozen_gflop(row, training) / (speed * machine.frozen_share)
    return _Seconds(0.0, frozen + learning + load + machine.fixed_ms / 1000)


def _apart(design: Design) -> bool:
    """Return whether a resolved design has frozen layers that are computed apart from the others."""
    row = catalogue.get(design.training.model)
    may_be = design.runtime.engine != "torch" and efficiency_of(row).apart_share > 0
    return may_be and int(design.training.retrained_layers) < len(row.layers)


def _cores() -> int:
    return os.cpu_count() or 1


def efficiency_of(row: Model) -> Efficiency:
    """Return what the family of a model makes of a machine."""
    return EFFICIENCY[row.builder.rpartition(":")[2]]


def on_cpu(design: Design) -> bool:
    """Return whether the training will most likely run on the CPU; only the trainer knows for sure."""
    devices = design.runtime.devices
    if devices == "auto":
        return shutil.which("nvidia-smi") is None
    return devices.startswith("cpu") or missing(devices) is not None


def measured_speed(seconds: float = 0.1, size: int = 768) -> float:
    """Return this machine's speed in single precision, in 10⁹ multiply-adds per second: the best of a few products."""
    import numpy as np

    matrix = np.ones((size, size), np.float32)
    result, best, end = np.empty_like(matrix), float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end or best == float("inf"):
        begin = time.perf_counter()
        np.matmul(matrix, matrix, out=result)
        best = min(best, time.perf_counter() - begin)
    return size**3 / best / 1e9


def _whole_gflop(row: Model, training: Training) -> float:
    """Return the 10⁹ multiply-adds of the network for an image."""
    return max(row.mflops, sum(layer.mflops for layer in row.layers)) * _scale(row, training) / 1000


def _frozen_gflop(row: Model, training: Training) -> float:
    layers = [layer.mflops for layer in row.layers]
    return sum(layers[: len(layers) - int(training.retrained_layers)]) * _scale(row, training) / 1000


def _learning_gflop(row: Model, training: Training) -> float:
    return _whole_gflop(row, training) - _frozen_gflop(row, training)


def _effort(row: Model, training: Training) -> float:
    """Return how many times what it takes in the last layers a multiply-add that learns takes."""
    return 1 + efficiency_of(row).early * (_learning_gflop(row, training) / _whole_gflop(row, training)) ** 2


def _scale(row: Model, training: Training) -> float:
    return (int(training.input_size) / row.input_size) ** 2


def _memory_mb(row: Model, design: Design) -> float:
    """Return what parameters, gradients, optimizer, frozen layers apart, and a batch until its backward pass need."""
    training = design.training
    frozen = sum(layer.parameters for layer in row.layers[: len(row.layers) - int(training.retrained_layers)])
    learning = max(row.parameters, sum(layer.parameters for layer in row.layers)) - frozen
    values = (learning * LEARNING_BYTES + frozen * (APART_BYTES if _apart(design) else FROZEN_BYTES)) / 1e6
    machine, pixels = efficiency_of(row), (int(training.input_size) / 224) ** 2
    streams, passing = (_cores() * STREAM_MB * pixels, 0.0) if _apart(design) else (0.0, machine.passing_mb * pixels)
    image = _learning_gflop(row, training) * _effort(row, training) * machine.mb_per_gflop + passing
    return design.runtime.processes * (BASE_MB + values + int(training.batch_size) * image) + streams


def _range(seconds: float) -> tuple[float, float]:
    return seconds / SPREAD, seconds * SPREAD
