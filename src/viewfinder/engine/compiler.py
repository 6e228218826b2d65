"""Stand-ins for torch's compiler and exporters, which the engine does not use: importing them takes long.

torch, torchvision and the optimizers import them all the same, to mark what the compiler has to leave as it is and to
tell the exporters of operations of theirs; processes that train together ask the compiler for its rules.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType, SimpleNamespace
from typing import Any

COMPILER, UTILS, EXPORTER = "torch._dynamo", "torch._dynamo.utils", "torch.export"
KERNELS = "torch._meta_registrations"  # for tensors without values, which only the other two make
TO_ONNX = "torchvision.ops._register_onnx_ops"
PACKAGES, NAMES = (COMPILER, EXPORTER), (KERNELS, COMPILER, UTILS, EXPORTER, TO_ONNX)


class StandIn(ModuleType):
    """Answers what is asked where nothing is compiled; for anything else the real module is imported."""

    def __getattr__(self, name: str) -> Any:
        """Return what the real module has under a name; only the package's path tells modules below it from others."""
        if name.startswith("__") and (name != "__path__" or self.__name__ not in PACKAGES):
            raise AttributeError(name)
        return getattr(_real(self.__name__), name)


class Exported:
    """What torch's exporters make, of which there is none here: OpenVINO asks whether it was given one."""


def stand_in() -> None:
    """Put the stand-ins in place unless torch was imported; to be called before it is."""
    if "torch" in sys.modules:
        return
    made = {name: StandIn(name) for name in NAMES}
    rules = SimpleNamespace(clear_lru_cache=_nothing)
    made[COMPILER].__dict__.update(disable=_disable, graph_break=_nothing, trace_rules=rules, utils=made[UTILS])
    made[UTILS].__dict__.update(
        is_compile_supported=lambda kind: _real(UTILS).is_compile_supported(kind),
        get_optimize_ddp_mode=lambda: "no_optimization",
    )
    made[TO_ONNX].__dict__.update(_register_custom_op=_nothing)
    made[EXPORTER].__dict__.update(ExportedProgram=Exported)
    sys.modules.update(made)


def _disable(function: Callable[..., Any], recursive: bool = True, **options: Any) -> Callable[..., Any]:
    return function


def _nothing(message: str = "") -> None:
    pass


def _real(name: str) -> ModuleType:
    """Return one of the modules itself; none is stood in for any more."""
    for other in NAMES:
        if isinstance(sys.modules.get(other), StandIn):
            del sys.modules[other]
    import_module(KERNELS)
    return import_module(name)
