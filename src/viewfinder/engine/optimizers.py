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


def make(name: str, parameters: Iterable[nn.Parameter], learning_rate: float, weight_decay: float) -> optim.Optimizer:
    """Return the optimizer of that name with torch's own defaults for all but these settings (SGD: momentum 0.9)."""
    return OPTIMIZERS[name](list(parameters), lr=learning_rate, weight_decay=weight_decay)
