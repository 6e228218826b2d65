"""EfficientNet-Lite0 (Google, 2020) without squeeze-and-excitation, as timm builds it."""

import timm
from torch import Tensor, nn

from viewfinder.catalogue import Model
from viewfinder.engine.layers import channels_last, undecided
from viewfinder.errors import WeightsError

ARCHITECTURE = "tf_efficientnet_lite0"
DROPOUT = 0.2


def network(classes: int) -> nn.Module:
    """Return the network with random weights: float [n, 3, S, S] → logits [n, classes]."""
    built: nn.Module = timm.create_model(ARCHITECTURE, pretrained=False, num_classes=classes, drop_rate=DROPOUT)
    return built


def named(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of a published file under timm's names.

    The bundled file holds them in the order of timm's network under names of its own; files that already use timm's
    names are taken as they are. Raises WeightsError when tensors do not fit.
    """
    wanted = network(1000).state_dict()
    if set(wanted) & set(weights):
        return weights
    shapes = [tuple(t.shape) for t in weights.values()]
    if shapes != [tuple(t.shape) for t in wanted.values()]:
        raise WeightsError("the tensors are not those of EfficientNet-Lite0")
    return dict(zip(wanted, weights.values(), strict=True))


class EfficientNetLite0:
    """Builds the classifier."""

    arrange = staticmethod(channels_last)

    @staticmethod
    def build(row: Model, classes: int, batch_norm: str) -> nn.Module:
        """Return a network with random weights: float [n, 3, S, S] → logits [n, classes]."""
        built = network(classes)
        undecided(built.get_submodule("classifier"))  # type: ignore[arg-type]  # it is a Linear
        return built

    @staticmethod
    def from_file(weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the tensors of a published file under the network's names, without the head."""
        return {name: tensor for name, tensor in named(weights).items() if not name.startswith("classifier.")}
