"""What the target column of a table holds: a class, or a list of boxes."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from viewfinder.data.boxes import Box, bounds_of

_NO_CATEGORY = "it has no category"
Fields = tuple[dict[str, Any], list[tuple[str, str]]]  # the fields of an Item, and what was left out of it


def _labelled(image: str, target: object, column: str) -> Fields:
    label = "" if target is None else class_of(target)
    if not label:
        raise ValueError(f"column '{column}' is empty")
    return {"image": image, "label": label}, []


def class_of(value: object) -> str:
    """Return a value of a table as the name of a class; raise ValueError for a list."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return str(int(value)) if math.isfinite(value) and value == int(value) else ""
    if isinstance(value, (list, dict)):
        raise ValueError(f"a class is one value, not {json.dumps(value, default=str)[:60]}")
    return str(value).strip()


def _boxed(image: str, target: object, column: str) -> Fields:
    boxes, problems = [], []
    for number, value in enumerate(_list(target, column), 1):
        try:
            boxes.append(_box(value))
        except ValueError as problem:
            kind = "unknown_class" if problem.args == (_NO_CATEGORY,) else "malformed_box"
            problems.append((kind, f"box {number} was left out: {problem}"))
    return {"image": image, "boxes": tuple(boxes)}, problems


def _list(target: object, column: str) -> list[Any]:
    if isinstance(target, list):
        return target
    if target is None or target == "":
        raise ValueError(f"column '{column}' is empty; write [] for an image without objects")
    try:
        value = json.loads(target) if isinstance(target, str) else target
    except (json.JSONDecodeError, RecursionError) as problem:
        where = f" ({problem.msg}, column {problem.colno})" if isinstance(problem, json.JSONDecodeError) else ""
        raise ValueError(f"column '{column}' is not JSON{where}") from None
    if not isinstance(value, list):
        raise ValueError(f"column '{column}' is not a JSON list of boxes")
    return value


def _box(value: object) -> Box:
    if not isinstance(value, dict):
        raise ValueError('a box is {"bbox": [xmin, ymin, width, height], "category": "cat"}')
    category = value.get("category")
    if category is None or isinstance(category, (list, dict)) or not str(category).strip():
        raise ValueError(_NO_CATEGORY)
    return Box(bounds_of(value.get("bbox")), class_of(category))


def _decimals(values: Sequence[Any]) -> str:
    """Return what is wrong with a column of decimal numbers: they are measurements rather than classes."""
    floats = [value for value in values if isinstance(value, float) and math.isfinite(value)]
    if not any(value != math.trunc(value) for value in floats):
        return ""
    return "holds decimal numbers, which are not classes. Say which column holds the class with --target-column."


def _are_lists(sample: Sequence[Any]) -> bool:
    lists = sum(isinstance(v, list) or (isinstance(v, str) and v.lstrip().startswith("[")) for v in sample)
    return lists * 2 > len(sample)


@dataclass(frozen=True)
class Form:
    """What the target column of a task holds, and how it is read.

    `fits` tells by some values whether a column is one, `refuse` why its values cannot be used ("": they can), and
    `read` makes the fields of an Item of an image's name, its value and the column's name; it raises ValueError.
    """

    holds: str
    fits: Callable[[Sequence[Any]], bool]
    refuse: Callable[[Sequence[Any]], str]
    read: Callable[[str, object, str], Fields]


FORMS = {  # by task; the first that fits a column is the one that it holds
    "detection": Form("lists of boxes", _are_lists, lambda values: "", _boxed),
    "classification": Form("no lists of boxes", lambda sample: True, _decimals, _labelled),
}
