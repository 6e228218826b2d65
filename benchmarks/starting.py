"""How soon a training takes its first step: `python benchmarks/starting.py [MODEL ...] [--repetitions N]`.

Prints seconds from the start of `viewfinder train` on a small set to the first step, and to the end of the command
after one epoch; each the median of repetitions, in a process of its own:

- first: in a new VIEWFINDER_HOME, where nothing was kept before;
- again: the same once more, with the graphs and images that were kept.

A weight file of one's own is looked at by a process before the first training; that is part of what is measured.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import images

from viewfinder import catalogue
from viewfinder.events import Step
from viewfinder.run import RunFolder

MODELS = (
    "efficientnet_lite0", "efficientnet_b0", "efficientnet_b4", "fasterrcnn_efficientnet_lite0_fpn"
)  # fmt: skip
TRAINED = {"efficientnet_lite0": 2}  # retrained layers, where they are not the model's own
Figures = tuple[float, float]  # seconds to the first step, and to the end


def prepared(name: str, folder: Path, count: int) -> dict[str, str]:
    """Write images and weights for a model; return the settings of its training."""
    row = catalogue.get(name)
    source, weights = folder / row.task, folder / f"{name}.pth"
    if not source.exists():
        (images.classified if row.task == "classification" else images.with_boxes)(source, count)
    images.weights(name, source, weights)
    return {
        "training.model": name,
        "training.weights": str(weights),
        "training.retrained_layers": str(TRAINED.get(name, row.retrained_layers)),
        "training.epochs": "1",
    }


def seconds(source: Path, settings: dict[str, str], home: Path, run: Path) -> Figures:
    """Train an epoch with the command."""
    sets = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    command = [sys.executable, "-m", "viewfinder", "train", str(source), "--out", str(run), *sets]
    began = time.time()
    subprocess.run(command, env={**os.environ, "VIEWFINDER_HOME": str(home)}, capture_output=True, check=True)
    ended = time.time()
    first = next(event.time for _, event in RunFolder.open(run).events() if isinstance(event, Step))
    return first - began, ended - began


def measure(name: str, folder: Path, count: int, repetitions: int) -> dict[str, Figures]:
    """Return the median seconds of the first training and of the one after it."""
    settings, source = prepared(name, folder, count), folder / catalogue.get(name).task
    found: dict[str, list[Figures]] = {"first": [], "again": []}
    for _ in range(repetitions):
        with tempfile.TemporaryDirectory(dir=folder) as home:
            for key, figures in found.items():
                figures.append(seconds(source, settings, Path(home), Path(home) / key))
    return {key: (_median(figures, 0), _median(figures, 1)) for key, figures in found.items()}


def _median(figures: list[Figures], place: int) -> float:
    return statistics.median(one[place] for one in figures)


def main() -> None:
    """Measure all models and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=MODELS)
    parser.add_argument("--images", type=int, default=60)
    parser.add_argument("--repetitions", type=int, default=3)
    asked = parser.parse_args()
    columns = ("first: step", "first: end", "again: step", "again: end")
    print(f"| model | {' | '.join(columns)} |\n| {' | '.join(['---'] * 5)} |")
    with tempfile.TemporaryDirectory() as folder:
        for name in asked.models:
            found = measure(name, Path(folder), asked.images, asked.repetitions)
            cells = [f"{value:.1f}" for figures in found.values() for value in figures]
            print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
