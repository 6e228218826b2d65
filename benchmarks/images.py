"""What benchmarks train on: JPEGs of coloured blotches, and weights whose batch norms have their statistics."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from PIL import Image, ImageDraw

from viewfinder import catalogue
from viewfinder.data import pixels, sources

CLASSES, SIDES, BOXES = 4, (650, 417), 3
COLOURS = ("red", "lime", "blue", "yellow")
TINT = 0.15  # of a class in its images, so that there is something to learn
HELD_OUT = 10  # every tenth image of a class, its first too, is not learned from


def classified(folder: Path, count: int, sides: tuple[int, int] = SIDES) -> None:
    """Write images in a folder for each class; those of a class have a tint of their own."""
    rng = np.random.default_rng(0)
    tints = [Image.new("RGB", sides, colour) for colour in COLOURS]
    for number in range(count):
        path = folder / f"class {number % CLASSES}" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.blend(_blotches(rng, sides), tints[number % CLASSES], TINT).save(path, quality=90)


def divided(source: Path, folder: Path) -> None:
    """Copy images that have a folder for each class into the folders `train` and `test`."""
    for kind in sorted(path for path in source.iterdir() if path.is_dir()):
        for number, file in enumerate(_files(kind)):
            target = folder / ("train" if number % HELD_OUT else "test") / kind.name / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)


def with_boxes(folder: Path, count: int) -> None:
    """Write images with coloured boxes, and a COCO file that tells where they are."""
    rng = np.random.default_rng(0)
    images: list[dict[str, Any]] = []
    boxes: list[dict[str, Any]] = []
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(1, count + 1):
        image = _blotches(rng)
        for place in range(BOXES):
            kind, (width, height) = int(rng.integers(CLASSES)), rng.integers(40, 160, 2)
            x, y = 200 * place + int(rng.integers(0, 40)), int(rng.integers(0, SIDES[1] - 160))
            box = [x, y, int(width), int(height)]
            ImageDraw.Draw(image).rectangle((x, y, x + box[2], y + box[3]), fill=COLOURS[kind])
            boxes.append({"id": len(boxes) + 1, "image_id": number, "category_id": kind + 1, "bbox": box})
        image.save(folder / f"{number}.jpg", quality=90)
        images.append({"id": number, "file_name": f"{number}.jpg", "width": SIDES[0], "height": SIDES[1]})
    _write_coco(folder, images, boxes, COLOURS)


def annotated(source: Path, folder: Path, count: int) -> None:
    """Copy some images of a detection dataset, and write a COCO file of their boxes."""
    dataset = sources.load(source, task="detection")
    kept = dataset.images.filter(pl.col("boxes") != "[]").sort("sha256")[:count]  # sorted: as good as drawn
    images: list[dict[str, Any]] = []
    boxes: list[dict[str, Any]] = []
    folder.mkdir(parents=True)
    for number, row in enumerate(kept.iter_rows(named=True), 1):
        file = dataset.path(row["image"])
        shutil.copy(file, folder / file.name)
        images.append({"id": number, "file_name": file.name, "width": row["width"], "height": row["height"]})
        for box in json.loads(row["boxes"]):
            kind = dataset.classes.index(box["category"]) + 1
            boxes.append({"id": len(boxes) + 1, "image_id": number, "category_id": kind, "bbox": box["bbox"]})
    _write_coco(folder, images, boxes, dataset.classes)


def _write_coco(
    folder: Path, images: list[dict[str, Any]], boxes: list[dict[str, Any]], classes: Sequence[str]
) -> None:
    kinds = [{"id": number + 1, "name": name} for number, name in enumerate(classes)]
    told = {"images": images, "annotations": boxes, "categories": kinds}
    (folder / "annotations.json").write_text(json.dumps(told), encoding="utf-8")


def _blotches(rng: np.random.Generator, sides: tuple[int, int] = SIDES) -> Image.Image:
    blotches = rng.integers(0, 256, (12, 18, 3), dtype=np.uint8)
    return Image.fromarray(blotches).resize(sides, Image.Resampling.BICUBIC)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in pixels.EXTENSIONS)


def weights(name: str, images: Path, path: Path, classes: int = CLASSES) -> None:
    """Write random weights for a model, with the statistics of some images: without, nothing comes through."""
    import torch
    from torch import nn

    from viewfinder.engine import build

    torch.manual_seed(0)
    row = catalogue.get(name)
    network = build.network(row, classes, "live").eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train().momentum = None
    files, count = _files(images), 32 if row.task == "classification" else 4
    files = files[:: -(-len(files) // count)]  # of every class
    side = min(row.input_size, 384)
    batch = torch.from_numpy(np.stack([pixels.square(file, side) for file in files])).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        (network if row.task == "classification" else network.get_submodule("backbone"))((batch - 0.5) / 0.25)
    torch.save(network.state_dict(), path)


def pretrained(name: str, path: Path, classes: int) -> None:
    """Write a model's published weights, with a random head; they must be on this machine, or to be had."""
    import torch

    from viewfinder import weights
    from viewfinder.engine import build

    torch.manual_seed(0)
    row = catalogue.get(name)
    network = build.network(row, classes, "live")
    build.load_pretrained(network, row, weights.find(row).path)
    torch.save(network.state_dict(), path)
