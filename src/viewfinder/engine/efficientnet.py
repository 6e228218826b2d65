"""EfficientNet B0, B4 and B7 (Tan & Le, 2019), as torchvision builds them."""

import torchvision
from torch import Tensor, nn

from viewfinder.catalogue import Model
from viewfinder.engine.layers import channels_last, undecided


class EfficientNet:
    """Builds the networks of the rows that name it."""

    arrange = staticmethod(channels_last)

    @staticmethod
    def build(row: Model, classes: int, batch_norm: str) -> nn.Module:
        """Return a network with random weights: float [n, 3, S, S] → logits [n, classes]."""
        network: nn.Module = getattr(torchvision.models, row.name)(weights=None, num_classes=classes)
        undecided(network.get_submodule("classifier.1"))  # type: ignore[arg-type]  # it is a Linear
        return network

    @staticmethod
    def from_file(weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the tensors of a published file under the network's names, without the head."""
        return {name: tensor for name, tensor in weights.items() if not name.startswith("classifier.")}
