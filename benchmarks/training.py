"""How fast models train: `python benchmarks/training.py [MODEL:RETRAINED ...] [--images N] [--repetitions N]`.

Prints images/s of the epochs after the first, decoding and augmentation included, the peak of memory, the accuracy on a
tenth of the images that is not learned from, after the last epoch, and the seconds from command to end; each the median
of interleaved repetitions:

- torchvision, fastai, transformers, lightning: training scripts as their tutorials teach them (`benchmarks/peers`);
- torchvision, channels last: the first with channels last in memory, which is shown, but not compared with;
- plain: Viewfinder with everything in torch (`runtime.engine: torch`);
- fresh: Viewfinder with a fresh augmented view in every epoch (`runtime.views: 0`);
- kept: Viewfinder with one view kept (`runtime.views: 1`), where it has frozen layers apart;
- default: Viewfinder as it is, with the views that it keeps by itself; not in detection, where it keeps none.

All train the same images with the same weights (random ones, whose batch norms have statistics of those images, or the
published ones with `--pretrained`), depth, size, batch, ranges of augmentation, optimizer and learning rate. Every
contestant is a process of its own. Viewfinder and fastai judge the held-out images after every epoch, the others once;
images/s are those of learning alone. The peers are the extra `peers`: `pip install -e ".[peers]"`.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import images
import measured
import polars as pl
import tables
from scripts import SCRIPTS, Script

from viewfinder import catalogue

CASES = (
    "efficientnet_b0:2", "efficientnet_b4:2", "efficientnet_lite0:3", "efficientnet_b0:9", "fasterrcnn_resnet50_fpn:3"
)  # fmt: skip
BATCH = {"classification": 32, "detection": 2}
SIZE = {"detection": 600}  # of the network's input, where it is not the model's own
SHARE = {"classification": 1.0, "detection": 0.05}  # of the images: a detector takes seconds for one
VIEWFINDER = {
    "plain": {"runtime.engine": "torch"},
    "fresh": {"runtime.views": "0"},
    "kept": {"runtime.views": "1"},
    "default": {},
}
LEARNING = {"classification": {"training.optimizer": "adam", "training.learning_rate": "0.001"}, "detection": {}}
Figures = Mapping[str, float | None]


@dataclass(frozen=True)
class Contestant:
    """Who trains, as `role` says: one of ours, a peer, or one that is merely shown."""

    name: str
    role: str
    train: Callable[[], Figures]


class Case:
    """A model and how many of its layers are retrained, with what it is trained on."""

    def __init__(self, text: str, folder: Path, asked: argparse.Namespace) -> None:
        self.text, self.epochs, self.augmented, self.only = text, asked.epochs, not asked.unchanged, asked.only
        name, _, retrained = text.partition(":")
        self.row, self.retrained = catalogue.get(name), int(retrained)
        self.task = self.row.task
        self.images, self.weights = folder / self.task, folder / f"{name}.pth"
        self.size, self.batch = SIZE.get(self.task, self.row.input_size), BATCH[self.task]
        if not self.images.exists():
            self._write_images(asked.data, round(asked.images * SHARE[self.task]))
        self.classes = self._count_classes()
        if asked.pretrained:
            images.pretrained(name, self.weights, self.classes)
        else:
            images.weights(name, self.images, self.weights, self.classes)

    def _write_images(self, given: Path | None, count: int) -> None:
        if self.task == "detection":
            images.annotated(given, self.images, count) if given else images.with_boxes(self.images, count)
            return
        if not given:
            given = self.images.with_name("made")
            images.classified(given, count)
        images.divided(given, self.images)

    def _count_classes(self) -> int:
        if self.task == "classification":
            return len(list((self.images / "train").iterdir()))
        return len(json.loads((self.images / "annotations.json").read_text(encoding="utf-8"))["categories"])

    @property
    def contestants(self) -> list[Contestant]:
        """The scripts that can run here, and the ways in which Viewfinder may train it."""
        scripts = [script for script in SCRIPTS if script.task == self.task and not script.missing]
        apart = self.task == "classification" and self.retrained < len(self.row.layers)
        ways = VIEWFINDER if apart else {"fresh": {}}
        found = [
            *(Contestant(script.name, script.role, partial(self.script, script)) for script in scripts),
            *(Contestant(f"Viewfinder, {way}", "ours", partial(self.viewfinder, ways[way])) for way in ways),
        ]
        return [one for one in found if not self.only or one.name in self.only]

    def script(self, script: Script) -> Figures:
        """Train as a tutorial does."""
        job = {
            "name": self.row.name, "retrained": self.retrained, "images": str(self.images),
            "weights": str(self.weights), "epochs": self.epochs, "batch": self.batch, "size": self.size,
            "classes": self.classes, "augmented": self.augmented,
        }  # fmt: skip
        command = [sys.executable, str(Path(__file__).with_name("scripts.py")), script.name, json.dumps(job)]
        found = measured.run(command)
        return {**json.loads(found.output.splitlines()[-1]), **_taken(found)}

    def viewfinder(self, settings: Mapping[str, str]) -> Figures:
        """Train with the command."""
        wanted = {
            "training.model": self.row.name,
            "training.weights": str(self.weights),
            "training.retrained_layers": str(self.retrained),
            "training.batch_size": str(self.batch),
            "training.input_size": str(self.size),
            "training.epochs": str(self.epochs),
            "training.early_stopping.enabled": "false",
            "split.test_ratio": "0.1",
            **{f"augmentation.{kind}.enabled": str(self.augmented).lower() for kind in ("color", "affine", "crop")},
            **LEARNING[self.task],
            **settings,
        }
        with tempfile.TemporaryDirectory() as folder:
            run = Path(folder) / "run"
            sets = [part for key, value in wanted.items() for part in ("--set", f"{key}={value}")]
            command = [sys.executable, "-m", "viewfinder", "train", str(self.images), "--out", str(run), *sets]
            found = measured.run(command, {"VIEWFINDER_HOME": folder})
            epochs = pl.read_csv(run / "epochs.csv")
            speed = float(epochs["images_per_second"][1:].median())  # type: ignore[arg-type]
            accuracy = float(epochs["test_accuracy"][-1]) if "test_accuracy" in epochs.columns else None
            return {"images_per_second": speed, "accuracy": accuracy, **_taken(found)}


def _taken(found: measured.Measured) -> Figures:
    return {"memory_mb": found.memory_mb, "seconds": found.seconds}


def measure(case: Case, repetitions: int, to: Path | None) -> list[tables.Measurement]:
    """Return the figures of every contestant in every repetition; append them to a file as they come."""
    found = []
    for _ in range(repetitions):
        for one in case.contestants:
            found.append(tables.Measurement("training", case.text, one.name, one.role, one.train()))
            tables.append(to, found[-1:])
    return found


def main() -> None:
    """Measure all cases and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", default=CASES)
    parser.add_argument("--images", type=int, default=320)
    parser.add_argument("--data", type=Path, help="images in a folder for each class, or with boxes, not made ones")
    parser.add_argument("--pretrained", action="store_true", help="start from the published weights")
    parser.add_argument("--unchanged", action="store_true", help="without augmentation")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--only", action="append", help="a contestant to measure; may be given several times")
    parser.add_argument("--json", type=Path, help="append every measurement to this file of JSON Lines")
    asked = parser.parse_args()
    print(tables.head("training"))
    with tempfile.TemporaryDirectory() as folder:
        for text in asked.cases:
            print(tables.rows(measure(Case(text, Path(folder), asked), asked.repetitions, asked.json)), flush=True)
    packages = ["torch", *(package for script in SCRIPTS for package in script.packages)]
    print(f"\n{tables.versions(packages)}")


if __name__ == "__main__":
    main()
