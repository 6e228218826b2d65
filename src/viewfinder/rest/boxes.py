"""Objects in images, as an answer has them."""

from typing import Any

from pydantic import BaseModel, Field

from viewfinder.data.boxes import from_json
from viewfinder.rest.finite import finite


class BoxAnswer(BaseModel):
    """An object: its box in pixels of the upright image, and its class."""

    bbox: tuple[float | None, float | None, float | None, float | None] = Field(description="xmin, ymin, width, height")
    category: str


class FoundAnswer(BoxAnswer):
    """An object that a model reports, and how sure it is."""

    confidence: float | None


def boxes(cell: str) -> list[BoxAnswer]:
    """Return the true objects of a cell of a table."""
    return plain(from_json(cell))


def plain(objects: list[dict[str, Any]]) -> list[BoxAnswer]:
    """Return true objects that are plain data."""
    return [BoxAnswer(**finite(box)) for box in objects]


def found(cell: str) -> list[FoundAnswer]:
    """Return the predicted objects of a cell of a table."""
    return [FoundAnswer(**finite(box)) for box in from_json(cell)]
