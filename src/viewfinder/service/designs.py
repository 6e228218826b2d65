"""Designs: the default one for a source, and the one that a user's file and settings make of it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viewfinder import design_file, tasks
from viewfinder.design import Design, merge
from viewfinder.errors import DesignError
from viewfinder.service.source import Source, task_of

Settings = Sequence[str] | Mapping[str, Any]
"""`section.key=value` texts, or values under dotted names."""


@dataclass(frozen=True)
class Wanted:
    """What a user wants, nested as in a design file: the file's values, and those set beside it, which win."""

    file: Mapping[str, Any]
    settings: Mapping[str, Any]

    @property
    def values(self) -> dict[str, Any]:
        """Both, laid over each other."""
        return merge(self.file, self.settings)

    @property
    def task(self) -> str | None:
        """The task, if one was said."""
        task = self.values.get("task")
        return None if task is None else str(task)

    @property
    def group_column(self) -> str | None:
        """The column whose equal values stay in one split, if one was said."""
        split = self.values.get("split")
        column = split.get("group_column") if isinstance(split, Mapping) else None
        return None if column is None else str(column)

    def chose_model(self, task: str) -> bool:
        """Return whether the model was chosen, rather than left at the default of the task.

        Left at its default is a model that was not set, and that the file does not name or names as the default.
        """
        if _model(self.settings) is not None:
            return True
        named = _model(self.file)
        return named is not None and named != tasks.get(task).default_model

    def design(self, task: str) -> Design:
        """Return the design for a source of that task; raise DesignError for what is wrong with it."""
        return design_file.parse({"task": task, **self.values})


def wanted(design: Path | str | Mapping[str, Any] | Design | None = None, settings: Settings = ()) -> Wanted:
    """Return what a design file, or its values, and settings say; raise DesignError for what cannot be read."""
    values: dict[str, Any] = {}
    for assignment in _assignments(settings):
        values = design_file.set_value(values, assignment)
    return Wanted(_file(design), values)


def default_design(source: Source | Path | str, settings: Settings = ()) -> Design:
    """Return the design that is proposed for a source. Images are not opened, and the network is not touched."""
    source = Source.of(source)
    asked = wanted(settings=settings)
    return asked.design(task_of(source.with_task(asked.task)))


def _assignments(settings: Settings) -> list[str]:
    if isinstance(settings, Mapping):
        return [f"{name}={json.dumps(value)}" for name, value in settings.items()]
    if isinstance(settings, str):
        raise DesignError(f"settings takes a list of section.key=value, not the text '{settings}'.")
    return list(settings)


def _file(design: Path | str | Mapping[str, Any] | Design | None) -> Mapping[str, Any]:
    match design:
        case None:
            return {}
        case Design():
            return design.model_dump(mode="json")
        case Mapping():
            return design
        case _:
            return design_file.read(Path(design))


def _model(values: Mapping[str, Any]) -> str | None:
    training = values.get("training")
    model = training.get("model") if isinstance(training, Mapping) else None
    return None if model is None else str(model)
