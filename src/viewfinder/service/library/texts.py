"""Designs as text: read from what somebody pasted, and as the command that trains them."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from viewfinder import design_file
from viewfinder.errors import DesignError
from viewfinder.service.library.analyses import with_value
from viewfinder.service.library.library import Library
from viewfinder.store import Analysis, Dataset
from viewfinder.words import typed


def from_text(task: str, text: str) -> dict[str, Any]:
    """Return what a design in YAML or JSON chooses that is not the default anyway, nested as in a design file.

    Raises DesignError for what is no design, and for one of another task.
    """
    read = design_file.loads(text)
    if read.get("task", task) != task:
        raise DesignError(f"task: This design is for {read['task']}, the images are for {task}.")
    design = design_file.parse({**read, "task": task})
    training, default = design.training, design_file.parse({"task": task})
    kept = {"model": training.model, "schedule": {"kind": training.schedule.kind}}
    alike = design_file.parse({"task": task, "training": kept})
    differing = {**design_file.difference(design, alike)}
    for name in ("training.model", "training.schedule.kind"):
        if name in design_file.difference(design, default):
            differing[name] = (design_file.flatten(design)[name], None)
    values: dict[str, Any] = {}
    for name, (value, _) in sorted(differing.items(), key=lambda one: not one[0].endswith(".kind")):
        values = with_value(values, name, value)
    return values


def command(library: Library, analysis: Analysis) -> str:
    """Return the command that trains an analysis's design on its dataset."""
    dataset = library.get(Dataset, analysis.dataset_id)
    words = ["viewfinder", "train", typed(Path(dataset.source or dataset.root))]
    for name, value in _leaves(analysis.design):
        plain = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        words += ["--set", typed(f"{name}={plain}")]
    return " ".join(words)


def _leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
