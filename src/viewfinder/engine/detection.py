"""Object detection: boxes with a class, Faster R-CNN's four losses."""

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN

from viewfinder.catalogue import Model
from viewfinder.design import Design
from viewfinder.engine.examples import Example, Item, Recipe, absolute
from viewfinder.engine.task import Batch, as_tensors, digests
from viewfinder.engine.transfer import send
from viewfinder.metrics import detection as metrics

LONGEST_TO_SHORTEST = 1333 / 800  # torchvision's limits for Faster R-CNN, kept at every input size
DECIMALS = 6


class Detection:
    """Turns images with boxes into losses, and detections into boxes in pixels of the original image."""

    keep_statistics = True
    judged_together = 1
    judged_as_trained = True

    def __init__(self, row: Model, input_size: int, classes: Sequence[str], device: torch.device) -> None:
        self.row, self.input_size, self.classes, self.device = row, input_size, list(classes), device

    def recipe(self, design: Design | None = None) -> Recipe:
        """Return how images are loaded: at the short side, their aspect kept."""
        red, green, blue = (round(255 * value) for value in self.row.mean)
        augmentation, seed = (design.augmentation, design.runtime.seed) if design else (None, 0)
        longest = round(self.input_size * LONGEST_TO_SHORTEST)
        return Recipe(self.input_size, longest, augmentation, seed, (red, green, blue))

    def items(self, root: Path, rows: pl.DataFrame) -> list[Item]:
        """Return the rows as items; without a column `boxes` they are not known."""
        if "boxes" not in rows.columns:
            return [Item(absolute(root, image), image, number=place) for place, image in enumerate(rows["image"])]
        number = {name: i for i, name in enumerate(self.classes)}
        items = []
        for place, (image, text, sha256) in enumerate(zip(rows["image"], rows["boxes"], digests(rows), strict=True)):
            boxes = [box for box in json.loads(text) if box["category"] in number]
            corners = tuple((x, y, x + w, y + h) for x, y, w, h in (box["bbox"] for box in boxes))
            items.append(
                Item(absolute(root, image), image, tuple(number[b["category"]] for b in boxes), corners, place, sha256)
            )
        return items

    def labelled(self, image: Image.Image) -> Item:
        """Return an image without objects."""
        return Item(image, "", (), ())

    def balance(self, items: Sequence[Item]) -> None:
        """Refuse: the task's row says that its loss cannot weigh classes."""
        raise ValueError("detection cannot weigh classes")

    def batch(self, examples: Sequence[Example]) -> Batch:
        """Return images float [3, H, W] in 0 … 1, and torchvision's targets: boxes [n, 4], labels [n] from 1.

        Where boxes are not known there are no targets.
        """
        images = as_tensors(examples, self.row, self.device)
        targets = [
            {
                "boxes": send(example.boxes.astype(np.float32), self.device).reshape(-1, 4),
                "labels": send(example.classes + 1, self.device),
            }
            for example in examples
        ]
        known = all(example.item.boxes is not None for example in examples)
        return Batch(images, targets if known else None, [example.original_size for example in examples])

    def loss(self, network: nn.Module, batch: Batch) -> dict[str, Any]:
        """Return the sum of the losses of RPN and box head, and each of them."""
        losses: dict[str, Tensor] = network(batch.images, batch.targets)
        return {"loss": torch.stack([loss.float() for loss in losses.values()]).sum(), "output": losses}

    def weight(self, batch: Batch) -> float:
        """Return the number of images."""
        return len(batch.sizes)

    def judge(self, network: nn.Module, batch: Batch) -> tuple[float, list[Any]]:
        """Return the loss and each image's detections, over one pass through the backbone.

        The samplers of RPN and box head, which choose what the loss is taken over, are seeded.
        """
        assert isinstance(network, FasterRCNN)
        images, targets = network.transform(batch.images, batch.targets)
        features = network.backbone(images.tensors)
        proposals, _ = network.rpn(images, features)
        found, _ = network.roi_heads(features, proposals, images.image_sizes)
        sizes = [(height, width) for width, height in batch.sizes]
        found = network.transform.postprocess(found, images.image_sizes, sizes)
        outputs = [self._boxes(one) for one in found]
        if batch.targets is None:
            return math.nan, outputs
        with _heads_in_train_mode(network), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            proposals, rpn_losses = network.rpn(images, features, targets)
            _, box_losses = network.roi_heads(features, proposals, images.image_sizes, targets)
        loss = sum(float(value) for value in (*rpn_losses.values(), *box_losses.values()))
        return loss, outputs

    def _boxes(self, found: dict[str, Tensor]) -> list[dict[str, Any]]:
        return [
            {
                "bbox": [round(v, DECIMALS) for v in (x0, y0, x1 - x0, y1 - y0)],
                "category": self.classes[label - 1],
                "confidence": round(score, DECIMALS),
            }
            for (x0, y0, x1, y1), label, score in zip(
                found["boxes"].tolist(), found["labels"].tolist(), found["scores"].tolist(), strict=True
            )
        ]

    def table(self, names: Sequence[str], outputs: Sequence[Any]) -> pl.DataFrame:
        """Return image and boxes, as JSON."""
        texts = [json.dumps(boxes, ensure_ascii=False) for boxes in outputs]
        return pl.DataFrame({"image": list(names), "boxes": texts}, schema={"image": pl.String, "boxes": pl.String})

    def measure(self, rows: pl.DataFrame, predictions: pl.DataFrame, threshold: float | None) -> dict[str, Any]:
        """Return the measures of the predictions against the rows' boxes; threshold None: the best one is chosen."""
        truth = dict(zip(rows["image"], rows["boxes"], strict=True))
        true_boxes = [json.loads(truth[image]) for image in predictions["image"]]
        predicted = [json.loads(text) for text in predictions["boxes"]]
        return metrics.measure(true_boxes, predicted, self.classes, threshold)


@contextmanager
def _heads_in_train_mode(network: FasterRCNN) -> Iterator[None]:
    """Make RPN and box head return losses; neither holds batch norms or dropout that this would disturb."""
    network.rpn.train()
    network.roi_heads.train()
    try:
        yield
    finally:
        network.rpn.eval()
        network.roi_heads.eval()
