"""What a trainer told: epochs as a table, and events as they come."""

from itertools import islice
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from viewfinder.rest.finite import finite
from viewfinder.rest.here import Here, Id
from viewfinder.rest.paging import Limit, Offset, Page, address, page
from viewfinder.rest.problems import documented
from viewfinder.service.library import runs
from viewfinder.store import Run

router = APIRouter(tags=["runs"])
Byte = Annotated[int, Query(ge=0, le=2**53, description="From which byte of events.jsonl on; `next` has it")]


class EventAnswer(BaseModel):
    """Something that happened; what else it says depends on its type."""

    model_config = ConfigDict(extra="allow")
    type: str = Field(examples=["step"])
    time: float = Field(description="In seconds since 1970 (UTC)")


class EventsAnswer(BaseModel):
    """Some events in their order."""

    items: list[EventAnswer]
    offset: int = Field(description="The byte after the last of them")
    next: str = Field(description="The address of what follows, now or later")


@router.get("/runs/{identity}/epochs", responses=documented(404, 409, 422))
def list_epochs(
    library: Here, identity: Id, request: Request, limit: Limit = 50, offset: Offset = 0
) -> Page[dict[str, int | float | None]]:
    """List the epochs that are done: rates, losses, metrics and times; null: not defined."""
    table = runs.folder(library, library.get(Run, identity)).epochs()
    rows = finite(table.slice(offset, limit).to_dicts())
    return page(request, rows, table.height, offset)


@router.get("/runs/{identity}/events", responses=documented(404, 409, 422))
def list_events(library: Here, identity: Id, request: Request, limit: Limit = 100, offset: Byte = 0) -> EventsAnswer:
    """List events from a byte on, as a training writes them; ask `next` again for what follows."""
    told = list(islice(runs.folder(library, library.get(Run, identity)).events(offset), limit))
    items = [EventAnswer.model_validate(finite(event.model_dump())) for _, event in told]
    end = told[-1][0] if told else offset
    return EventsAnswer(items=items, offset=end, next=address(request, offset=end))
