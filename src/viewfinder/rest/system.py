"""The machine's side of the library: the disk, copies of the database, and what is installed."""

from http import HTTPStatus
from pathlib import Path as File
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict, Field

from viewfinder.rest.here import Here
from viewfinder.rest.paging import Limit, Offset, Page, located, page, part
from viewfinder.rest.pictures import NOSNIFF
from viewfinder.rest.problems import documented
from viewfinder.service.library import system

router = APIRouter(tags=["system"], prefix="/system")
COPY: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A SQLite database",
        "content": {"application/vnd.sqlite3": {"schema": {"type": "string"}}},
    }
}


class UseAnswer(BaseModel):
    """What something takes of the disk; `id` is of a dataset, run or saved model, empty for what is none."""

    model_config = ConfigDict(from_attributes=True)
    kind: str
    name: str
    bytes: int
    id: str


class DiskAnswer(BaseModel):
    """What the library takes, the largest first, and what is left where it lies, in bytes."""

    model_config = ConfigDict(from_attributes=True)
    uses: list[UseAnswer]
    free: int
    total: int


class FreedAnswer(BaseModel):
    """How much was removed."""

    freed: int = Field(description="In bytes")


class CopyAnswer(BaseModel):
    """A copy of the database."""

    name: str
    bytes: int

    @classmethod
    def of(cls, path: File) -> "CopyAnswer":
        """Return a file as an answer."""
        return cls(name=path.name, bytes=path.stat().st_size)


@router.get("/disk")
def get_disk(library: Here) -> DiskAnswer:
    """Count what the library takes of the disk; that takes a while."""
    return DiskAnswer.model_validate(system.disk(library))


@router.get("/versions")
def list_versions() -> dict[str, str]:
    """Return the versions of what is installed."""
    return system.versions()


@router.post("/clear-caches")
def clear_caches(library: Here) -> FreedAnswer:
    """Remove what is made again when it is needed."""
    return FreedAnswer(freed=system.clear_caches(library))


@router.post("/backups", status_code=HTTPStatus.CREATED, responses=documented(422))
def back_up(library: Here, request: Request, response: Response) -> CopyAnswer:
    """Copy the database as it is at one moment."""
    made = CopyAnswer.of(system.back_up(library))
    response.headers.update(located(request, f"/system/backups/{made.name}"))
    return made


@router.get("/backups", responses=documented(422))
def list_backups(library: Here, request: Request, limit: Limit = 50, offset: Offset = 0) -> Page[CopyAnswer]:
    """List the copies of the database, the newest first."""
    rows = system.backups(library)
    return page(request, [CopyAnswer.of(row) for row in part(rows, offset, limit)], len(rows), offset)


@router.get("/backups/{name}", response_class=FileResponse, responses=documented(404, 422) | COPY)
def get_backup(library: Here, name: Annotated[str, Path(max_length=200)]) -> FileResponse:
    """Return a copy of the database."""
    path = system.backup(library, name)
    return FileResponse(path, media_type="application/vnd.sqlite3", headers=NOSNIFF, filename=path.name)
