"""What single operations of learning take on this processor: `python benchmarks/operations.py [--repetitions N]`.

Prints milliseconds, forward and backward, the median of interleaved repetitions: of depthwise convolutions in fp32 and
in bf16 (32 images), of 1 x 1 convolutions beside the matrix products that they are (32 images), of a detector's
convolutions in fp32 with channels first and last (2 images), of the mean over the map with the activation and batch
norm before it (32 images), of pooling within 1,024 boxes, of an RPN head whose loss is taken over 512 anchors (2
images), of frozen layers as graphs of one image, of four, and of any number (16 images), of what a detector finds in an
image, and of what it finds in ten with freed memory given back and kept.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.detection.rpn import RPNHead
from torchvision.ops import MultiScaleRoIAlign

from viewfinder import catalogue
from viewfinder.engine import allocator, build, conversion, dense, device, faster_rcnn
from viewfinder.engine.layers import GlobalAverage, frozen_part
from viewfinder.engine.pooling import PyramidPool

DEPTHWISE = (  # channels, side of the map, kernel, stride
    (32, 112, 3, 1), (96, 112, 3, 2), (144, 56, 3, 1), (144, 56, 5, 2), (240, 28, 5, 1), (480, 14, 3, 1),
    (672, 14, 5, 2), (1152, 7, 5, 1), (1152, 7, 3, 1),
)  # fmt: skip
POINTWISE = (192, 1152), (1152, 320), (320, 1280)  # channels in and out; those of the last two layers of B0
FROZEN = ("efficientnet_lite0", 3), ("efficientnet_b0", 2), ("efficientnet_b4", 2)  # and how many layers are not
WIDE = (256, 150, 200), (256, 75, 100), (128, 75, 100)  # channels, height and width of the map
Ways = Mapping[str, Callable[[], Any]]


def depthwise(channels: int, side: int, kernel: int, stride: int) -> Ways:
    """Return the ways to compute a convolution of maps in bfloat16."""
    layer = nn.Conv2d(channels, channels, kernel, stride, kernel // 2, groups=channels, bias=False)
    maps = _maps(32, channels, side).bfloat16()

    def way(weight: Callable[[], Tensor], convert: Callable[[Tensor], Tensor]) -> None:
        x = maps.clone().requires_grad_()
        y = functional.conv2d(convert(x), weight(), None, stride, kernel // 2, groups=channels).bfloat16()
        y.backward(y.detach())  # type: ignore[no-untyped-call]

    return {
        "fp32": lambda: way(lambda: layer.weight, Tensor.float),
        "bf16": lambda: way(layer.weight.bfloat16, lambda x: x),
    }


def pointwise(inside: int, outside: int) -> Ways:
    """Return the ways to compute a 1 x 1 convolution of maps of 7 x 7 in bfloat16, and the three products in it."""
    layer = nn.Conv2d(inside, outside, 1, bias=False).bfloat16().to(memory_format=torch.channels_last)
    maps, made = _maps(32, inside, 7).bfloat16(), _maps(32, outside, 7).bfloat16()
    rows, out = (one.permute(0, 2, 3, 1).reshape(-1, one.shape[1]) for one in (maps, made))
    weight = layer.weight.detach().view(outside, inside)

    def convolution() -> None:
        layer(maps.clone().requires_grad_()).backward(made)

    def products() -> None:
        _ = rows @ weight.t(), out @ weight, out.t() @ rows

    return {"convolution": convolution, "products": products}


def wide(channels: int, height: int, width: int) -> Ways:
    """Return the ways to compute a 3 x 3 convolution of maps in float32."""

    def way(order: torch.memory_format) -> None:
        layer = nn.Conv2d(channels, channels, 3, padding=1)
        layer.weight.data = layer.weight.data.contiguous(memory_format=order)
        x = torch.zeros(2, channels, height, width).contiguous(memory_format=order).requires_grad_()
        y = layer(x)
        y.backward(y.detach())

    first, last = torch.contiguous_format, torch.channels_last
    return {"channels first": lambda: way(first), "channels last": lambda: way(last)}


def mean() -> Ways:
    """Return the ways to end a classifier's backbone."""
    maps = _maps(32, 1280, 7).bfloat16()

    def way(pool: nn.Module) -> None:
        x = maps.clone().requires_grad_()
        norm = nn.BatchNorm2d(1280)
        pool(functional.silu(norm(x))).float().square().sum().backward()

    return {"AdaptiveAvgPool2d": lambda: way(nn.AdaptiveAvgPool2d(1)), "GlobalAverage": lambda: way(GlobalAverage())}


def pooling() -> Ways:
    """Return the ways to pool within boxes of a pyramid over two images of 600 x 800."""
    names, size = ["0", "1", "2", "3"], (608, 800)
    strides = dict(zip(names, (4, 8, 16, 32), strict=True))
    maps = {name: torch.randn(2, 256, size[0] // s, size[1] // s) for name, s in strides.items()}
    maps = {name: one.contiguous(memory_format=torch.channels_last) for name, one in maps.items()}
    centre, extent = torch.rand(1024, 2) * torch.tensor([800.0, 608.0]), torch.rand(1024, 2) * 100 + 8
    boxes = torch.cat([centre - extent / 2, centre + extent / 2], 1).clamp(0, 600)

    def way(kind: type[MultiScaleRoIAlign]) -> None:
        given = {name: one.clone().requires_grad_() for name, one in maps.items()}
        kind(names, 7, 2)(given, [boxes[:512], boxes[512:]], [size, size]).sum().backward()

    return {"torchvision": lambda: way(MultiScaleRoIAlign), "ours": lambda: way(PyramidPool)}


def anchors() -> Ways:
    """Return the ways to learn from anchors of a pyramid over two images of 600 x 800, in bfloat16."""
    plain = RPNHead(256, 3).to(memory_format=torch.channels_last)
    ours = deepcopy(plain)
    faster_rcnn.learn_from_anchors(ours)
    sides = [(-(-608 // stride), 800 // stride) for stride in (4, 8, 16, 32, 64)]
    maps = [torch.randn(2, 256, *side).contiguous(memory_format=torch.channels_last).bfloat16() for side in sides]
    counts = [2 * 3 * height * width for height, width in sides]
    chosen = torch.randperm(sum(counts))[:512]

    def way(head: nn.Module) -> None:
        with torch.autocast("cpu", torch.bfloat16):
            objectness, changes = head([one.clone().requires_grad_() for one in maps])
        said = [torch.cat([one.flatten() for one in objectness]), torch.cat([one.flatten() for one in changes])]
        torch.autograd.backward(said[0][chosen].float().sum() + said[1][chosen].float().sum())

    return {"torchvision": lambda: way(plain), "ours": lambda: way(ours)}


def frozen(name: str, retrained: int, precision: str) -> Ways:
    """Return the ways to compute the frozen layers of a classifier, a thread for each core."""
    row = catalogue.get(name)
    part = frozen_part(build.network(row, 3, "frozen").eval(), row, retrained)
    images = torch.rand(16, 3, row.input_size, row.input_size).numpy()

    def way(shape: int, together: int) -> Callable[[], None]:
        model = conversion.converted(part, torch.from_numpy(images[:1]), (shape, *images.shape[1:]))
        hints = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": precision}
        threads = {"NUM_STREAMS": device.cores(), "INFERENCE_NUM_THREADS": device.cores()}
        compiled = conversion.core().compile_model(model, "CPU", hints | threads)
        queue = conversion.module().AsyncInferQueue(compiled, 2 * device.cores())

        def compute() -> None:
            for begin in range(0, len(images), together):
                queue.start_async({0: images[begin : begin + together]})
            queue.wait_all()

        return compute

    return {"one": way(1, 1), "four": way(4, 4), "any number, one": way(-1, 1), "any number, four": way(-1, 4)}


def judging() -> Ways:
    """Return the ways to find objects in one image of 600 x 800."""
    network, image = (
        build.network(catalogue.get("fasterrcnn_resnet50_fpn"), 3, "frozen").eval(),
        torch.rand(3, 600, 800),
    )
    graph = dense.judging(network, "bf16")

    def way(found_by: nn.Module, bf16: bool) -> None:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            found_by([image])

    return {
        "torch, fp32": lambda: way(network, False),
        "torch, bf16": lambda: way(network, True),
        "graph, bf16": lambda: way(graph, True),
    }


def memory() -> Ways:
    """Return the ways to find objects in an image of 64 x 64 whose freed memory goes back to the system, or is kept."""
    network = build.network(catalogue.get("fasterrcnn_efficientnet_lite0_fpn"), 3, "frozen").eval()
    image = torch.rand(3, 64, 64)

    def way(prepare: Callable[[], None]) -> None:
        prepare()
        with torch.inference_mode():
            for _ in range(10):
                network([image])

    return {"given back": lambda: way(allocator.give_back), "kept": lambda: way(allocator.reuse)}


def _maps(count: int, channels: int, side: int) -> Tensor:
    return torch.randn(count, channels, side, side).contiguous(memory_format=torch.channels_last)


def measured(ways: Ways, repetitions: int) -> str:
    """Return the median milliseconds of each way in words."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for repetition in range(repetitions + 1):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            if repetition:  # the first time takes longest
                found[name].append(1000 * (time.perf_counter() - began))
    return ", ".join(f"{name} {statistics.median(times):.3g} ms" for name, times in found.items())


def main() -> None:
    """Measure all operations and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=5)
    repetitions = parser.parse_args().repetitions
    for channels, side, kernel, stride in DEPTHWISE:
        what = f"depthwise {channels}, {side} x {side}, kernel {kernel}, stride {stride}"
        print(f"{what}: {measured(depthwise(channels, side, kernel, stride), repetitions)}", flush=True)
    for inside, outside in POINTWISE:
        what = f"1 x 1, {inside} to {outside} channels, 7 x 7"
        print(f"{what}: {measured(pointwise(inside, outside), repetitions)}", flush=True)
    for channels, height, width in WIDE:
        what = f"3 x 3, {channels} channels, {height} x {width}"
        print(f"{what}: {measured(wide(channels, height, width), repetitions)}", flush=True)
    print(f"mean over the map: {measured(mean(), repetitions)}")
    print(f"pooling within boxes: {measured(pooling(), repetitions)}")
    print(f"an RPN head, 256 channels: {measured(anchors(), repetitions)}")
    for name, retrained in FROZEN:
        for precision in ("bf16", "f32"):
            what = f"frozen layers of {name}, {retrained} retrained, {precision}"
            print(f"{what}: {measured(frozen(name, retrained, precision), repetitions)}", flush=True)
    print(f"a detector, ResNet-50-FPN: {measured(judging(), repetitions)}")
    print(f"a detector, EfficientNet-Lite0-FPN, ten images: {measured(memory(), repetitions)}")


if __name__ == "__main__":
    main()
