"""Looking at single images with models that are kept loaded."""

import json
from collections import OrderedDict
from pathlib import Path
from typing import Any

import polars as pl
import torch
from PIL import Image

from viewfinder.data import pixels
from viewfinder.engine.examples import Item
from viewfinder.engine.predict import Model
from viewfinder.errors import InputError, RunError
from viewfinder.messages import Message
from viewfinder.report.pictures import jpeg

MOST_MODELS = 3
MOST_PIXELS = 100_000_000
SHOWN_PX = 1280
Stamp = tuple[tuple[int, int], ...]


class Looking:
    """Answers `load` and `look`; the models asked for last stay loaded, until their files change."""

    def __init__(self) -> None:
        self._models: OrderedDict[str, tuple[Stamp, Model]] = OrderedDict()

    def load(self, request: Message, threads: int) -> Message:
        """Have the model of the folder `model` ready: loaded, and used once, because the first time takes longest."""
        self._model(request.head["model"]).judge([Item(Image.new("RGB", (64, 64)), "nothing")])
        return Message()

    def look(self, request: Message, threads: int) -> Message:
        """Return what the model of the folder `model` finds in an image, before any threshold, and the image as JPEG.

        The image is the request's blob, or the file `path`. The answer has `size` (width, height) and `boxes`, or
        `classes` with their probabilities, the most likely first. Raises InputError for an image that cannot be read.
        """
        content, name = request.blobs[0] if request.blobs else Path(request.head["path"]), request.head["name"]
        size = _size(content)
        judgement = self._model(request.head["model"]).judge([Item(content, name)])
        picture = None if judgement.unreadable else jpeg(content, (), SHOWN_PX)
        if picture is None:
            raise InputError(f"It cannot be read: {judgement.unreadable[0].error}.")
        found = _found(judgement.predictions)
        return Message({"size": size, "threads": torch.get_num_threads(), **found}, (picture,))

    def _model(self, name: str) -> Model:
        folder = Path(name)
        stamp = _stamp(folder)
        if name not in self._models or self._models[name][0] != stamp:
            self._models[name] = stamp, Model(folder)
        self._models.move_to_end(name)
        while len(self._models) > MOST_MODELS:
            self._models.popitem(last=False)
        return self._models[name][1]


def _stamp(folder: Path) -> Stamp:
    """Return what tells a model's files from those that replace them."""
    try:
        stats = [(folder / name).stat() for name in ("model.json", "model.safetensors")]
    except OSError as error:
        raise RunError(f"There is no model in '{folder}': {error.strerror or error}.") from None
    return tuple((stat.st_mtime_ns, stat.st_size) for stat in stats)


def _size(content: bytes | Path) -> tuple[int, int]:
    """Return (width, height) of the upright image without decoding it; raise InputError for too large a one."""
    try:
        upright = pixels.upright_size(content)
    except pixels.UnreadableImage as error:
        raise InputError(f"It cannot be read: {error.reason}.") from None
    if upright[0] * upright[1] > MOST_PIXELS:
        raise InputError(f"It has {upright[0]} × {upright[1]} pixels; {MOST_PIXELS // 10**6} million are the most.")
    return upright


def _found(predictions: pl.DataFrame) -> dict[str, Any]:
    row = predictions.row(0, named=True)
    if "boxes" in row:
        return {"boxes": json.loads(row["boxes"])}
    classes = {name.removeprefix("proba_"): value for name, value in row.items() if name.startswith("proba_")}
    ranked = sorted(classes.items(), key=lambda one: -one[1])
    return {"classes": [{"name": name, "probability": value} for name, value in ranked]}
