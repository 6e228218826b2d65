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


def make(
    name: str, parameters: Iterable[nn.Parameter], learning_rate: float, weight_decay: float, scaled: bool = False
) -> optim.Optimizer:
    """Return the optimizer of that name with torch's own defaults for all but these settings (SGD: momentum 0.9).

    `scaled`: its gradients are scaled, and a step is left out where they overflow. If that is the first one, torch's
    fused SGD takes for its momentum whatever the memory held (torch 2.15): it is not fused then.
    """
    learned = list(parameters)
    can_be_fused = name in FUSED.get(learned[0].device.type, ()) and not (scaled and name == "sgd")
    fused = {"fused": True} if can_be_fused else {}
    return OPTIMIZERS[name](learned, lr=learning_rate, weight_decay=weight_decay, **fused)
