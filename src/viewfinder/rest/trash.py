"""The trash: what was deleted, restored or removed for good."""

from http import HTTPStatus
from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from viewfinder.rest.here import Here, Id
from viewfinder.rest.paging import Limit, Offset, Page, page, part
from viewfinder.rest.problems import documented
from viewfinder.service.library import trash

router = APIRouter(tags=["trash"])
Kind = Literal["dataset", "analysis", "run", "saved-model"]


class ItemAnswer(BaseModel):
    """Something in the trash. Times are in seconds since 1970 (UTC)."""

    kind: Kind
    id: str
    name: str
    deleted: float
    until: float = Field(description="When it is removed for good")

    @classmethod
    def of(cls, item: trash.Item) -> "ItemAnswer":
        """Return an item as an answer."""
        kind = item.kind.replace(" ", "-")
        same = {"id": item.id, "name": item.name, "until": item.until}
        return cls.model_validate({**same, "kind": kind, "deleted": item.trashed})


@router.get("/trash", responses=documented(422))
def list_trash(library: Here, request: Request, limit: Limit = 50, offset: Offset = 0) -> Page[ItemAnswer]:
    """List what is in the trash, the last deleted first."""
    rows = trash.items(library)
    return page(request, [ItemAnswer.of(row) for row in part(rows, offset, limit)], len(rows), offset)


@router.post("/trash/{kind}/{identity}/restore", status_code=HTTPStatus.NO_CONTENT, responses=documented(404, 422))
def restore_item(library: Here, kind: Kind, identity: Id) -> None:
    """Take something out of the trash, with what it belongs to."""
    trash.restore(library, kind.replace("-", " "), identity)


@router.delete("/trash/{kind}/{identity}", status_code=HTTPStatus.NO_CONTENT, responses=documented(404, 409, 422))
def remove_item(library: Here, kind: Kind, identity: Id) -> None:
    """Remove something in the trash, and what is in the trash of it, for good."""
    trash.remove(library, kind.replace("-", " "), identity)
