"""Analyses: a dataset, a design that is changed value by value, and its runs."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from viewfinder import design_file
from viewfinder.design import Design, merge
from viewfinder.errors import ConflictError
from viewfinder.service.demo import quick_design
from viewfinder.service.library.library import Library, new_id
from viewfinder.store import Analysis, Dataset


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
