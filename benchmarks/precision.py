"""How fast an optimizer step is in each precision: `python benchmarks/precision.py [MODEL:RETRAINED ...]`.

Prints images/s, the median of interleaved repetitions, for fp32, for autocast to bfloat16 throughout, and for what
`runtime.precision: bf16` does. The images are random and the weights too; loading is not measured.
"""

import statistics
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn

from viewfinder import catalogue
from viewfinder.catalogue import Model
from viewfinder.engine import build, device, layers, optimizers

CASES = (
    "efficientnet_lite0:3",
    "efficientnet_lite0:9",
    "efficientnet_b0:2",
    "efficientnet_b0:9",
    "efficientnet_b4:2",
    "fasterrcnn_efficientnet_lite0_fpn:8",
    "fasterrcnn_resnet50_fpn:3",
)
CLASSES, OBJECTS, REPETITIONS, STEPS = 10, 12, 5, 2
CPU = torch.device("cpu")

Step = Callable[[], None]


def classification(row: Model, network: nn.Module) -> Callable[[], torch.Tensor]:
    """Return the loss of a batch of random images."""
    images = torch.rand(row.batch_size, 3, row.input_size, row.input_size).to(memory_format=torch.channels_last)
    labels = torch.randint(CLASSES, (row.batch_size,))
    return lambda: nn.functional.cross_entropy(network(images).float(), labels)


def detection(row: Model, network: nn.Module) -> Callable[[], torch.Tensor]:
    """Return the loss of a batch of random images of 4:3 with random boxes."""
    height, width = row.input_size, row.input_size * 4 // 3
    images = [torch.rand(3, height, width) for _ in range(row.batch_size)]
    corners = torch.rand(row.batch_size, OBJECTS, 2) * torch.tensor([width, height]) * 0.8
    sizes = (0.05 + 0.15 * torch.rand(row.batch_size, OBJECTS, 2)) * height
    boxes = torch.cat([corners, corners + sizes], dim=2)
    targets = [{"boxes": some, "labels": torch.randint(1, CLASSES + 1, (OBJECTS,))} for some in boxes]
    return lambda: sum(network(images, targets).values(), torch.zeros(()))


def measure(row: Model, retrained: int) -> dict[str, float]:
    """Return images/s in each precision."""
    torch.manual_seed(0)
    network = build.network(row, CLASSES, "frozen")
    layers.freeze(network, row, retrained)
    layers.train_mode(network, row, retrained, keep_statistics=row.task == "detection")
    optimizer = optimizers.make("adam", [p for p in network.parameters() if p.requires_grad], 1e-5, 0.0)
    loss = {"classification": classification, "detection": detection}[row.task](row, network)
    precisions: dict[str, Callable[[], AbstractContextManager[None]]] = {
        "fp32": nullcontext,
        "bf16 throughout": lambda: torch.autocast("cpu", torch.bfloat16),
        "bf16 as trained": lambda: device.bf16(network, CPU),
    }

    def step(precision: str) -> None:
        with precisions[precision]():
            value = loss()
        optimizer.zero_grad(set_to_none=True)
        value.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        optimizer.step()

    times: dict[str, list[float]] = {precision: [] for precision in precisions}
    for repetition in range(1 + REPETITIONS):  # the first warms up
        for precision, seconds in times.items():
            began = time.perf_counter()
            for _ in range(STEPS):
                step(precision)
            if repetition:
                seconds.append((time.perf_counter() - began) / STEPS)
    return {precision: row.batch_size / statistics.median(seconds) for precision, seconds in times.items()}


def main() -> None:
    """Measure the cases that were named, or all, and print a table in Markdown."""
    torch.set_num_threads(device.cores())
    print("| model, retrained layers | fp32 | bf16 throughout | bf16 as trained |\n| --- | --- | --- | --- |")
    for case in sys.argv[1:] or CASES:
        name, _, retrained = case.partition(":")
        speeds = measure(catalogue.get(name), int(retrained))
        print(f"| {name}, {retrained} | " + " | ".join(f"{speed:.3g}" for speed in speeds.values()) + " |", flush=True)


if __name__ == "__main__":
    main()
