"""What the loop asks of a task: examples into a batch, a batch into a loss, outputs into predictions and metrics."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import polars as pl
import torch
from PIL import Image
from torch import Tensor, nn

from viewfinder import tasks
from viewfinder.catalogue import Model
from viewfinder.design import Design
from viewfinder.engine.examples import Example, Item, Recipe
from viewfinder.engine.transfer import send
from viewfinder.engine.warp import warped


@dataclass(frozen=True)
class Batch:
    """Images as the network's input, and targets in the task's own form."""

    images: Any
    targets: Any
    sizes: list[tuple[int, int]]

    def parts(self, most: int) -> list["Batch"]:
        """Return the batch in parts of at most `most` images."""
        if len(self.sizes) <= most:
            return [self]
        places = [slice(start, start + most) for start in range(0, len(self.sizes), most)]
        return [
            Batch(self.images[place], None if self.targets is None else self.targets[place], self.sizes[place])
            for place in places
        ]


class TaskEngine(Protocol):
    """One for each row of `viewfinder.tasks`.

    `keep_statistics`: pretrained backbone batch norms keep theirs. `judged_together`: how many images are judged at a
    time; no result depends on an image's neighbours. `judged_as_trained`: images are judged in the precision and by
    the engine of the training, otherwise in fp32.
    """

    keep_statistics: bool
    judged_together: int
    judged_as_trained: bool
    device: torch.device

    def __init__(self, row: Model, input_size: int, classes: Sequence[str], device: torch.device) -> None: ...

    def recipe(self, design: Design | None = None) -> Recipe:
        """Return how images are loaded: augmented as the design says, or, without one, as they are."""

    def items(self, root: Path, rows: pl.DataFrame) -> list[Item]:
        """Return the rows of split.parquet as items to load."""

    def labelled(self, image: Image.Image) -> Item:
        """Return an image as an item to learn from, whatever it shows."""

    def balance(self, items: Sequence[Item]) -> None:
        """Weigh the classes in the loss by their rarity among the items."""

    def batch(self, examples: Sequence[Example]) -> Batch:
        """Return examples as the network's input, on the device."""

    def loss(self, network: nn.Module, batch: Batch) -> dict[str, Any]:
        """Return {"loss": the mean loss of the batch, "output": what the network said}."""

    def weight(self, batch: Batch) -> float:
        """Return how much a batch counts beside others: what its mean loss is a mean over."""

    def judge(self, network: nn.Module, batch: Batch) -> tuple[float, list[Any]]:
        """Return the mean loss of a batch (NaN without targets) and its predictions; the network is in eval mode."""

    def table(self, names: Sequence[str], outputs: Sequence[Any]) -> pl.DataFrame:
        """Return predictions in the form of predictions.parquet."""

    def measure(self, rows: pl.DataFrame, predictions: pl.DataFrame, threshold: float | None) -> dict[str, Any]:
        """Return the task's measures of predictions against the rows of split.parquet."""


def engine_of(task: str) -> type[TaskEngine]:
    """Return the engine that the task's row names."""
    module, _, name = tasks.get(task).engine.partition(":")
    return cast(type[TaskEngine], getattr(import_module(module), name))


def digests(rows: pl.DataFrame) -> list[str]:
    """Return the SHA-256 of each image's file, as it was imported; "" where a run of an earlier version tells none."""
    return rows["sha256"].fill_null("").to_list() if "sha256" in rows.columns else [""] * len(rows)


def as_tensors(examples: Sequence[Example], row: Model, device: torch.device) -> list[Tensor]:
    """Return the images as float [3, H, W] in 0 … 1, each at the size that the network takes, after what is pending."""
    if examples[0].pending is None:
        return [_scaled(send(example.pixels, device).permute(2, 0, 1).float()) for example in examples]
    together, sizes = _warped(examples, row, device), [example.pending.size for example in examples if example.pending]
    return [image[:, :height, :width] for image, (width, height) in zip(together, sizes, strict=True)]


def as_tensor(examples: Sequence[Example], row: Model, device: torch.device) -> Tensor:
    """Return images that a network takes at one size as float [n, 3, S, S] in 0 … 1."""
    if examples[0].pending is None:
        together = np.stack([example.pixels for example in examples])
        return _scaled(send(together, device).permute(0, 3, 1, 2).float())
    return _warped(examples, row, device)


def _warped(examples: Sequence[Example], row: Model, device: torch.device) -> Tensor:
    pending = [example.pending for example in examples if example.pending]
    fill = [round(255 * value) for value in row.mean]
    return _scaled(warped([example.pixels for example in examples], pending, fill, device))


def _scaled(images: Tensor) -> Tensor:
    return images.div_(255)
