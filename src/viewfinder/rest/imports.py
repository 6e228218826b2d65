"""Imports: sources that become datasets in the background."""

from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from viewfinder.errors import InputError
from viewfinder.rest.datasets import DatasetAnswer
from viewfinder.rest.here import Here, Id
from viewfinder.rest.paging import Limit, Offset, Page, located, page, part
from viewfinder.rest.problems import JSON_BODY, documented
from viewfinder.rest.strict import StrictRoute
from viewfinder.service.library import imports

router = APIRouter(tags=["datasets"], route_class=StrictRoute)


class ImportRequest(BaseModel):
    """What to import: a path on the server, or an upload."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"path": "/home/me/photos"}]})
    path: str | None = Field(None, max_length=4096, description="A folder or file on the server")
    upload: str | None = Field(None, max_length=64, description="The id of an upload")
    name: str = Field("", max_length=200, description="What to call the dataset of an upload")


class ImportAnswer(BaseModel):
    """How far an import is: `doing` is what `done` of `total` counts; at last the dataset, or what went wrong."""

    id: str
    name: str
    doing: str
    done: int
    total: int
    dataset: DatasetAnswer | None
    error: str | None
    interrupted: bool = Field(description="The server ended meanwhile; `again` goes on")

    @classmethod
    def of(cls, begun: imports.Import) -> "ImportAnswer":
        """Return an import as an answer."""
        row = DatasetAnswer.of(begun.dataset) if begun.dataset else None
        same = ("id", "name", "doing", "done", "total", "error", "interrupted")
        return cls(**{name: getattr(begun, name) for name in same}, dataset=row)


@router.post("/imports", status_code=HTTPStatus.ACCEPTED, responses=documented(404, *JSON_BODY))
def begin_import(library: Here, request: Request, response: Response, wanted: ImportRequest) -> ImportAnswer:
    """Begin to import a path on the server or an upload; look at the address in Location until it is done."""
    if (wanted.path is None) == (wanted.upload is None):
        raise InputError("Name either a path or an upload.")
    if wanted.upload is not None:
        begun = imports.of_upload(library, wanted.upload, wanted.name)
    else:
        begun = imports.of_path(library, str(wanted.path))
    response.headers.update(located(request, f"/imports/{begun.id}"))
    return ImportAnswer.of(begun)


@router.get("/imports", responses=documented(422))
def list_imports(library: Here, request: Request, limit: Limit = 50, offset: Offset = 0) -> Page[ImportAnswer]:
    """List the imports that go on, and those that were interrupted, the newest first."""
    rows = imports.unfinished(library)
    return page(request, [ImportAnswer.of(row) for row in part(rows, offset, limit)], len(rows), offset)


@router.get("/imports/{identity}", responses=documented(404, 422))
def get_import(library: Here, identity: Id) -> ImportAnswer:
    """Say how far an import is."""
    return ImportAnswer.of(imports.get(library, identity))


@router.post("/imports/{identity}/again", status_code=HTTPStatus.ACCEPTED, responses=documented(404, 422))
def import_again(library: Here, identity: Id) -> ImportAnswer:
    """Go on with an interrupted import; any other is left as it is."""
    return ImportAnswer.of(imports.again(library, identity))


@router.delete("/imports/{identity}", status_code=HTTPStatus.NO_CONTENT, responses=documented(404, 409, 422))
def give_up_import(library: Here, identity: Id) -> None:
    """Forget an interrupted import, with the files that were uploaded for it."""
    imports.give_up(library, identity)
