"""The design as rows of a table, each setting with its help and its default."""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from viewfinder import design_file
from viewfinder.design import Design, Section, resolve


def rows(design: Design) -> list[dict[str, Any]]:
    """Return a row for each setting: name, value, default, whether they differ, help.

    The default is the one that goes with the chosen task, model, optimizer and weights: choosing another model changes
    one row, not all that follow from it. Where the default is `auto`, what it came to counts as the default.
    """
    default = _default(design)
    before = design_file.flatten(default)
    return [
        {
            "name": name,
            "section": name.partition(".")[0],
            "value": value,
            "default": before.get(name),
            "differs": before.get(name) not in (value, "auto"),
            "help": text,
        }
        for name, value, text in _settings(design, "")
    ]


def _default(design: Design) -> Design:
    """Return the default design of this one's task, resolved for this one's model and optimizer."""
    plain, training = Design.model_validate({"task": design.task}), design.training
    chosen = {"model": training.model, "optimizer": training.optimizer, "weights": training.weights}
    of_choice = resolve(Design.model_validate({"task": design.task, "training": chosen}))
    own = {name: getattr(plain.training, name) for name in chosen}
    return of_choice.model_copy(update={"training": of_choice.training.model_copy(update=own)})


def _settings(section: BaseModel, prefix: str) -> Iterator[tuple[str, Any, str]]:
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, Section):
            yield from _settings(value, f"{prefix}{name}.")
        else:
            yield prefix + name, list(value) if isinstance(value, tuple) else value, field.description or ""
