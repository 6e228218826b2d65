"""Image classification: one class an image, cross-entropy."""

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from viewfinder.catalogue import Model
from viewfinder.design import Design
from viewfinder.engine.examples import Example, Item, Recipe, absolute
from viewfinder.engine.task import Batch, as_tensor, digests
from viewfinder.engine.transfer import send
from viewfinder.metrics import classification as metrics


class Classification:
    """Turns images with a class into a loss, and logits into probabilities."""

    keep_statistics = False
    judged_as_trained = False
    judged_together = 32

    def __init__(self, row: Model, input_size: int, classes: Sequence[str], device: torch.device) -> None:
        self.row, self.input_size, self.classes, self.device = row, input_size, list(classes), device
        self.class_weights: Tensor | None = None
        self._mean = torch.tensor(row.mean, device=device).view(1, 3, 1, 1)
        self._std = torch.tensor(row.std, device=device).view(1, 3, 1, 1)

    def recipe(self, design: Design | None = None) -> Recipe:
        """Return how images are loaded: stretched to a square."""
        red, green, blue = (round(255 * value) for value in self.row.mean)
        augmentation, seed = (design.augmentation, design.runtime.seed) if design else (None, 0)
        return Recipe(self.input_size, None, augmentation, seed, (red, green, blue))

    def items(self, root: Path, rows: pl.DataFrame) -> list[Item]:
        """Return the rows as items; a row without `label` has no class."""
        number = {name: i for i, name in enumerate(self.classes)}
        labels = rows["label"].to_list() if "label" in rows.columns else [None] * len(rows)
        return [
            Item(absolute(root, image), image, (number[label],) if label in number else (), None, place, sha256)
            for place, (image, label, sha256) in enumerate(zip(rows["image"], labels, digests(rows), strict=True))
        ]

    def labelled(self, image: Image.Image) -> Item:
        """Return an image of the first class."""
        return Item(image, "", (0,))

    def balance(self, items: Sequence[Item]) -> None:
        """Weigh each class by images / (classes × its images), as scikit-learn's "balanced" does."""
        counts = Counter(item.classes[0] for item in items)
        weights = [len(items) / (len(counts) * counts[i]) if counts[i] else 0.0 for i in range(len(self.classes))]
        self.class_weights = torch.tensor(weights, dtype=torch.float32, device=self.device)

    def batch(self, examples: Sequence[Example]) -> Batch:
        """Return float [n, 3, S, S], normalised, or features, and classes int64 [n] (None where they are not known)."""
        images = self._features(examples) if examples[0].features is not None else self._images(examples)
        known = all(len(example.classes) for example in examples)
        targets = send(np.array([e.classes[0] for e in examples], np.int64), self.device) if known else None
        return Batch(images, targets, [example.original_size for example in examples])

    def _images(self, examples: Sequence[Example]) -> Tensor:
        images = as_tensor(examples, self.row, self.device)
        return ((images - self._mean) / self._std).contiguous(memory_format=torch.channels_last)

    def _features(self, examples: Sequence[Example]) -> Tensor:
        """Return features [n, C, H, W], channels last in memory."""
        stacked = send(np.stack([e.features for e in examples if e.features is not None]), self.device)
        values = stacked.view(torch.bfloat16) if stacked.dtype == torch.uint16 else stacked
        return values.permute(0, 3, 1, 2)

    def loss(self, network: nn.Module, batch: Batch) -> dict[str, Any]:
        """Return the cross-entropy, weighted if classes are balanced, and the logits [n, classes]."""
        logits = network(batch.images)
        return {"loss": F.cross_entropy(logits.float(), batch.targets, self.class_weights), "output": logits}

    def weight(self, batch: Batch) -> float:
        """Return the number of images, or the sum of the weights of their classes."""
        return len(batch.sizes) if self.class_weights is None else float(self.class_weights[batch.targets].sum())

    def judge(self, network: nn.Module, batch: Batch) -> tuple[float, list[Any]]:
        """Return the mean cross-entropy and each image's probabilities."""
        logits = network(batch.images).float()
        loss = math.nan if batch.targets is None else float(F.cross_entropy(logits, batch.targets))
        return loss, list(logits.double().softmax(dim=1).cpu().numpy())

    def table(self, names: Sequence[str], outputs: Sequence[Any]) -> pl.DataFrame:
        """Return image, prediction and a column of probabilities for every class."""
        proba = np.array(outputs, np.float64).reshape(-1, len(self.classes))
        predicted = [self.classes[int(i)] for i in proba.argmax(axis=1)] if len(proba) else []
        columns = {f"proba_{name}": proba[:, i] for i, name in enumerate(self.classes)}
        strings = {"image": list(names), "prediction": predicted}
        return pl.DataFrame({**strings, **columns}, schema_overrides=dict.fromkeys(strings, pl.String))

    def measure(self, rows: pl.DataFrame, predictions: pl.DataFrame, threshold: float | None) -> dict[str, Any]:
        """Return the measures of the predictions against the rows' labels."""
        labels = dict(zip(rows["image"], rows["label"], strict=True))
        truth = np.array([self.classes.index(labels[image]) for image in predictions["image"]], np.int64)
        proba = predictions.select(f"proba_{name}" for name in self.classes).to_numpy()
        return metrics.measure(truth, proba, self.classes)
