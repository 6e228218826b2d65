"""Parts of detectors as OpenVINO graphs: they take images of any size, and stand in the place of what they compute."""

from collections.abc import Callable, Sequence
from copy import copy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN

from viewfinder.engine import conversion, device, faster_rcnn

SIDE = 128  # px of the image that a part is traced with: a multiple of every stride


class AnySize:
    """A part of a network as a constant function of normalised images: float [n, 3, H, W] → several maps [n, C, h, w].

    All cores work on one call. The converted graph is kept below the folder `kept`, if one is given. Before one that
    is not there is made, `converting` is called. The maps are float32, or `half`, bfloat16.
    """

    def __init__(
        self,
        part: nn.Module,
        precision: str,
        kept: Path | None,
        converting: Callable[[], None] | None = None,
        half: bool = False,
    ) -> None:
        self._half = half
        folder = kept / conversion.key(part, "any size, half" if half else "any size") if kept else None
        model = conversion.kept(folder) if folder else None
        if model is None:
            if converting:
                converting()
            model = _converted(part, half)
            if folder:
                conversion.keep(model, part, folder)
        settings = {
            "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": device.cores(),
        }
        self._request = conversion.core().compile_model(model, "CPU", settings).create_infer_request()

    def __call__(self, images: Tensor) -> list[Tensor]:
        """Return the part's maps, channels last."""
        pixels = images.permute(0, 2, 3, 1).contiguous().cpu().numpy()
        found = self._request.infer({0: pixels}, share_inputs=True).values()
        maps = [torch.from_numpy(values.view(np.int16) if self._half else values) for values in found]
        maps = [one.view(torch.bfloat16) for one in maps] if self._half else maps  # numpy has no such type
        return [one.to(images.device).permute(0, 3, 1, 2) for one in maps]


def _converted(part: nn.Module, half: bool) -> Any:
    """Return the graph of a part of a network, with channels last at both ends."""
    model = conversion.converted(part, torch.zeros(1, 3, SIDE, SIDE), (-1, 3, -1, -1))
    from openvino.preprocess import PrePostProcessor

    steps, types = PrePostProcessor(model), conversion.module()
    first, last, kind = types.Layout("NCHW"), types.Layout("NHWC"), types.Type.bf16 if half else types.Type.f32
    steps.input().model().set_layout(first)
    steps.input().tensor().set_layout(last)
    for number in range(len(model.outputs)):
        steps.output(number).model().set_layout(first)
        steps.output(number).tensor().set_element_type(kind).set_layout(last)
    return steps.build()


def judging(network: nn.Module, precision: str, kept: Path | None = None) -> nn.Module:
    """Return a detector like `network` whose backbone and RPN head are a graph. It shares all else.

    It says what the network says now, whatever that learns later. Raises what OpenVINO cannot do.
    """
    assert isinstance(network, FasterRCNN)
    with torch.inference_mode():
        names = list(network.backbone(torch.zeros(1, 3, SIDE, SIDE)))
    graph = AnySize(_Dense(network.backbone, network.rpn.head), precision, kept)
    maps = _Maps(graph, names)
    rpn = _with(network.rpn, head=_Said(maps))
    return _with(network, backbone=maps, rpn=rpn).eval()


def learning(network: nn.Module, precision: str, kept: Path, converting: Callable[[], None] | None = None) -> nn.Module:
    """Return a detector like `network` whose frozen layers are a graph; `converting` is called before it is made.

    It shares all else, and has a train mode of its own. Raises what OpenVINO cannot do.
    """
    steps = faster_rcnn.steps(network)
    learns = [any(p.requires_grad for p in module.parameters()) for module, _ in steps]
    frozen = learns.index(True) if True in learns else len(steps)
    graph = AnySize(_Frozen(steps[:frozen]), precision, kept, converting, half=precision == "bf16")
    return _with(network, backbone=_Continued(network.get_submodule("backbone"), graph, steps, frozen))


def _with(module: nn.Module, **parts: nn.Module) -> nn.Module:
    """Return a module that shares all with another but these parts."""
    other = copy(module)
    other._modules = {**module._modules, **parts}
    return other


class _Dense(nn.Module):
    """A detector's backbone and RPN head, as one function."""

    def __init__(self, backbone: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return the maps, then the objectness of each, then the changes of its anchors."""
        maps = list(self.backbone(images).values())
        objectness, changes = self.head(maps)
        return (*maps, *objectness, *changes)


class _Maps(nn.Module):
    """Stands in the place of a backbone; `said` is what the RPN head says of the images that it was given last."""

    said: tuple[list[Tensor], list[Tensor]]

    def __init__(self, graph: AnySize, names: Sequence[str]) -> None:
        super().__init__()
        self._graph, self._names = graph, names

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Return the maps of the pyramid by name, finest first."""
        found, count = self._graph(images), len(self._names)
        self.said = found[count : 2 * count], found[2 * count :]
        return dict(zip(self._names, found, strict=False))


class _Said(nn.Module):
    """Stands in the place of an RPN head."""

    def __init__(self, maps: _Maps) -> None:
        super().__init__()
        self._maps = [maps]  # in a list, or its graph would be a part of this module too

    def forward(self, features: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Return the objectness and the changes of anchors that belong to the features."""
        return self._maps[0].said


class _Frozen(nn.Module):
    """The first steps of a backbone, as one function."""

    def __init__(self, steps: faster_rcnn.Steps) -> None:
        super().__init__()
        self.steps, self._names = nn.ModuleList(module for module, _ in steps), [name for _, name in steps]

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return the maps for the pyramid, and what comes last, if it is none of them."""
        steps = list(zip(self.steps, self._names, strict=True))
        return tuple(faster_rcnn.taken([*steps[:-1], (steps[-1][0], "last")], images).values())


class _Continued(nn.Module):
    """Stands in the place of a backbone whose first steps are a graph."""

    def __init__(self, backbone: nn.Module, graph: AnySize, steps: faster_rcnn.Steps, frozen: int) -> None:
        super().__init__()
        self.body, self.fpn = backbone.get_submodule("body"), backbone.get_submodule("fpn")
        self._graph, self._steps = graph, steps[frozen:]
        self._names = [name for _, name in steps[:frozen] if name is not None]

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Return the maps of the pyramid by name, finest first."""
        found = self._graph(images)
        maps = {**dict(zip(self._names, found, strict=False)), **faster_rcnn.taken(self._steps, found[-1])}
        pyramid: dict[str, Tensor] = self.fpn(maps)
        return pyramid
