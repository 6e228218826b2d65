"""How the cost of a training grows: `python benchmarks/growing.py [PART ...] [--most N] [--plot PNG]`.

PART is images, epochs, layers, files (the side of the images' files) or input (of the network); all unless named.
Prints seconds from command to finished model and the peak of anonymous memory of all processes, the medians of
repetitions. Every training begins with nothing kept from an earlier one. All but `layers`, of EfficientNet-B0, train
EfficientNet-Lite0 with its default of retrained layers. The plot says how both grow: the slope of the line through
the points on logarithmic axes, by least squares; 1 is in proportion, 0 not at all.
"""

import argparse
import math
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import images
import measured
import numpy as np

LITE0, B0 = "efficientnet_lite0", "efficientnet_b0"
SMALL = 96  # px, the longer side of files of which there are many
LARGE = 650
Settings = Mapping[str, object]


@dataclass(frozen=True)
class Work:
    """A training: of so many images, with files of this longer side, and settings."""

    images: int
    side: int
    settings: Settings


@dataclass(frozen=True, eq=False)
class Part:
    """What grows: its name, on the axis the values plus `offset`, and the training of a value."""

    name: str
    label: str
    values: Sequence[int]
    work: Callable[[int], Work]
    offset: int = 0


@dataclass(frozen=True)
class Cost:
    """What a training takes."""

    value: int
    seconds: float
    memory_mb: float


def parts(most: int, count: int) -> list[Part]:
    """Return all that may grow, up to `most` images; where images do not grow, `count` are trained on."""
    counts = [number for number in (1000, 3000, 10_000, 30_000, 100_000) if number <= most] or [most // 4, most]

    def fixed(**settings: object) -> Work:
        return Work(count, LARGE, {f"training.{name}": value for name, value in settings.items()})

    return [
        Part("images", "images", counts, lambda n: Work(n, SMALL, {})),
        Part("epochs", "epochs", (2, 4, 8), lambda n: fixed(epochs=n)),
        Part(
            "layers", "layers that learn, the head counted", range(10),
            lambda n: fixed(epochs=2, model=B0, retrained_layers=n), offset=1,
        ),
        Part("files", "longer side of the files, px", (200, 400, 800, 1600, 3200), lambda n: Work(count, n, {})),
        Part("input", "side of the network's input, px", (128, 160, 224, 320, 448), lambda n: fixed(input_size=n)),
    ]  # fmt: skip


def cost(work: Work, value: int) -> Cost:
    """Return what a training takes; nothing of it is left."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        images.classified(folder / "images", work.images, (work.side, work.side * 2 // 3))
        model = str(work.settings.get("training.model", LITE0))
        images.weights(model, folder / "images", folder / "weights.pth")
        wanted: Settings = {
            "training.model": model, "training.weights": folder / "weights.pth", "training.epochs": 1,
            "training.batch_size": 32, "training.early_stopping.enabled": "false", "split.test_ratio": 0.1,
            **work.settings,
        }  # fmt: skip
        sets = [part for name, setting in wanted.items() for part in ("--set", f"{name}={setting}")]
        command = ["-m", "viewfinder", "train", str(folder / "images"), "--out", str(folder / "run"), *sets]
        found = measured.run([sys.executable, *command], {"VIEWFINDER_HOME": str(folder / "home")})
        return Cost(value, found.seconds, found.memory_mb)


def measure(part: Part, repetitions: int) -> list[Cost]:
    """Return the median cost of every value."""
    found: dict[int, list[Cost]] = {value: [] for value in part.values}
    for _ in range(repetitions):
        for value in part.values:
            found[value].append(cost(part.work(value), value))
    return [
        Cost(value, statistics.median(c.seconds for c in some), statistics.median(c.memory_mb for c in some))
        for value, some in found.items()
    ]


def slope(x: Sequence[float], y: Sequence[float]) -> float:
    """Return the slope of the line through points on logarithmic axes."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def growth(slope: float) -> str:
    """Return a slope in words."""
    if slope < -0.1:
        kind = "falls"
    elif slope <= 0.1:
        kind = "stays the same"
    elif slope < 0.9:
        kind = "grows less than in proportion"
    else:
        kind = "grows in proportion" if slope <= 1.1 else "grows more than in proportion"
    return f"{kind} (slope {slope:.2f})"


def plot(found: Mapping[Part, Sequence[Cost]], path: Path) -> None:
    """Draw time and memory of every part on logarithmic axes."""
    from matplotlib.figure import Figure

    figure = Figure((7, 2.6 * len(found)), layout="constrained")
    for (left, right), (part, costs) in zip(figure.subplots(len(found), 2, squeeze=False), found.items(), strict=True):
        _panel(left, part, "time, s", [cost.seconds for cost in costs])
        _panel(right, part, "memory, MB", [cost.memory_mb for cost in costs])
    figure.savefig(path, dpi=100)


def _panel(axes: Any, part: Part, what: str, y: Sequence[float]) -> None:
    """Draw how something grows with a part."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    if any(math.isnan(value) for value in y):  # not every system tells
        axes.set_axis_off()
        return
    x = [value + part.offset for value in part.values]
    axes.loglog(x, y, "o-", color="#1f6feb", markersize=4)
    axes.set_ylim(min(y) / 2, max(y) * 2)
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xticks(x, [f"{value:,}" for value in x])
    axes.set_xticks([], minor=True)
    axes.tick_params(labelsize=7)
    axes.set_xlabel(part.label, fontsize=8)
    axes.set_title(f"{part.name}: {what}\n{growth(slope(x, y))}", loc="left", fontsize=8)
    axes.grid(alpha=0.3)


def main() -> None:
    """Measure all parts, print a table, and draw the plot if one is wanted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", help="images, epochs, layers, files, input")
    parser.add_argument("--most", type=int, default=10_000, help="images at most")
    parser.add_argument("--images", type=int, default=320, help="where their number does not grow")
    parser.add_argument("--repetitions", type=int, default=1)
    parser.add_argument("--plot", type=Path)
    asked = parser.parse_args()
    found: dict[Part, list[Cost]] = {}
    print("| what grows | to | seconds | MB |\n| --- | --- | --- | --- |")
    for part in parts(asked.most, asked.images):
        if not asked.parts or part.name in asked.parts:
            found[part] = measure(part, asked.repetitions)
            for one in found[part]:
                print(f"| {part.name} | {one.value:,} | {one.seconds:.3g} | {one.memory_mb:,.0f} |", flush=True)
    if asked.plot and found:
        plot(found, asked.plot)


if __name__ == "__main__":
    main()
