"""The optimizers, by the names of the design."""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from torch import nn, optim

MOMENTUM = 0.9  # of SGD

OPTIMIZERS: Mapping[str, Callable[..., optim.Optimizer]] = MappingProxyType(
    {
        "adam": optim.Adam,
        "sgd": lambda parameters, **settings: optim.SGD(parameters, momentum=MOMENTUM, **settings),
        "rmsprop": optim.RMSprop,
        "adamax": optim.Adamax,
        "adagrad": optim.Adagrad,
        "adadelta": optim.Adadelta,
        "adamw": optim.AdamW,
    }
)
FUSED = {"cpu": {"adam", "adamw", "sgd", "adagrad"}, "cuda": {"adam", "adamw", "sgd"}}
"""By the kind of device: the optimizers of which torch takes a step over all parameters at once."""


def make(name: str, parameters: Iterable[nn.Parameter], learning_rate: float, weight_decay: float) -> optim.Optimizer:
    """Return the optimizer of that name with torch's own defaults for all but these settings (SGD: momentum 0.9)."""
    learned = list(parameters)
    fused = {"fused": True} if name in FUSED.get(learned[0].device.type, ()) else {}
    return OPTIMIZERS[name](learned, lr=learning_rate, weight_decay=weight_decay, **fused)
