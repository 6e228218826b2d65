"""Previews of augmentation: an image as the trainer would see it in its first epochs, and the most that can happen."""

import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from PIL import Image

from viewfinder import catalogue, design_file
from viewfinder.data import pixels
from viewfinder.design import Affine, Augmentation, Color, Crop, Design, resolve
from viewfinder.engine.augment import Boxes, View, cut, flipped, resized, rotated, tinted
from viewfinder.engine.examples import Item, Recipe, whole_view
from viewfinder.engine.task import engine_of
from viewfinder.errors import InputError
from viewfinder.messages import Message
from viewfinder.report.pictures import encoded

SHOWN_PX = 280
EPOCHS = 6


@dataclass(frozen=True)
class Picture:
    """An image at the size that the network takes, its boxes, and the number of each box's class."""

    name: str
    image: Image.Image
    boxes: Boxes
    classes: NDArray[np.int64]

    def jpeg(self, names: Sequence[str]) -> bytes:
        """Return it, small, with its boxes drawn."""
        boxes = [
            {"bbox": (x, y, right - x, bottom - y), "kind": "right", "label": names[number]}
            for (x, y, right, bottom), number in zip(self.boxes.tolist(), self.classes.tolist(), strict=False)
        ]
        return encoded(self.image, boxes, SHOWN_PX)


class Previews:
    """Answers `previews`; keeps the last image open, because usually only a setting has changed."""

    def __init__(self) -> None:
        self._key: tuple[object, ...] = ()
        self._image: Image.Image | None = None

    def answer(self, request: Message, threads: int) -> Message:
        """Return JPEGs, and in `shown` the name of each: original, color, affine, crop, and six times example.

        The request has a design, the dataset's `root` and `classes`, and `image`: its row of the index. Raises
        InputError when the image cannot be read any more.
        """
        design, item, recipe = trained_on(request.head)
        image = self._open(item, recipe)
        with ThreadPoolExecutor(threads) as pool:
            pictures = [
                *strongest(image, item, recipe, design.augmentation),
                *pool.map(lambda epoch: example(image, item, recipe, epoch), range(1, EPOCHS + 1)),
            ]
            blobs = tuple(pool.map(lambda picture: picture.jpeg(request.head["classes"]), pictures))
        return Message({"shown": [picture.name for picture in pictures]}, blobs)

    def _open(self, item: Item, recipe: Recipe) -> Image.Image:
        key = (item.path, recipe.size_px)
        if self._image is None or key != self._key:
            try:
                self._image, self._key = recipe.open(item), key
            except pixels.UnreadableImage as error:
                raise InputError(f"'{item.name}' cannot be read any more: {error.reason}.") from None
        return self._image


def trained_on(head: Mapping[str, Any]) -> tuple[Design, Item, Recipe]:
    """Return a request's design, and its image and recipe as a trainer of that design would have them."""
    design = resolve(design_file.parse(head["design"]))
    row = catalogue.get(design.training.model)
    task = engine_of(design.task)(row, int(design.training.input_size), head["classes"], torch.device("cpu"))
    item = task.items(Path(head["root"]), pl.DataFrame([head["image"]]))[0]
    return design, item, task.recipe(design)


def example(image: Image.Image, item: Item, recipe: Recipe, epoch: int) -> Picture:
    """Return the image as the trainer sees it in an epoch."""
    seen = recipe.example(image, item, epoch)
    return Picture("example", Image.fromarray(seen.pixels), seen.boxes, seen.classes)


def strongest(image: Image.Image, item: Item, recipe: Recipe, augmentation: Augmentation) -> Iterator[Picture]:
    """Yield the image as it is, and, for each enabled category, changed as much as its settings allow."""
    whole, classes = whole_view(image, item), np.array(item.classes, np.int64)
    view = resized(whole, recipe.resize)
    color, affine, crop = augmentation.color, augmentation.affine, augmentation.crop
    named = [("original", view)]
    named += [("color", one) for one in _colors(view, color) if color.enabled]
    named += [("affine", one) for one in _turns(view, affine, recipe.fill) if affine.enabled]
    named += [("crop", resized(_centre(whole, crop), recipe.resize))] if crop.enabled else []
    for name, one in named:
        yield Picture(name, one.image, one.boxes, classes[one.kept])


def _colors(view: View, color: Color) -> Iterator[View]:
    for way in (1, -1):
        image = tinted(view.image, 1 + way * color.brightness, 1 + way * color.contrast, way * color.hue)
        yield View(image, view.boxes, view.kept)


def _turns(view: View, affine: Affine, fill: tuple[int, int, int]) -> Iterator[View]:
    """Yield the view turned to the left, and, with every flip that may happen, to the right."""
    angle = affine.max_rotation if affine.rotate else 0.0
    if angle:
        yield rotated(view, angle, fill)
    if affine.horizontal_flip:
        view = flipped(view, horizontal=True)
    if affine.vertical_flip:
        view = flipped(view, horizontal=False)
    if angle or affine.horizontal_flip or affine.vertical_flip:
        yield rotated(view, -angle, fill) if angle else view


def _centre(view: View, crop: Crop) -> View:
    side = math.sqrt(crop.min_kept_ratio)
    width, height = view.image.size
    w, h = max(1, round(width * side)), max(1, round(height * side))
    x, y = (width - w) // 2, (height - h) // 2
    return cut(view, (x, y, x + w, y + h))
