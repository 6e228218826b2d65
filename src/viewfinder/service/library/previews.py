"""Previews of augmentation: what a design's trainer would make of an image, asked of the warm engine."""

from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from viewfinder.data import split
from viewfinder.data.dataset import Dataset as Index
from viewfinder.design import Design, require_classes
from viewfinder.errors import InputError
from viewfinder.messages import Message
from viewfinder.service.library.library import Library

DEADLINE_S = 10.0


@dataclass(frozen=True)
class Shown:
    """The digests of pictures in `library.pictures`.

    `examples` are what the trainer sees in its first epochs; `strongest` has, for each enabled category, the most that
    can happen.
    """

    original: str
    examples: tuple[str, ...]
    strongest: dict[str, tuple[str, ...]]


class Examples:
    """The training images of a dataset in a mixed order, one of which is looked at."""

    def __init__(self, index: Index, design: Design) -> None:
        self.classes = require_classes(design, index.classes)
        data = index.select(self.classes) if self.classes != index.classes else index
        wanted = design.split
        images = split.assign(
            data, test_ratio=wanted.test_ratio, validation_ratio=wanted.validation_ratio, stratify=wanted.stratify,
            seed=wanted.seed,
        ).filter(pl.col("split") == "train")  # fmt: skip
        self.root, self.column = index.root, index.target.column
        labelled = images.filter(pl.col(self.column) != "[]")
        self.images = labelled if labelled.height else images
        self._order = np.random.default_rng(0).permutation(self.images.height)

    def row(self, number: int) -> dict[str, Any]:
        """Return the image of a number as a row of the index; after the last one comes the first."""
        if not len(self._order):
            raise InputError("There is no image to train on.")
        return self.images.select("image", self.column).row(int(self._order[number % len(self._order)]), named=True)

    def ask(self, library: Library, client: str, design: Design, number: int) -> "Future[Message]":
        """Ask for the pictures of an image; of each client only the latest question is answered."""
        given = {
            "design": design.model_dump(mode="json"),
            "root": self.root.as_posix(),
            "classes": list(self.classes),
            "image": self.row(number),
        }
        return library.warm.ask(client, "previews", given, deadline_s=DEADLINE_S)


def kept(library: Library, answer: Message) -> Shown:
    """Keep the pictures of an answer to be shown."""
    by_name: dict[str, list[str]] = {}
    for name, content in zip(answer.head["shown"], answer.blobs, strict=True):
        by_name.setdefault(name, []).append(library.pictures.keep(content))
    (original,), examples = by_name.pop("original"), by_name.pop("example")
    return Shown(original, tuple(examples), {name: tuple(digests) for name, digests in by_name.items()})
