"""How fast folders of JPEGs are predicted: `python benchmarks/predicting.py [MODEL ...] [--images N]`.

Prints images/s, decoding included, each the median of interleaved repetitions in this process, loading of the model and
conversion of its graph not included:

- script: plain torch with a DataLoader, as tutorials teach it;
- torch: Viewfinder's model where there are few images, or no OpenVINO;
- ours: Viewfinder's model where there are many images;
- limit: 1 / (core-seconds to decode, resize and infer an image), each measured alone.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import images
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from viewfinder import catalogue
from viewfinder.data import pixels
from viewfinder.engine import build, device, loop, predict
from viewfinder.engine.examples import Item
from viewfinder.service.preparing import prepare

MODELS = ("efficientnet_lite0", "efficientnet_b0")


class Files(Dataset[torch.Tensor]):
    """Images of a folder as a network takes them."""

    def __init__(self, files: Sequence[Path], row: catalogue.Model) -> None:
        self.files, size = files, (row.input_size, row.input_size)
        scaled = v2.ToDtype(torch.float32, scale=True)
        self.change = v2.Compose([v2.Resize(size), v2.ToImage(), scaled, v2.Normalize(row.mean, row.std)])

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, number: int) -> torch.Tensor:
        changed: torch.Tensor = self.change(Image.open(self.files[number]).convert("RGB"))
        return changed


def script(network: nn.Module, files: Files) -> None:
    """Predict as a tutorial does."""
    with torch.inference_mode():
        for batch in DataLoader(files, 32, num_workers=max(1, device.cores() - 1)):
            network(batch)


def trained(name: str, folder: Path) -> predict.Model:
    """Return a model after one epoch, with random weights."""
    images.weights(name, folder / "images", folder / "weights.pth")
    wanted = {
        "training.model": name, "training.weights": str(folder / "weights.pth"), "training.retrained_layers": 0,
        "training.epochs": 1, "split.test_ratio": 0.5,
    }  # fmt: skip
    run = prepare(folder / "images", settings=wanted, out=folder / name).run
    loop.train(run)
    return predict.load(run.path, "cpu")


def ours(model: predict.Model, items: Sequence[Item], many: bool) -> None:
    """Predict with the graph of the backbone, or without it."""
    predict.MANY = 1 if many else sys.maxsize
    model.judge(items)


def limit(model: predict.Model, files: Sequence[Path], size: int) -> float:
    """Return the images/s that decoding, resizing and the graph allow on all cores."""
    graph: Any = model._backbone
    graph([pixels.square(file, size) for file in files[:8]])  # the first time takes longest
    began = time.process_time()
    graph([pixels.square(file, size) for file in files[:64]])
    return device.cores() * 64 / (time.process_time() - began)


def seconds(work: Callable[[], object]) -> float:
    """Return how long something takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> None:
    """Measure all models and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=MODELS)
    parser.add_argument("--images", type=int, default=640)
    parser.add_argument("--repetitions", type=int, default=3)
    asked = parser.parse_args()
    print("| model | script | torch | ours | limit |\n| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        os.environ["VIEWFINDER_HOME"] = str(folder / "home")
        images.classified(folder / "images", asked.images)
        files = sorted((folder / "images").rglob("*.jpg"))
        items = [Item(str(file), file.name) for file in files]
        for name in asked.models:
            row, model = catalogue.get(name), trained(name, folder)
            network = build.network(row, images.CLASSES, "live").to(memory_format=torch.contiguous_format).eval()
            ways: dict[str, Callable[[], object]] = {
                "script": lambda network=network, row=row: script(network, Files(files, row)),  # type: ignore[misc]
                "torch": lambda model=model: ours(model, items, many=False),  # type: ignore[misc]
                "ours": lambda model=model: ours(model, items, many=True),  # type: ignore[misc]
            }
            ways["ours"]()
            found = [{way: len(files) / seconds(work) for way, work in ways.items()} for _ in range(asked.repetitions)]
            speed = {way: statistics.median(one[way] for one in found) for way in ways}
            cells = [f"{value:.3g} ({value / speed['script']:.1f}×)" for value in speed.values()]
            print(f"| {name} | {' | '.join(cells)} | {limit(model, files, row.input_size):.3g} |", flush=True)


if __name__ == "__main__":
    main()
