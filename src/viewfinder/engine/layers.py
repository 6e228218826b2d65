"""Which layers learn: the last N backbone layers and the head. The others stay exactly as they are."""

from copy import copy

import torch
from torch import Tensor, nn
from torch.nn import functional

from viewfinder.catalogue import Model

BATCH_NORMS = (nn.BatchNorm2d, nn.SyncBatchNorm)
STRIDE = 32  # px of the image that one value of a backbone's last map stands for


def backbone_layers(network: nn.Module, row: Model) -> list[nn.ModuleList]:
    """Return the backbone layers of a network, in the order of the catalogue's row."""
    return [nn.ModuleList(network.get_submodule(name) for name in layer.modules) for layer in row.layers]


def freeze(network: nn.Module, row: Model, retrained: int) -> None:
    """Let only the last `retrained` backbone layers and the head have gradients."""
    network.requires_grad_(True)
    layers = backbone_layers(network, row)
    for layer in layers[: len(layers) - retrained]:
        layer.requires_grad_(False)


def without_frozen(network: nn.Module, row: Model, retrained: int) -> nn.Module:
    """Return the network with nothing in the place of its frozen layers: it takes what they make of images.

    It shares all that learns with the network, and has a train mode of its own.
    """
    learning = copy(network)
    for name in frozen_modules(row, retrained):
        *parents, last = name.split(".")
        at = learning
        for parent in parents:
            inner = copy(at._modules[parent])
            assert inner is not None
            at._modules = {**at._modules, parent: inner}
            at = inner
        at._modules = {**at._modules, last: nn.Identity()}
    return learning


def frozen_part(network: nn.Module, row: Model, retrained: int) -> nn.Sequential:
    """Return the frozen layers, one after the other; of a classifier with no other layers with its pooling."""
    parts = [network.get_submodule(name) for name in frozen_modules(row, retrained)]
    return nn.Sequential(*parts, *([] if retrained else [nn.AdaptiveAvgPool2d(1)])).eval()


def frozen_modules(row: Model, retrained: int) -> list[str]:
    """Return the names of the modules that do not learn, in their order."""
    return [name for layer in row.layers[: len(row.layers) - retrained] for name in layer.modules]


def undecided(head: nn.Linear) -> None:
    """Give a classifier small weights, so that at first every class is about as likely and the loss is log(classes).

    The initialisation of the EfficientNets' authors, made for a thousand classes, gives a few classes large logits.
    """
    nn.init.normal_(head.weight, std=0.01)
    nn.init.zeros_(head.bias)


class GlobalAverage(nn.Module):
    """The mean over height and width: float [n, C, H, W] → [n, C, 1, 1].

    Unlike that of AdaptiveAvgPool2d its gradient has channels last like its input; other orders make the activation and
    the batch norm before it several times slower backward.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return the means."""
        height, width = int(x.shape[2]), int(x.shape[3])  # numbers, not something that a trace would follow
        return functional.avg_pool2d(x, (height, width))


def channels_last(network: nn.Module) -> None:
    """Put the channels of a network's weights last in memory."""
    network.to(memory_format=torch.channels_last)


def average_globally(network: nn.Module) -> None:
    """Put GlobalAverage in the place of every pool of a network that does the same."""
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.AdaptiveAvgPool2d) and child.output_size in (1, (1, 1)):
                setattr(module, name, GlobalAverage())


def train_mode(network: nn.Module, row: Model, retrained: int, keep_statistics: bool) -> None:
    """Put the network in train mode, its frozen layers in eval mode.

    Frozen layers thus get no new batch-norm statistics, no dropout and no stochastic depth. `keep_statistics` leaves
    the batch norms of the whole backbone in eval mode: their affine parameters still learn where they are retrained.
    """
    network.train()
    layers = backbone_layers(network, row)
    for layer in layers[: len(layers) - retrained]:
        layer.eval()
    if keep_statistics:
        for module in (m for layer in layers for m in layer.modules() if isinstance(m, BATCH_NORMS)):
            module.eval()
