"""Train computer-vision models without any code: the public Python API.

The words are those of the command line. Everything is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from viewfinder.design import Design
    from viewfinder.engine.predict import load
    from viewfinder.errors import (
        DesignError,
        InputError,
        RunError,
        SourceError,
        TrainingError,
        ViewfinderError,
        WeightsError,
    )
    from viewfinder.run import RunFolder
    from viewfinder.service.checking import check
    from viewfinder.service.comparing import compare
    from viewfinder.service.demo import demo
    from viewfinder.service.designs import default_design
    from viewfinder.service.evaluating import evaluate
    from viewfinder.service.models import models
    from viewfinder.service.predicting import predict
    from viewfinder.service.repeating import repeat
    from viewfinder.service.samples import sample
    from viewfinder.service.source import Source
    from viewfinder.service.training import resume, train

__all__ = [
    "Design",
    "DesignError",
    "InputError",
    "RunError",
    "RunFolder",
    "Source",
    "SourceError",
    "TrainingError",
    "ViewfinderError",
    "WeightsError",
    "check",
    "compare",
    "default_design",
    "demo",
    "evaluate",
    "load",
    "models",
    "predict",
    "repeat",
    "resume",
    "sample",
    "train",
]

_HOMES = {
    "Design": "viewfinder.design",
    "RunFolder": "viewfinder.run",
    "Source": "viewfinder.service.source",
    "check": "viewfinder.service.checking",
    "compare": "viewfinder.service.comparing",
    "default_design": "viewfinder.service.designs",
    "demo": "viewfinder.service.demo",
    "evaluate": "viewfinder.service.evaluating",
    "load": "viewfinder.engine.predict",
    "models": "viewfinder.service.models",
    "predict": "viewfinder.service.predicting",
    "repeat": "viewfinder.service.repeating",
    "resume": "viewfinder.service.training",
    "sample": "viewfinder.service.samples",
    "train": "viewfinder.service.training",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'viewfinder' has no attribute '{name}'")
    return getattr(import_module(_HOMES.get(name, "viewfinder.errors")), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
