"""What came of the runs of an analysis, and a new analysis with the design of one of them."""

from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from viewfinder.rest.analyses import AnalysisAnswer
from viewfinder.rest.finite import finite
from viewfinder.rest.here import Here, Id
from viewfinder.rest.paging import Limit, Offset, Page, located, page, part
from viewfinder.rest.problems import JSON_BODY, documented
from viewfinder.rest.strict import StrictRoute
from viewfinder.service.library import history
from viewfinder.store import Analysis, Run

router = APIRouter(tags=["analyses"], route_class=StrictRoute)


class DuplicateRequest(BaseModel):
    """The analysis to make."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"name": "Which digit, once more?"}]})
    name: str = Field("", max_length=200, description="What to call it; empty: as the analysis and the run")


class EntryAnswer(BaseModel):
    """A run and what came of it: `score` is `metric` at the best epoch, on the monitored split.

    Of a run whose folder cannot be read `error` says why, and the rest is empty.
    """

    run: str
    name: str
    notes: str
    state: str
    created: float
    metric: str
    score: float | None
    model: str
    epochs: int
    seconds: float | None
    error: str | None

    @classmethod
    def of(cls, entry: history.Entry) -> "EntryAnswer":
        """Return an entry as an answer."""
        same = {name: getattr(entry, name) for name in ("state", "metric", "score", "model", "epochs", "seconds")}
        row = {name: getattr(entry.row, name) for name in ("name", "notes", "created")}
        return cls.model_validate(finite({**same, **row, "run": entry.row.id, "error": entry.error}))


@router.get("/analyses/{identity}/history", responses=documented(404, 422))
def list_history(
    library: Here, identity: Id, request: Request, limit: Limit = 50, offset: Offset = 0
) -> Page[EntryAnswer]:
    """List the runs of an analysis with their scores, the newest first."""
    rows = history.entries(library, library.get(Analysis, identity))
    return page(request, [EntryAnswer.of(row) for row in part(rows, offset, limit)], len(rows), offset)


@router.post("/runs/{identity}/duplicate", status_code=HTTPStatus.CREATED, responses=documented(404, 409, *JSON_BODY))
def duplicate_run(
    library: Here, identity: Id, request: Request, response: Response, wanted: DuplicateRequest
) -> AnalysisAnswer:
    """Make an analysis of the same data with a run's design."""
    row = history.duplicate(library, library.get(Run, identity), wanted.name)
    response.headers.update(located(request, f"/analyses/{row.id}"))
    return AnalysisAnswer.of(row)
