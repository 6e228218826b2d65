"""Batches: uploaded images that a model predicts in the background, into a CSV."""

from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict, Field

from viewfinder.errors import InputError, StateError
from viewfinder.rest.datasets import DiagnosticAnswer
from viewfinder.rest.here import Here, Id
from viewfinder.rest.paging import Limit, Offset, Page, located, page, part
from viewfinder.rest.pictures import NOSNIFF
from viewfinder.rest.problems import JSON_BODY, documented
from viewfinder.rest.strict import StrictRoute
from viewfinder.rest.trying import of_run, of_saved
from viewfinder.service.library import batches
from viewfinder.service.library.batches import Batch

router = APIRouter(tags=["trying"], route_class=StrictRoute)
MOST_LISTED = 100
CSV: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A line for each image",
        "content": {"text/csv": {"schema": {"type": "string", "contentMediaType": "text/csv"}}},
    }
}


class BatchRequest(BaseModel):
    """An upload, and what predicts it: the model of a run, or the active version of a saved model."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"upload": "0a1b2c3d", "run": "1b2c3d4e", "name": "May"}]}
    )
    upload: str = Field(max_length=64, description="The id of an upload")
    run: str | None = Field(None, max_length=64)
    saved_model: str | None = Field(None, max_length=64)
    name: str = Field("Uploaded files", min_length=1, max_length=200)


class BatchAnswer(BaseModel):
    """How far a batch is: images done of those found; `left_out` cannot be read, the first of them are named.

    A `resumable` one ended early, and goes on when it is asked to.
    """

    id: str
    name: str
    state: Literal["waiting", "running", "finished", "stopped", "failed", "interrupted"]
    done: int
    total: int
    error: str | None
    resumable: bool
    left_out: int
    unreadable: list[DiagnosticAnswer]

    @classmethod
    def of(cls, batch: Batch) -> "BatchAnswer":
        """Return a batch as an answer."""
        same = {name: getattr(batch, name) for name in ("id", "name", "state", "done", "total", "error", "resumable")}
        named = [DiagnosticAnswer.of(one) for one in batch.unreadable[:MOST_LISTED]]
        return cls(**same, left_out=len(batch.unreadable), unreadable=named)


@router.post("/batches", status_code=HTTPStatus.ACCEPTED, responses=documented(404, 409, *JSON_BODY))
def begin_batch(library: Here, request: Request, response: Response, wanted: BatchRequest) -> BatchAnswer:
    """Begin to predict what was uploaded, images or zips; look at the address in Location until it is over."""
    if wanted.run is not None and wanted.saved_model is None:
        model = of_run(library, wanted.run)
    elif wanted.saved_model is not None and wanted.run is None:
        model = of_saved(library, wanted.saved_model)
    else:
        raise InputError("Name either a run or a saved model.")
    batch = batches.of_upload(library, wanted.upload, wanted.name, model)
    response.headers.update(located(request, f"/batches/{batch.id}"))
    return BatchAnswer.of(batch)


@router.get("/batches", responses=documented(404, 409, 422))
def list_batches(
    library: Here,
    request: Request,
    run: Annotated[str | None, Query(max_length=64, description="Only those of this run's model")] = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> Page[BatchAnswer]:
    """List the batches, the newest first."""
    rows = batches.batches(library) if run is None else batches.of_model(library, of_run(library, run))
    return page(request, [BatchAnswer.of(row) for row in part(rows, offset, limit)], len(rows), offset)


@router.get("/batches/{identity}", responses=documented(404, 422))
def get_batch(library: Here, identity: Id) -> BatchAnswer:
    """Say how far a batch is."""
    return BatchAnswer.of(batches.get(library, identity))


@router.delete("/batches/{identity}", status_code=HTTPStatus.NO_CONTENT, responses=documented(404, 409, 422))
def delete_batch(library: Here, identity: Id) -> None:
    """Delete a batch that is over, its images and its CSV, for good."""
    batches.delete(library, identity)


@router.post("/batches/{identity}/stop", status_code=HTTPStatus.ACCEPTED, responses=documented(404, 422))
def stop_batch(library: Here, identity: Id) -> BatchAnswer:
    """Ask a batch to stop; one that waits never starts."""
    batch = batches.get(library, identity)
    batches.stop(batch)
    return BatchAnswer.of(batch)


@router.post("/batches/{identity}/resume", status_code=HTTPStatus.ACCEPTED, responses=documented(404, 409, 422))
def resume_batch(library: Here, identity: Id) -> BatchAnswer:
    """Let a batch that was stopped, failed or was interrupted go on with the images that are left."""
    return BatchAnswer.of(batches.resume(library, identity))


@router.get(
    "/batches/{identity}/predictions.csv", response_class=FileResponse, responses=documented(404, 409, 422) | CSV
)
def get_batch_table(library: Here, identity: Id) -> FileResponse:
    """Return what the model said of each image, as a CSV."""
    batch = batches.get(library, identity)
    if not batch.csv.is_file():
        raise StateError(f"'{batch.name}' has no predictions yet: it is {batch.state}.")
    return FileResponse(batch.csv, media_type="text/csv", headers=NOSNIFF, filename=f"{batch.name}.csv")
