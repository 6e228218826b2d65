"""Faster R-CNN (Ren et al., 2015) with a feature pyramid (Lin et al., 2017), as torchvision builds it.

Images come at their final size: torchvision's own resizing is switched off, because decode-and-resize is one function
for training, evaluation and prediction.
"""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.rpn import AnchorGenerator
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.ops import FeaturePyramidNetwork, FrozenBatchNorm2d
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from viewfinder.catalogue import Model
from viewfinder.engine import lite0
from viewfinder.engine.layers import channels_last
from viewfinder.engine.pooling import PyramidPool
from viewfinder.engine.sparse import SparseGradConv2d

MIN_CONFIDENCE = 0.01
MAX_DETECTIONS = 100


class Normalise(GeneralizedRCNNTransform):  # type: ignore[misc]  # torchvision is not typed
    """Normalises and pads images that already have their final size; boxes come back in the original's pixels."""

    def __init__(self, row: Model) -> None:
        super().__init__(row.input_size, row.input_size, row.mean, row.std)

    def resize(self, image: Tensor, target: Any = None) -> tuple[Tensor, Any]:
        """Leave the image as it is. (torchvision's own switch, `_skip_resize`, works in train mode only.)"""
        return image, target


class FrozenNorm(FrozenBatchNorm2d):  # type: ignore[misc]  # torchvision is not typed
    """torchvision's frozen batch norm in one pass over the images, and in the type that they have."""

    def forward(self, x: Tensor) -> Tensor:
        """Return float [n, C, H, W], normalised by what is kept."""
        return functional.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)


Steps = list[tuple[nn.Module, str | None]]
"""The modules of a backbone before its pyramid, in order, each with the name of the map that the pyramid gets."""


def steps(network: nn.Module) -> Steps:
    """Return the steps of a detector's backbone."""
    backbone = network.get_submodule("backbone")
    if isinstance(backbone, Lite0Pyramid):
        return backbone.steps()
    body = backbone.get_submodule("body")
    assert isinstance(body, IntermediateLayerGetter)
    return [(module, body.return_layers.get(name)) for name, module in body.named_children()]


def taken(steps: Steps, x: Tensor) -> dict[str, Tensor]:
    """Return the maps by name that steps make of what comes before the first."""
    maps = {}
    for module, name in steps:
        x = module(x)
        if name is not None:
            maps[name] = x
    return maps


def _detector(row: Model, backbone: nn.Module, **settings: Any) -> nn.Module:
    network = FasterRCNN(backbone, box_score_thresh=MIN_CONFIDENCE, box_detections_per_img=MAX_DETECTIONS, **settings)
    network.transform = Normalise(row)
    learn_from_anchors(network.rpn.head)
    for module in (network.rpn.head, network.roi_heads.box_predictor):
        module.register_forward_hook(_to_float32)
    built: nn.Module = network
    return built


def learn_from_anchors(head: nn.Module) -> None:
    """Compute what an RPN head learns from the anchors that its loss is taken over, not from the whole map."""
    for module in list(head.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.Conv2d):
                setattr(module, name, SparseGradConv2d.of(child))


def arrange(network: nn.Module) -> None:
    """Put channels last; where that is slower, the pyramid's and the RPN head's 3 × 3 convolutions see them first.

    Without AVX-512, oneDNN takes 1.4 times as long through one of 256 channels and 150 × 200 pixels whose channels are
    last (0012).
    """
    channels_last(network)
    if torch.backends.cpu.get_cpu_capability() != "AVX2" or torch.cuda.is_available():
        return
    for part in (network.get_submodule("backbone.fpn.layer_blocks"), network.get_submodule("rpn.head.conv")):
        for module in part.modules():
            if isinstance(module, nn.Conv2d):
                module.to(memory_format=torch.contiguous_format)
                module.register_forward_pre_hook(_channels_first)


def _channels_first(module: nn.Module, given: tuple[Tensor]) -> Tensor:
    return given[0].contiguous()


def _to_float32(module: nn.Module, images: Any, output: Any) -> Any:
    """Return what a head says in float32, whatever it computed in: in bfloat16 a box is two pixels off at 300."""
    if isinstance(output, Tensor):
        return output.float()
    return type(output)(_to_float32(module, images, one) for one in output)


class ResNet50:
    """Builds the detector with ResNet-50-FPN."""

    arrange = staticmethod(arrange)

    @staticmethod
    def build(row: Model, classes: int, batch_norm: str) -> nn.Module:
        """Return a detector with random weights; `batch_norm` is "frozen" (for pretrained weights) or "live".

        The published weights were trained with frozen batch norms whose eps is 0.
        """
        norm = FrozenNorm if batch_norm == "frozen" else nn.BatchNorm2d
        backbone = resnet_fpn_backbone(backbone_name="resnet50", weights=None, norm_layer=norm, trainable_layers=5)
        pool = PyramidPool(["0", "1", "2", "3"], output_size=7, sampling_ratio=2)
        network = _detector(row, backbone, num_classes=classes + 1, box_roi_pool=pool)
        for module in network.modules():
            if isinstance(module, FrozenNorm):
                module.eps = 0.0
        return network

    @staticmethod
    def from_file(weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the tensors of a published file under the network's names, without the last layer of the head."""
        dropped = ("roi_heads.box_predictor.",)
        return {n: t for n, t in weights.items() if not n.startswith(dropped) and not n.endswith("num_batches_tracked")}


class Lite0Pyramid(nn.Module):
    """EfficientNet-Lite0 without its last convolution, and a feature pyramid of strides 4 to 64."""

    TAPS: ClassVar = {1: 24, 2: 40, 4: 112, 6: 320}  # block → channels

    def __init__(self, channels: int) -> None:
        super().__init__()
        whole = lite0.network(1000)
        self.body = nn.ModuleDict({name: whole.get_submodule(name) for name in ("conv_stem", "bn1", "blocks")})
        self.fpn = FeaturePyramidNetwork(list(self.TAPS.values()), channels, LastLevelMaxPool())
        self.out_channels = channels

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Return the maps of the pyramid by name, finest first."""
        pyramid: dict[str, Tensor] = self.fpn(taken(self.steps(), images))
        return pyramid

    def steps(self) -> Steps:
        """Return what comes before the pyramid."""
        stem: Steps = [(self.body["conv_stem"], None), (self.body["bn1"], None)]
        blocks = enumerate(self.body["blocks"].children())
        return stem + [(block, str(i) if i in self.TAPS else None) for i, block in blocks]


class Lite0:
    """Builds the detector with EfficientNet-Lite0-FPN: small maps, few proposals, made for processors without a GPU."""

    CHANNELS = 128
    HIDDEN = 512
    ANCHORS_PX = ((16,), (32,), (64,), (128,), (256,))
    ASPECTS = (0.5, 1.0, 2.0)

    arrange = staticmethod(arrange)

    @classmethod
    def build(cls, row: Model, classes: int, batch_norm: str) -> nn.Module:
        """Return a detector with random weights."""
        levels = [str(block) for block in Lite0Pyramid.TAPS]
        return _detector(
            row,
            Lite0Pyramid(cls.CHANNELS),
            rpn_anchor_generator=AnchorGenerator(cls.ANCHORS_PX, (cls.ASPECTS,) * len(cls.ANCHORS_PX)),
            box_roi_pool=PyramidPool(levels, output_size=7, sampling_ratio=2),
            box_head=TwoMLPHead(cls.CHANNELS * 7 * 7, cls.HIDDEN),
            box_predictor=FastRCNNPredictor(cls.HIDDEN, classes + 1),
            rpn_pre_nms_top_n_train=1000,
            rpn_post_nms_top_n_train=500,
            rpn_pre_nms_top_n_test=500,
            rpn_post_nms_top_n_test=300,
            box_batch_size_per_image=128,
        )

    @staticmethod
    def from_file(weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the backbone's tensors of a published file under the network's names."""
        if any(name.startswith("backbone.body.") for name in weights):
            return {name: t for name, t in weights.items() if not name.startswith("roi_heads.box_predictor.")}
        used = ("conv_stem.", "bn1.", "blocks.")
        return {f"backbone.body.{name}": t for name, t in lite0.named(weights).items() if name.startswith(used)}
