"""Which layers learn: the last N backbone layers and the head. The others stay exactly as they are."""

from torch import nn

from viewfinder.catalogue import Model

BATCH_NORMS = (nn.BatchNorm2d,)


def backbone_layers(network: nn.Module, row: Model) -> list[nn.ModuleList]:
    """Return the backbone layers of a network, in the order of the catalogue's row."""
    return [nn.ModuleList(network.get_submodule(name) for name in layer.modules) for layer in row.layers]


def freeze(network: nn.Module, row: Model, retrained: int) -> None:
    """Let only the last `retrained` backbone layers and the head have gradients."""
    network.requires_grad_(True)
    layers = backbone_layers(network, row)
    for layer in layers[: len(layers) - retrained]:
        layer.requires_grad_(False)


def undecided(head: nn.Linear) -> None:
    """Give a classifier small weights, so that at first every class is about as likely and the loss is log(classes).

    The initialisation of the EfficientNets' authors, made for a thousand classes, gives a few classes large logits.
    """
    nn.init.normal_(head.weight, std=0.01)
    nn.init.zeros_(head.bias)


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
