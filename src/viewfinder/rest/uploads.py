"""Uploads: files sent one by one, to be imported together."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel

from viewfinder.rest.here import Here, Id
from viewfinder.rest.problems import documented
from viewfinder.rest.raw import RAW
from viewfinder.service.library import uploads

router = APIRouter(tags=["datasets"])


class UploadAnswer(BaseModel):
    """An upload that was begun."""

    id: str


class SentAnswer(BaseModel):
    """What was sent of an upload: the bytes of each file that is there whole."""

    id: str
    files: dict[str, int]


@router.post("/uploads", status_code=HTTPStatus.CREATED)
def begin_upload(library: Here) -> UploadAnswer:
    """Begin an upload; one that is abandoned for a day is removed."""
    return UploadAnswer(id=uploads.begin(library))


@router.get("/uploads/{identity}", responses=documented(404, 422))
def get_upload(library: Here, identity: Id) -> SentAnswer:
    """Say what is there already, so that only the rest need be sent."""
    return SentAnswer(id=identity, files=uploads.sent(library, identity))


@router.put(
    "/uploads/{identity}/files/{name:path}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=documented(404, 422),
    openapi_extra=RAW,
)
async def receive_file(
    library: Here,
    identity: Id,
    name: Annotated[str, Path(max_length=4096, description="Its path inside the upload")],
    request: Request,
) -> Response:
    """Send a file's bytes, as they are; sent again, it is replaced."""
    await uploads.receive(library, identity, name, request.stream())
    return Response(status_code=HTTPStatus.NO_CONTENT)
