"""Boxes as values: `{"bbox": [xmin, ymin, width, height], "category": "cat"}` in pixels of the upright image."""

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

Bounds = tuple[float, float, float, float]  # xmin, ymin, width, height

# EXIF orientation → where the corner (x, y) of a stored image of width w and height h lies in the upright one.
_TURNS: dict[int, Callable[[float, float, float, float], tuple[float, float]]] = {
    2: lambda x, y, w, h: (w - x, y),
    3: lambda x, y, w, h: (w - x, h - y),
    4: lambda x, y, w, h: (x, h - y),
    5: lambda x, y, w, h: (y, x),
    6: lambda x, y, w, h: (h - y, x),
    7: lambda x, y, w, h: (h - y, w - x),
    8: lambda x, y, w, h: (y, w - x),
}


@dataclass(frozen=True)
class Box:
    """An object in an image: its bounds in pixels from the top left, and what it is."""

    bounds: Bounds
    category: str

    def as_dict(self) -> dict[str, Any]:
        """Return the box as plain data; whole numbers are written without a fraction."""
        return {"bbox": [_plain(value) for value in self.bounds], "category": self.category}


def _plain(value: float) -> int | float:
    value = round(value, 3)
    return int(value) if value == int(value) else value


def to_json(boxes: Iterable[Box]) -> str:
    """Return the JSON list of the boxes."""
    return json.dumps([box.as_dict() for box in boxes], ensure_ascii=False)


def from_json(text: str) -> list[dict[str, Any]]:
    """Return the boxes of a JSON list that `to_json` wrote."""
    boxes: list[dict[str, Any]] = json.loads(text)
    return boxes


def bounds_of(value: object) -> Bounds:
    """Return the four numbers; raise ValueError saying what else was found."""
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 4:
        raise ValueError(f"a box is four numbers [xmin, ymin, width, height], not {_shown(value)}")
    numbers = [_number(v) for v in value]
    if not all(math.isfinite(v) for v in numbers):
        raise ValueError(f"a box is four numbers [xmin, ymin, width, height], not {_shown(value)}")
    return numbers[0], numbers[1], numbers[2], numbers[3]


def _number(value: object) -> float:
    """Return the value as a floating-point number; NaN for anything that is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.nan


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def turned(bounds: Bounds, orientation: int, stored: tuple[int, int]) -> Bounds:
    """Return the bounds in the upright image of a box in the stored one of size `stored` (width, height)."""
    if orientation not in _TURNS:
        return bounds
    turn, (x, y, width, height) = _TURNS[orientation], bounds
    (ax, ay), (bx, by) = turn(x, y, *stored), turn(x + width, y + height, *stored)
    return min(ax, bx), min(ay, by), abs(bx - ax), abs(by - ay)


def clipped(bounds: Bounds, size: tuple[int, int]) -> Bounds | None:
    """Return the part of the box within an image of `size` (width, height); None when nothing is left."""
    x, y, width, height = bounds
    left, top = max(x, 0.0), max(y, 0.0)
    right, bottom = min(x + width, float(size[0])), min(y + height, float(size[1]))
    if right - left < 0.01 or bottom - top < 0.01:
        return None
    return left, top, right - left, bottom - top


def overhang(bounds: Bounds, size: tuple[int, int]) -> float:
    """Return by how many pixels the box reaches out of an image of `size` (width, height), at the worst side."""
    x, y, width, height = bounds
    return max(-x, -y, x + width - size[0], y + height - size[1], 0.0)
