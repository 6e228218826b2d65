"""What a dataset has to be learned: one row a task, so that nothing else asks for the task by name."""

import json
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from types import MappingProxyType

import polars as pl

from viewfinder.data import boxes


@dataclass(frozen=True)
class Target:
    """The column of the index that holds what is to be learned.

    `unit` is what has a class: an image, or an object in one. `shown` is, of each cell, the list of the classes of its
    units; `only` returns a cell without the other classes, or None when the image has to go.
    """

    column: str
    unit: str
    shown: pl.Expr
    only: Callable[[str, Set[str]], str | None]

    @property
    def is_objects(self) -> bool:
        """Whether an image may hold several, or none."""
        return self.unit == "object"


_BOXES = pl.List(pl.Struct({"category": pl.String}))
_CATEGORIES = pl.col("boxes").str.json_decode(_BOXES).list.eval(pl.element().struct.field("category"))


def _boxes_of(cell: str, classes: Set[str]) -> str:
    return json.dumps([box for box in boxes.from_json(cell) if box["category"] in classes], ensure_ascii=False)


TARGETS: Mapping[str, Target] = MappingProxyType(
    {
        "classification": Target(
            "label", "image", pl.concat_list("label"), lambda label, classes: label if label in classes else None
        ),
        "detection": Target("boxes", "object", _CATEGORIES, _boxes_of),
    }
)
