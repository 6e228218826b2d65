"""Lists, a page at a time."""

from collections.abc import Sequence
from typing import Annotated, Generic, TypeVar
from urllib.parse import urlencode

from fastapi import Query, Request
from pydantic import BaseModel, Field

Item = TypeVar("Item")
Row = TypeVar("Row")

Limit = Annotated[int, Query(ge=1, le=200, description="How many at most")]
Offset = Annotated[int, Query(ge=0, le=2**53, description="How many to pass over; `next` has it for the next page")]


class Page(BaseModel, Generic[Item]):
    """A part of a list."""

    items: list[Item]
    total: int = Field(description="How many there are in all")
    next: str | None = Field(description="The address of the next page; null: this is the last")


def page(request: Request, items: list[Item], total: int, offset: int) -> Page[Item]:
    """Return items that begin at an offset as a page."""
    following = offset + len(items)
    more = bool(items) and following < total
    return Page(items=items, total=total, next=address(request, offset=following) if more else None)


def part(rows: Sequence[Row], offset: int, limit: int) -> Sequence[Row]:
    """Return the rows of a page."""
    return rows[offset : offset + limit]


def address(request: Request, **changes: int) -> str:
    """Return the address of a request with other values in its query."""
    query = {**request.query_params, **changes}
    return f"{request.url.path}?{urlencode(query)}"


def located(request: Request, path: str) -> dict[str, str]:
    """Return the header that says where something new is; `path` begins with a slash, below this API."""
    return {"Location": f"{request.scope.get('root_path', '')}{path}"}
