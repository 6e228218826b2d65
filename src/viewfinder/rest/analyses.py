"""Analyses: questions asked of datasets."""

from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from viewfinder.rest.here import Here, Id
from viewfinder.rest.naming import NameRequest
from viewfinder.rest.paging import Limit, Offset, Page, located, page, part
from viewfinder.rest.problems import JSON_BODY, documented
from viewfinder.rest.strict import StrictRoute
from viewfinder.service.library import analyses, names, trash
from viewfinder.store import Analysis, Dataset

router = APIRouter(tags=["analyses"], route_class=StrictRoute)


class AnalysisRequest(BaseModel):
    """The analysis to make."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"dataset": "0a1b2c3d", "name": "Which digit?"}]}
    )
    dataset: str = Field(max_length=64, description="The id of its dataset")
    name: str = Field("", max_length=200, description="What to call it; empty: as the dataset")


class AnalysisAnswer(BaseModel):
    """An analysis. `created` is in seconds since 1970 (UTC); `version` grows with every change of its design."""

    id: str
    dataset: str
    name: str
    created: float
    version: int

    @classmethod
    def of(cls, row: Analysis) -> "AnalysisAnswer":
        """Return a row as an answer."""
        return cls(id=row.id, dataset=row.dataset_id, name=row.name, created=row.created, version=row.version)


@router.post("/analyses", status_code=HTTPStatus.CREATED, responses=documented(404, *JSON_BODY))
def create_analysis(library: Here, request: Request, response: Response, wanted: AnalysisRequest) -> AnalysisAnswer:
    """Make an analysis of a dataset, with the default design."""
    row = analyses.create(library, library.get(Dataset, wanted.dataset), wanted.name)
    response.headers.update(located(request, f"/analyses/{row.id}"))
    return AnalysisAnswer.of(row)


@router.get("/analyses", responses=documented(422))
def list_analyses(library: Here, request: Request, limit: Limit = 50, offset: Offset = 0) -> Page[AnalysisAnswer]:
    """List the analyses, the newest first."""
    rows = analyses.analyses(library)
    answers = [AnalysisAnswer.of(row) for row in part(rows, offset, limit)]
    return page(request, answers, len(rows), offset)


@router.get("/analyses/{identity}", responses=documented(404, 422))
def get_analysis(library: Here, identity: Id) -> AnalysisAnswer:
    """Return an analysis."""
    return AnalysisAnswer.of(library.get(Analysis, identity))


@router.patch("/analyses/{identity}", responses=documented(404, *JSON_BODY))
def rename_analysis(library: Here, identity: Id, wanted: NameRequest) -> AnalysisAnswer:
    """Give an analysis another name."""
    return AnalysisAnswer.of(names.rename(library, library.get(Analysis, identity), wanted.name))


@router.delete("/analyses/{identity}", status_code=HTTPStatus.NO_CONTENT, responses=documented(404, 409, 422))
def delete_analysis(library: Here, identity: Id) -> None:
    """Move an analysis to the trash, unless it has runs."""
    trash.discard(library, library.get(Analysis, identity))
