"""Files of a run to keep, as they are."""

from pathlib import Path
from typing import Any

from fastapi import APIRouter
from fastapi.responses import FileResponse

from viewfinder.errors import RunError
from viewfinder.rest.here import Here, Id
from viewfinder.rest.pictures import NOSNIFF
from viewfinder.rest.problems import documented
from viewfinder.service.library import runs
from viewfinder.service.library.library import Library
from viewfinder.store import Run

router = APIRouter(tags=["results"])
HTML, TEXT, BYTES = "text/html", "text/plain", "application/octet-stream"


def _of(kind: str) -> dict[int | str, dict[str, Any]]:
    schema = {"type": "string", "contentMediaType": kind}
    return {200: {"description": "The file", "content": {kind: {"schema": schema}}}, **documented(404, 409, 422)}


@router.get("/runs/{identity}/report.html", response_class=FileResponse, responses=_of(HTML))
def get_report_page(library: Here, identity: Id) -> FileResponse:
    """Return the report as one page that opens offline."""
    path = _path(library, identity, "report.html", "report yet. `reported` of the run says when it has")
    return FileResponse(path, media_type=HTML, headers={**NOSNIFF, "Content-Security-Policy": "sandbox"})


@router.get("/runs/{identity}/model.safetensors", response_class=FileResponse, responses=_of(BYTES))
def get_model(library: Here, identity: Id) -> FileResponse:
    """Return the weights of the best epoch."""
    path = _path(library, identity, "model/model.safetensors", "model yet: no epoch is finished")
    return FileResponse(path, media_type=BYTES, headers=NOSNIFF, filename=path.name)


@router.get("/runs/{identity}/predictions.parquet", response_class=FileResponse, responses=_of(BYTES))
def get_prediction_table(library: Here, identity: Id) -> FileResponse:
    """Return what the model said of each test image, as a Parquet table."""
    path = _path(library, identity, "predictions.parquet", "predictions yet: no epoch is finished")
    return FileResponse(path, media_type=BYTES, headers=NOSNIFF, filename=path.name)


@router.get("/runs/{identity}/log.txt", response_class=FileResponse, responses=_of(TEXT))
def get_log(library: Here, identity: Id) -> FileResponse:
    """Return what the trainer wrote."""
    path = _path(library, identity, "log.txt", "log yet: it has not started")
    return FileResponse(path, media_type=TEXT, headers=NOSNIFF)


def _path(library: Library, identity: str, name: str, what: str) -> Path:
    row = library.get(Run, identity)
    path = runs.folder(library, row).path / name
    if not path.is_file():
        raise RunError(f"'{row.name}' has no {what}.")
    return path
