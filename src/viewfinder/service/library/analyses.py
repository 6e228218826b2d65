"""Analyses: a dataset, a design that is changed value by value, and its runs."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from viewfinder import design_file
from viewfinder.design import Design, merge
from viewfinder.errors import ConflictError, DesignError
from viewfinder.service.demo import quick_design
from viewfinder.service.library.library import Library, new_id
from viewfinder.store import Analysis, Dataset
from viewfinder.words import typed


def create(library: Library, dataset: Dataset, name: str = "") -> Analysis:
    """Make an analysis of a dataset with the default design; that of a sample is quick to train."""
    design = quick_design(dataset.sample) if dataset.sample else {}
    row = Analysis(
        id=new_id(), dataset_id=dataset.id, name=name or dataset.name, created=library.clock(), design=design
    )
    with library.database.writing() as session:
        session.add(row)
    return row


def analyses(library: Library) -> list[Analysis]:
    """Return all analyses, the newest first."""
    with library.database.reading() as session:
        return list(session.scalars(sa.select(Analysis).order_by(Analysis.created.desc())))


def design_of(library: Library, analysis: Analysis) -> Design:
    """Return the analysis's design; raise DesignError when it is not valid any more."""
    return design_file.parse(values_of(library, analysis))


def values_of(library: Library, analysis: Analysis) -> dict[str, Any]:
    """Return what the user chose, with the task."""
    return {"task": library.get(Dataset, analysis.dataset_id).task, **analysis.design}


def change(library: Library, identity: str, name: str, value: Any, seen: Any = None) -> Analysis:
    """Set one value of an analysis's design by its dotted name, and return the analysis; None: back to the default.

    `seen` is the value that the one who changes it saw. Raises DesignError for a value that is not valid, and
    ConflictError when somebody else changed it meanwhile; then nothing is saved.
    """
    task = library.get(Dataset, library.get(Analysis, identity).dataset_id).task
    with library.database.writing() as session:
        row = session.get_one(Analysis, identity)
        now = get_value(row.design, name)
        if now != seen and now != value:
            raise ConflictError(name, now, value)
        row.design = with_value(row.design, name, value)
        design_file.parse({"task": task, **row.design})
        row.version += 1
    return row


def get_value(values: Mapping[str, Any], name: str) -> Any:
    """Return the value under a dotted name; None when there is none."""
    found: Any = values
    for key in name.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def with_value(values: Mapping[str, Any], name: str, value: Any) -> dict[str, Any]:
    """Return values with one laid over them under its dotted name; None takes it away."""
    if value is not None:
        nested: Any = value
        for key in reversed(name.split(".")):
            nested = {key: nested}
        return merge(values, nested)
    key, _, rest = name.partition(".")
    if not rest:
        return {k: v for k, v in values.items() if k != key}
    below = with_value(values.get(key) or {}, rest, None)
    return {k: v for k, v in {**values, key: below}.items() if v != {}}


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
