"""A stand-in for torch's compiler, which the engine does not use: importing it takes over a second of every start.

torchvision and the optimizers import it all the same, to mark what it has to leave as it is, and processes that train
together ask it for its rules.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType, SimpleNamespace
from typing import Any

NAME = "torch._dynamo"
PARTS = (NAME, f"{NAME}.utils")


class StandIn(ModuleType):
    """Answers what is asked where nothing is compiled; for anything else the real module is imported."""

    def __getattr__(self, name: str) -> Any:
        """Return what the real module has under a name; only the package's path tells modules below it from others."""
        if name.startswith("__") and (name, self.__name__) != ("__path__", NAME):
            raise AttributeError(name)
        return getattr(_real(self.__name__), name)


def stand_in() -> None:
    """Put the stand-in in the compiler's place unless that was imported; to be called before torch is."""
    if NAME in sys.modules:
        return
    package, utils = (StandIn(name) for name in PARTS)
    rules = SimpleNamespace(clear_lru_cache=_nothing)
    package.__dict__.update(disable=_disable, graph_break=_nothing, trace_rules=rules, utils=utils)
    utils.__dict__.update(
        is_compile_supported=lambda kind: _real(PARTS[1]).is_compile_supported(kind),
        get_optimize_ddp_mode=lambda: "no_optimization",
    )
    sys.modules.update({NAME: package, PARTS[1]: utils})


def _disable(function: Callable[..., Any], recursive: bool = True, **options: Any) -> Callable[..., Any]:
    return function


def _nothing(message: str = "") -> None:
    pass


def _real(name: str) -> ModuleType:
    """Return a part of the compiler itself."""
    for part in PARTS:
        if isinstance(sys.modules.get(part), StandIn):
            del sys.modules[part]
    return import_module(name)
