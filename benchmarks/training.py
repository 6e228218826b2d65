"""How fast models train: `python benchmarks/training.py [MODEL:RETRAINED ...] [--images N] [--repetitions N]`.

Prints images/s of the epochs after the first, decoding and augmentation included, and the peak of memory, each the
median of interleaved repetitions:

- script: a training script as torchvision's tutorials teach it (`benchmarks/scripts.py`);
- plain: Viewfinder with everything in torch (`runtime.engine: torch`);
- fresh: Viewfinder as it is, a fresh augmented view in every epoch;
- kept: Viewfinder with one view kept (`runtime.views: 1`), where it has frozen layers apart.

All train the same images with the same weights (random ones, whose batch norms have statistics of those images), depth,
size, batch and ranges of augmentation. Every contestant is a process of its own.
"""

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path

import images
import measured
import polars as pl

from viewfinder import catalogue

CASES = (
    "efficientnet_b0:2", "efficientnet_b4:2", "efficientnet_lite0:3", "efficientnet_b0:9", "fasterrcnn_resnet50_fpn:3"
)  # fmt: skip
BATCH = {"classification": 32, "detection": 2}
SIZE = {"detection": 600}  # of the network's input, where it is not the model's own
SHARE = {"classification": 1.0, "detection": 0.05}  # of the images: a detector takes seconds for one
VIEWFINDER = {"plain": {"runtime.engine": "torch"}, "fresh": {}, "kept": {"runtime.views": "1"}}
Figures = tuple[float, float]  # images/s, MB


class Case:
    """A model and how many of its layers are retrained, with what it is trained on."""

    def __init__(self, text: str, folder: Path, count: int, epochs: int) -> None:
        self.name, _, retrained = text.partition(":")
        self.row, self.retrained, self.epochs = catalogue.get(self.name), int(retrained), epochs
        self.images, self.weights = folder / self.row.task, folder / f"{self.name}.pth"
        self.size, self.batch = SIZE.get(self.row.task, self.row.input_size), BATCH[self.row.task]
        if not self.images.exists():
            (images.classified if self.row.task == "classification" else images.with_boxes)(
                self.images, round(count * SHARE[self.row.task])
            )
        images.weights(self.name, self.images, self.weights)

    @property
    def ours(self) -> dict[str, dict[str, str]]:
        """The ways in which Viewfinder may train it, as settings by name."""
        apart = self.row.task == "classification" and self.retrained < len(self.row.layers)
        return VIEWFINDER if apart else {"fresh": {}}

    def script(self) -> Figures:
        """Train as a tutorial does."""
        job = {
            "name": self.name, "retrained": self.retrained, "images": str(self.images), "weights": str(self.weights),
            "epochs": self.epochs, "batch": self.batch, "size": self.size,
        }  # fmt: skip
        output, memory = measured.run([sys.executable, str(Path(__file__).with_name("scripts.py")), json.dumps(job)])
        return float(output), memory

    def viewfinder(self, settings: dict[str, str]) -> Figures:
        """Train with the command."""
        wanted = {
            "training.model": self.name,
            "training.weights": str(self.weights),
            "training.retrained_layers": str(self.retrained),
            "training.batch_size": str(self.batch),
            "training.input_size": str(self.size),
            "training.epochs": str(self.epochs),
            "training.early_stopping.enabled": "false",
            "split.test_ratio": "0.1",
            **settings,
        }
        with tempfile.TemporaryDirectory() as folder:
            run = Path(folder) / "run"
            sets = [part for key, value in wanted.items() for part in ("--set", f"{key}={value}")]
            command = [sys.executable, "-m", "viewfinder", "train", str(self.images), "--out", str(run), *sets]
            memory = measured.run(command, {"VIEWFINDER_HOME": folder})[1]
            return float(statistics.median(pl.read_csv(run / "epochs.csv")["images_per_second"][1:])), memory


def measure(case: Case, repetitions: int) -> dict[str, Figures]:
    """Return the median figures of every contestant."""
    found: dict[str, list[Figures]] = {"script": [], **{key: [] for key in case.ours}}
    for _ in range(repetitions):
        found["script"].append(case.script())
        for key, settings in case.ours.items():
            found[key].append(case.viewfinder(settings))
    return {key: (_median(figures, 0), _median(figures, 1)) for key, figures in found.items()}


def _median(figures: list[Figures], place: int) -> float:
    return statistics.median(one[place] for one in figures)


def main() -> None:
    """Measure all cases and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", default=CASES)
    parser.add_argument("--images", type=int, default=320)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        columns = ("script", *VIEWFINDER)
        print(f"| model, retrained layers | {' | '.join(columns)} |\n| {' | '.join(['---'] * 5)} |")
        for text in asked.cases:
            found = measure(Case(text, Path(folder), asked.images, asked.epochs), asked.repetitions)
            speed = found["script"][0]
            cells = [
                f"{found[key][0]:.3g} ({found[key][0] / speed:.1f}×), {found[key][1]:,.0f} MB" if key in found else ""
                for key in columns
            ]
            print(f"| {text.replace(':', ', ')} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
