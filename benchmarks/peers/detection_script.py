"""Fine-tuning of Faster R-CNN as torchvision's tutorial teaches it."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import nn, optim
from torch.utils.data import DataLoader, Dataset
from torchvision import tv_tensors
from torchvision.io import decode_image
from torchvision.models.detection import fasterrcnn_resnet50_fpn
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor
from torchvision.ops import FrozenBatchNorm2d
from torchvision.transforms import v2

from peers.job import DEGREES, HUE, LIGHT, WORKERS, Job, Stopwatch


class Annotated(Dataset[Any]):
    """A folder with a COCO file."""

    def __init__(self, folder: Path, augmented: bool) -> None:
        self.folder, told = folder, json.loads((folder / "annotations.json").read_text(encoding="utf-8"))
        self.images, self.boxes = told["images"], told["annotations"]
        changes = [v2.RandomHorizontalFlip(), v2.RandomRotation(DEGREES), v2.ColorJitter(LIGHT, LIGHT, 0.0, HUE)]
        tidy = [v2.ToDtype(torch.float32, scale=True), v2.ClampBoundingBoxes(), v2.SanitizeBoundingBoxes()]
        self.change = v2.Compose([*(changes if augmented else []), *tidy])

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


def network_of(job: Job) -> nn.Module:
    """Return torchvision's network with the job's weights."""
    network = fasterrcnn_resnet50_fpn(
        weights=None, weights_backbone=None, trainable_backbone_layers=job.retrained,
        min_size=job.size, max_size=round(job.size * 1333 / 800),
    )  # fmt: skip
    network.backbone = resnet_fpn_backbone(  # as with pretrained weights, whose batch norms stay frozen
        backbone_name="resnet50", weights=None, norm_layer=FrozenBatchNorm2d, trainable_layers=job.retrained
    )
    inputs = network.roi_heads.box_predictor.cls_score.in_features
    network.roi_heads.box_predictor = FastRCNNPredictor(inputs, job.classes + 1)
    network.load_state_dict(torch.load(job.weights, weights_only=True), strict=False)
    found: nn.Module = network
    return found


def train(job: Job) -> dict[str, float | None]:
    """Train torchvision's Faster R-CNN."""
    network, images, watch = network_of(job), Annotated(Path(job.images), job.augmented), Stopwatch()
    optimizer = optim.SGD([p for p in network.parameters() if p.requires_grad], 1e-4, momentum=0.9)
    loader = DataLoader(images, job.batch, shuffle=True, num_workers=WORKERS, collate_fn=_transposed)
    network.train()
    for _ in range(job.epochs):
        watch.begin()
        for batch, targets in loader:
            optimizer.zero_grad()
            sum(network(batch, targets).values(), torch.zeros(())).backward()
            optimizer.step()
        watch.end(len(images))
    return watch.figures()


def _transposed(batch: Iterable[tuple[Any, Any]]) -> tuple[Any, ...]:
    return tuple(zip(*batch, strict=True))
