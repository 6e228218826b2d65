"""What every training script is given, and how it is measured: the same for all."""

import os
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from viewfinder import catalogue
from viewfinder.engine import build, layers

WORKERS = max(1, len(os.sched_getaffinity(0)) - 1) if hasattr(os, "sched_getaffinity") else 1
RATE = 1e-3  # of Adam
LEAST_AREA, DEGREES, LIGHT, HUE = 0.75, 15, 0.2, 0.05  # Viewfinder's ranges of augmentation


@dataclass(frozen=True)
class Job:
    """A training: `images` has a folder `train` and a folder `test` of images in a folder for each class."""

    name: str
    retrained: int
    images: str
    weights: str
    epochs: int
    batch: int
    size: int
    classes: int
    augmented: bool = True

    @property
    def row(self) -> catalogue.Model:
        """The model's row of the catalogue."""
        return catalogue.get(self.name)

    def network(self) -> nn.Module:
        """Return the network with its weights; frozen layers are merely without gradients."""
        network = as_published(build.network(self.row, self.classes, "live")).train()
        network.load_state_dict(torch.load(self.weights, weights_only=True), strict=False)
        layers.freeze(network, self.row, self.retrained)
        return network

    @cached_property
    def training_images(self) -> ImageFolder:
        """The images that are learned from, as tensors that the network takes."""
        crop = v2.RandomResizedCrop((self.size, self.size), scale=(LEAST_AREA, 1.0))
        changes = [crop, v2.RandomHorizontalFlip(), v2.RandomRotation(DEGREES), v2.ColorJitter(LIGHT, LIGHT, 0.0, HUE)]
        return self._folder("train", changes if self.augmented else [v2.Resize((self.size, self.size))])

    def accuracy(self, network: nn.Module) -> float:
        """Return the share of the images in `test` that the network, put in eval mode, takes for what they are."""
        images, right = self._folder("test", [v2.Resize((self.size, self.size))]), 0
        network.eval()
        with torch.inference_mode():
            for batch, labels in DataLoader(images, self.batch, num_workers=WORKERS):
                right += int((network(batch).argmax(1) == labels).sum())
        return right / len(images)

    def _folder(self, part: str, changes: list[Any]) -> ImageFolder:
        scaled = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(self.row.mean, self.row.std)]
        return ImageFolder(Path(self.images) / part, v2.Compose([*changes, *scaled]))


def as_published(network: nn.Module) -> nn.Module:
    """Return a network of Viewfinder as others have it: channels first in memory, and the pooling of torchvision."""
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, layers.GlobalAverage):
                setattr(module, name, nn.AdaptiveAvgPool2d(1))
    return network.to(memory_format=torch.contiguous_format)


def loss_of(network: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Return the mean cross-entropy."""
    return nn.functional.cross_entropy(network(images), labels)


class Stopwatch:
    """Times the steps of the epochs after the first, loading of their images included."""

    def __init__(self) -> None:
        self._epoch, self._images, self._seconds, self._began = 0, 0, 0.0, 0.0

    def begin(self) -> None:
        """Begin an epoch."""
        self._began = time.perf_counter()

    def end(self, images: int) -> None:
        """End an epoch, in which so many images were learned from."""
        self._epoch += 1
        if self._epoch > 1:
            self._images += images
            self._seconds += time.perf_counter() - self._began

    def figures(self, accuracy: float | None = None) -> dict[str, float | None]:
        """Return what is told of a training."""
        return {"images_per_second": self._images / self._seconds, "accuracy": accuracy}
