"""Analyses: a dataset, a design that is changed value by value, and its runs."""

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa

from viewfinder import design_file
from viewfinder.design import Design, merge
from viewfinder.errors import ConflictError, DesignError, OutdatedError, unknown
from viewfinder.service.demo import quick_design
from viewfinder.service.library.library import Library, new_id
from viewfinder.store import Analysis, Dataset

WEIGHTS = "training.weights"


def create(library: Library, dataset: Dataset, name: str = "", design: Mapping[str, Any] | None = None) -> Analysis:
    """Make an analysis of a dataset with a design, or with the default one; that of a sample is quick to train."""
    if design is None:
        design = quick_design(dataset.sample) if dataset.sample else {}
    row = Analysis(
        id=new_id(), dataset_id=dataset.id, name=name or dataset.name, created=library.clock(), design=dict(design)
    )
    with library.database.writing() as session:
        session.add(row)
    return row


def analyses(library: Library) -> list[Analysis]:
    """Return all analyses that are not in the trash, the newest first."""
    query = sa.select(Analysis).where(Analysis.trashed.is_(None)).order_by(Analysis.created.desc())
    with library.database.reading() as session:
        return list(session.scalars(query))


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

    def edit(values: dict[str, Any]) -> dict[str, Any]:
        now = get_value(values, name)
        if now != seen and now != value:
            raise ConflictError(name, now, value)
        return with_value(values, name, value)

    return _edit(library, identity, edit)


def change_all(library: Library, identity: str, values: Mapping[str, Any], version: int | None = None) -> Analysis:
    """Set several values by their dotted names, or none of them, and return the analysis; None: back to the default.

    `version` is that of the design which the one who changes it saw; None: whichever. Raises OutdatedError when it has
    another meanwhile, and DesignError for a value that is not valid; then nothing is saved.
    """

    for name in (name for name, value in values.items() if value is None):
        _require_setting(name)

    def edit(now: dict[str, Any]) -> dict[str, Any]:
        for name in sorted(values, key=lambda name: not name.endswith(".kind")):  # another kind replaces its settings
            now = with_value(now, name, values[name])
        return now

    return _edit(library, identity, edit, version)


def replace(library: Library, identity: str, values: Mapping[str, Any], version: int | None = None) -> Analysis:
    """Put another design, nested as in a design file, in the place of an analysis's, and return the analysis.

    `version` and the errors are those of `change_all`.
    """
    return _edit(library, identity, lambda now: dict(values), version)


def _edit(
    library: Library,
    identity: str,
    edit: Callable[[dict[str, Any]], dict[str, Any]],
    version: int | None = None,
) -> Analysis:
    """Save what `edit` makes of a design and of what the user chose, if it is valid and has that version."""
    task = library.get(Dataset, library.get(Analysis, identity).dataset_id).task
    with library.database.writing() as session:
        row = session.get_one(Analysis, identity)
        if version not in (None, row.version):
            raise OutdatedError(
                f"The design of '{row.name}' was changed meanwhile: it is version {row.version} now, not {version}. "
                "Read it again, then change it."
            )
        values = edit(dict(row.design))
        said = values.pop("task", task)
        if said != task:
            raise DesignError(f"task: '{said}' is not possible: the images of '{row.name}' are for {task}.")
        design = design_file.parse({"task": task, **values})
        if get_value(values, WEIGHTS) != get_value(row.design, WEIGHTS):
            require_weights(library, design)
        row.design = values
        row.version += 1
    return row


def require_weights(library: Library, design: Design) -> None:
    """Raise StoreError for a weight file that the server may not read, or that is not there."""
    if design.training.weights not in ("pretrained", "none"):
        library.allowed(design.training.weights)


def _require_setting(name: str) -> None:
    names, section = setting_names(), name.rpartition(".")[0]
    if not any(one == name or one.startswith(f"{name}.") for one in names):
        near = [one for one in names if one.startswith(f"{section}.")]
        raise DesignError(unknown("setting", name, near or names))


def setting_names() -> list[str]:
    """Return the dotted name of every setting that a design can have, of all kinds of schedule."""
    names = list(design_file.flatten(design_file.parse({})))
    kinds = (f"training.schedule.{name}" for kind in design_file.SCHEDULES.values() for name in kind.model_fields)
    return list(dict.fromkeys([*names, *kinds]))


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
    below = values.get(key)
    if not isinstance(below, Mapping):
        return dict(values)
    return {k: v for k, v in {**values, key: with_value(below, rest, None)}.items() if v != {}}
