"""Training scripts as torchvision's tutorials teach them: `python benchmarks/scripts.py JSON` prints images/s.

The JSON has `name`, `retrained`, `images`, `weights`, `epochs`, `batch` and `size`, the network's input.
"""

import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from images import CLASSES
from torch import Tensor, nn, optim
from torch.utils.data import DataLoader, Dataset
from torchvision import tv_tensors
from torchvision.datasets import ImageFolder
from torchvision.io import decode_image
from torchvision.models.detection import fasterrcnn_resnet50_fpn
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor
from torchvision.ops import FrozenBatchNorm2d
from torchvision.transforms import v2

from viewfinder import catalogue
from viewfinder.engine import build, layers

WORKERS = max(1, len(os.sched_getaffinity(0)) - 1) if hasattr(os, "sched_getaffinity") else 1
CHANGES = [v2.RandomHorizontalFlip(), v2.RandomRotation(15), v2.ColorJitter(0.2, 0.2, 0.0, 0.05)]


def classifier(job: dict[str, Any]) -> float:
    """Train a classifier: the whole network in train mode, frozen layers merely without gradients."""
    row, size = catalogue.get(job["name"]), job["size"]
    crop = v2.RandomResizedCrop((size, size), scale=(0.75, 1.0), ratio=(1.0, 1.0))
    scaled = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(row.mean, row.std)]
    images = ImageFolder(job["images"], v2.Compose([crop, *CHANGES, *scaled]))
    network = build.network(row, CLASSES, "live").to(memory_format=torch.contiguous_format)
    for module in list(network.modules()):  # as torchvision has them
        for name, child in module.named_children():
            if isinstance(child, layers.GlobalAverage):
                setattr(module, name, nn.AdaptiveAvgPool2d(1))
    network.load_state_dict(torch.load(job["weights"], weights_only=True), strict=False)
    layers.freeze(network, row, job["retrained"])
    optimizer = optim.Adam([p for p in network.parameters() if p.requires_grad], 1e-3)
    loss = nn.CrossEntropyLoss()
    loader = DataLoader(images, job["batch"], shuffle=True, num_workers=WORKERS)
    return _trained(network, optimizer, loader, job["epochs"], lambda batch: loss(network(batch[0]), batch[1]))


class Annotated(Dataset[Any]):
    """A folder with a COCO file."""

    def __init__(self, folder: Path) -> None:
        self.folder, told = folder, json.loads((folder / "annotations.json").read_text())
        self.images, self.boxes = told["images"], told["annotations"]
        self.change = v2.Compose([*CHANGES, v2.ToDtype(torch.float32, scale=True)])

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, number: int) -> Any:
        image = self.images[number]
        mine = [box for box in self.boxes if box["image_id"] == image["id"]]
        size = (image["height"], image["width"])
        boxes = tv_tensors.BoundingBoxes([box["bbox"] for box in mine], format="XYWH", canvas_size=size)
        corners = v2.ConvertBoundingBoxFormat("XYXY")(boxes)
        target = {"boxes": corners, "labels": torch.tensor([box["category_id"] for box in mine])}
        return self.change(tv_tensors.Image(decode_image(str(self.folder / image["file_name"]))), target)


def detector(job: dict[str, Any]) -> float:
    """Fine-tune torchvision's Faster R-CNN."""
    network = fasterrcnn_resnet50_fpn(
        weights=None, weights_backbone=None, trainable_backbone_layers=job["retrained"],
        min_size=job["size"], max_size=round(job["size"] * 1333 / 800),
    )  # fmt: skip
    network.backbone = resnet_fpn_backbone(  # as with pretrained weights, whose batch norms stay frozen
        backbone_name="resnet50", weights=None, norm_layer=FrozenBatchNorm2d, trainable_layers=job["retrained"]
    )
    inputs = network.roi_heads.box_predictor.cls_score.in_features
    network.roi_heads.box_predictor = FastRCNNPredictor(inputs, CLASSES + 1)
    network.load_state_dict(torch.load(job["weights"], weights_only=True), strict=False)
    optimizer = optim.SGD([p for p in network.parameters() if p.requires_grad], 1e-4, momentum=0.9)
    loader = DataLoader(
        Annotated(Path(job["images"])), job["batch"], shuffle=True, num_workers=WORKERS, collate_fn=_transposed
    )

    def loss(batch: tuple[list[Tensor], list[dict[str, Tensor]]]) -> Tensor:
        return torch.stack(list(network(*batch).values())).sum()

    return _trained(network, optimizer, loader, job["epochs"], loss)


def _transposed(batch: Iterable[tuple[Any, Any]]) -> tuple[Any, ...]:
    return tuple(zip(*batch, strict=True))


def _trained(
    network: nn.Module, optimizer: optim.Optimizer, loader: DataLoader[Any], epochs: int, loss: Callable[[Any], Tensor]
) -> float:
    """Train for some epochs; return images/s of those after the first."""
    network.train()
    count, began = 0, 0.0
    for epoch in range(epochs):
        if epoch == 1:
            began = time.perf_counter()
        for batch in loader:
            optimizer.zero_grad()
            loss(batch).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            count += len(batch[0]) if epoch else 0
    return count / (time.perf_counter() - began)


def main() -> None:
    """Run the script of the job's model."""
    warnings.simplefilter("ignore")
    job = json.loads(sys.argv[1])
    script = classifier if catalogue.get(job["name"]).task == "classification" else detector
    sys.stdout.write(f"{script(job)}\n")


if __name__ == "__main__":
    main()
