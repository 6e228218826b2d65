"""What drawing views once costs in accuracy: `python benchmarks/views.py FOLDER:PER_CLASS ... [--views N ...]`.

A folder has a folder of images for each class. For every seed, PER_CLASS images of each class are drawn to learn from,
20 to choose the best epoch and up to 60 to test on; every number of views (0: a fresh one in every epoch, -1: no
augmentation) trains on the same ones. Prints accuracy and log loss on the test images, and seconds of the whole
command, each the mean over the seeds, in the default design of the model but for the number of epochs and what is set
(`--set metrics.optimize=log_loss`: where ROC AUC is near 1 it ends a training before a view is used again).
"""

import argparse
import json
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import measured

SHARES = {"valid": 20, "test": 60}
OFF = [f"augmentation.{name}.enabled=false" for name in ("color", "affine", "crop")]


class Result(NamedTuple):
    """What a training came to."""

    accuracy: float
    log_loss: float
    seconds: float
    epochs: int


def drawn(source: Path, per_class: int, seed: int, folder: Path) -> None:
    """Copy images of every class into the splits of a data set."""
    for category in sorted(path for path in source.iterdir() if path.is_dir()):
        images = sorted(path for path in category.iterdir() if path.is_file())
        random.Random(f"{seed} {category.name}").shuffle(images)
        for split, count in {"train": per_class, **SHARES}.items():
            target = folder / split / category.name
            target.mkdir(parents=True)
            for image in images[:count]:
                shutil.copy(image, target)
            del images[:count]


def trained(data: Path, views: int, wanted: Sequence[str]) -> Result:
    """Train as the command does."""
    settings = [*wanted, *(OFF if views < 0 else [f"runtime.views={views}"])]
    with tempfile.TemporaryDirectory() as text:
        run, home = Path(text) / "run", Path(text) / "home"
        command = [sys.executable, "-m", "viewfinder", "train", str(data), "--out", str(run)]
        began = time.perf_counter()
        measured.run([*command, *(part for one in settings for part in ("--set", one))], {"VIEWFINDER_HOME": str(home)})
        seconds = time.perf_counter() - began
        report = json.loads((run / "report.json").read_text(encoding="utf-8"))
    metrics = report["metrics"]
    return Result(metrics["accuracy"], metrics["log_loss"], seconds, len(report["epochs"]))


def main() -> None:
    """Measure all data sets and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="+")
    parser.add_argument("--views", nargs="*", type=int, default=[0, 1, 2, 4, 8, -1])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--model", default="efficientnet_lite0")
    parser.add_argument("--set", dest="settings", action="append", default=[])
    asked = parser.parse_args()
    heads = ("data, images per class", "views", "accuracy", "log loss", "epochs", "seconds")
    print(f"| {' | '.join(heads)} |\n| {' | '.join(['---'] * len(heads))} |")
    for text in asked.sources:
        source, _, per_class = text.partition(":")
        results: dict[int, list[Result]] = {views: [] for views in asked.views}
        for seed in range(asked.seeds):
            with tempfile.TemporaryDirectory() as folder:
                drawn(Path(source), int(per_class), seed, Path(folder))
                wanted = [f"training.model={asked.model}", f"training.epochs={asked.epochs}", f"runtime.seed={seed}"]
                for views in asked.views:
                    results[views].append(trained(Path(folder), views, [*wanted, *asked.settings]))
                    sys.stderr.write(f"{text} seed {seed} views {views}: {results[views][-1]}\n")
        for views, found in results.items():
            accuracy, log_loss, seconds, epochs = (statistics.mean(values) for values in zip(*found, strict=True))
            name = {0: "fresh", -1: "no augmentation"}.get(views, str(views))
            cells = f"{accuracy:.4f} | {log_loss:.4f} | {epochs:.1f} | {seconds:.0f}"
            print(f"| {Path(source).name}, {per_class} | {name} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
