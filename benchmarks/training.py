"""How fast classifiers train: `python benchmarks/training.py [MODEL:RETRAINED ...] [--images N] [--repetitions N]`.

Prints images/s of an epoch, decoding and augmentation included, the median of interleaved repetitions:

- script: a training script as torchvision's tutorials teach it;
- plain: Viewfinder with everything in torch, anew in every epoch (`runtime.engine: torch`);
- fresh: Viewfinder as it is, a fresh augmented view in every epoch;
- kept: Viewfinder with one view kept (`runtime.views: 1`), in the epochs after the first.

All train the same images with the same weights (random ones, whose batch norms have statistics of those images), depth,
size, batch and ranges of augmentation. Every contestant is a process of its own.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

CASES = ("efficientnet_b0:2", "efficientnet_b4:2", "efficientnet_lite0:3")
CLASSES, SIDES, BATCH = 4, (650, 417), 32
VIEWFINDER = {
    "plain": {"runtime.engine": "torch"},
    "fresh": {},
    "kept": {"runtime.views": "1"},
}


def write_images(folder: Path, count: int) -> None:
    """Write JPEGs of coloured blotches in a folder for each class."""
    rng = np.random.default_rng(0)
    for number in range(count):
        blotches = rng.integers(0, 256, (12, 18, 3), dtype=np.uint8)
        path = folder / f"class {number % CLASSES}" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(blotches).resize(SIDES, Image.Resampling.BICUBIC).save(path, quality=90)


def write_weights(name: str, images: Path, path: Path) -> None:
    """Write random weights whose batch norms have the statistics of some images: without, nothing comes through."""
    import torch
    from torch import nn

    from viewfinder import catalogue
    from viewfinder.data import pixels
    from viewfinder.engine import build

    torch.manual_seed(0)
    row = catalogue.get(name)
    network = build.network(row, CLASSES, "frozen").eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train().momentum = None
    files = sorted(images.rglob("*.jpg"))[:BATCH]
    batch = torch.from_numpy(np.stack([pixels.square(file, row.input_size) for file in files]))
    with torch.no_grad():
        network((batch.permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.25)
    torch.save(network.state_dict(), path)


def script(name: str, retrained: int, images: Path, weights: Path, epochs: int) -> float:
    """Train as a tutorial does, in this process; return images/s of the epochs after the first."""
    import torch
    from torch import nn, optim
    from torch.utils.data import DataLoader
    from torchvision.datasets import ImageFolder
    from torchvision.transforms import v2

    from viewfinder import catalogue
    from viewfinder.engine import build, layers

    row = catalogue.get(name)
    size = row.input_size
    transform = v2.Compose(
        [
            v2.RandomResizedCrop((size, size), scale=(0.8, 1.0), ratio=(1.0, 1.0)),
            v2.RandomHorizontalFlip(),
            v2.RandomRotation(15),
            v2.ColorJitter(0.2, 0.2, 0.0, 0.05),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(row.mean, row.std),
        ]
    )
    workers = max(1, len(os.sched_getaffinity(0)) - 1) if hasattr(os, "sched_getaffinity") else 1
    loader = DataLoader(ImageFolder(images, transform), BATCH, shuffle=True, num_workers=workers)
    network = build.network(row, CLASSES, "live").to(memory_format=torch.contiguous_format)
    network.load_state_dict(torch.load(weights, weights_only=True), strict=False)
    layers.freeze(network, row, retrained)
    network.train()
    optimizer = optim.Adam([p for p in network.parameters() if p.requires_grad], 1e-3)
    loss, count, began = nn.CrossEntropyLoss(), 0, 0.0
    for epoch in range(epochs):
        if epoch == 1:
            began = time.perf_counter()
        for batch, labels in loader:
            optimizer.zero_grad()
            loss(network(batch), labels).backward()
            optimizer.step()
            count += len(labels) if epoch else 0
    return count / (time.perf_counter() - began)


def viewfinder(name: str, retrained: int, images: Path, weights: Path, epochs: int, settings: dict[str, str]) -> float:
    """Train with the command; return images/s of the epochs after the first."""
    wanted = {
        "training.model": name,
        "training.weights": str(weights),
        "training.retrained_layers": str(retrained),
        "training.batch_size": str(BATCH),
        "training.epochs": str(epochs),
        "training.early_stopping.enabled": "false",
        "split.test_ratio": "0.1",
        **settings,
    }
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        sets = [part for key, value in wanted.items() for part in ("--set", f"{key}={value}")]
        command = [sys.executable, "-m", "viewfinder", "train", str(images), "--out", str(run), *sets]
        subprocess.run(command, check=True, capture_output=True, env={**os.environ, "VIEWFINDER_HOME": folder})
        return float(statistics.median(pl.read_csv(run / "epochs.csv")["images_per_second"][1:]))


def measure(case: str, images: Path, folder: Path, repetitions: int, epochs: int) -> dict[str, float]:
    """Return the median images/s of every contestant."""
    name, _, retrained = case.partition(":")
    weights = folder / f"{name}.pth"
    write_weights(name, images, weights)
    found: dict[str, list[float]] = {"script": [], **{key: [] for key in VIEWFINDER}}
    for _ in range(repetitions):
        job = json.dumps([name, int(retrained), str(images), str(weights), epochs])
        done = subprocess.run([sys.executable, __file__, "--script", job], check=True, capture_output=True, text=True)
        found["script"].append(float(done.stdout))
        for key, settings in VIEWFINDER.items():
            found[key].append(viewfinder(name, int(retrained), images, weights, epochs, settings))
    return {key: statistics.median(values) for key, values in found.items()}


def main() -> None:
    """Measure all cases and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", default=CASES)
    parser.add_argument("--images", type=int, default=320)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--script", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.script:
        name, retrained, images, weights, epochs = json.loads(asked.script)
        sys.stdout.write(f"{script(name, retrained, Path(images), Path(weights), epochs)}\n")
        return
    with tempfile.TemporaryDirectory() as folder:
        write_images(Path(folder) / "images", asked.images)
        columns = ("script", *VIEWFINDER)
        sys.stdout.write(f"| model, retrained layers | {' | '.join(columns)} |\n| {' | '.join(['---'] * 5)} |\n")
        for case in asked.cases:
            found = measure(case, Path(folder) / "images", Path(folder), asked.repetitions, asked.epochs)
            cells = [f"{found[key]:.3g} ({found[key] / found['script']:.1f}×)" for key in columns]
            sys.stdout.write(f"| {case.replace(':', ', ')} | {' | '.join(cells)} |\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
