"""Saved models: runs' models that are put to work under a name, version by version, one of them active."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from viewfinder.errors import InputError
from viewfinder.rest.here import Here, Id
from viewfinder.rest.history import EntryAnswer
from viewfinder.rest.naming import NameRequest, NotesRequest
from viewfinder.rest.paging import Limit, Offset, Page, located, page, part
from viewfinder.rest.pictures import NOSNIFF
from viewfinder.rest.problems import JSON_BODY, documented
from viewfinder.rest.strict import StrictRoute
from viewfinder.service.library import names, saved, trash
from viewfinder.service.library.library import Library
from viewfinder.store import Run, SavedModel, Version

router = APIRouter(tags=["saved models"], route_class=StrictRoute)
Number = Annotated[int, Path(ge=1, le=1_000_000_000, description="The number of the version")]
ZIP: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A zip of model.json and model.safetensors",
        "content": {"application/zip": {"schema": {"type": "string", "contentMediaType": "application/zip"}}},
    }
}


class DeployRequest(BaseModel):
    """Where the model goes: the name of a new saved model, or the id of one that gets another version."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"name": "Digits"}]})
    name: str | None = Field(None, min_length=1, max_length=200)
    saved_model: str | None = Field(None, max_length=64)
    notes: str = Field("", max_length=10_000)
    activate: bool = Field(True, description="Use it at once; a first version is in any case")


class ActiveRequest(BaseModel):
    """The version to use."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"version": 2}]})
    version: int = Field(ge=1, le=1_000_000_000)


class SavedModelAnswer(BaseModel):
    """A saved model; `active` is the number of the version in use. `created` is in seconds since 1970 (UTC)."""

    id: str
    name: str
    task: str
    created: float
    active: int | None

    @classmethod
    def of(cls, row: SavedModel) -> "SavedModelAnswer":
        """Return a row as an answer."""
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class VersionAnswer(BaseModel):
    """A version of a saved model, and the run that it is a copy of."""

    saved_model: str
    number: int
    run: str
    created: float
    notes: str

    @classmethod
    def of(cls, row: Version) -> "VersionAnswer":
        """Return a row as an answer."""
        same = {name: getattr(row, name) for name in ("number", "created", "notes")}
        return cls(**same, saved_model=row.saved_model_id, run=row.run_id)


class OriginAnswer(VersionAnswer):
    """A version, and where it came from: its run with its score, its analysis and its dataset."""

    trained: EntryAnswer
    analysis: str
    dataset: str
    bytes: int

    @classmethod
    def of_version(cls, library: Library, row: Version) -> "OriginAnswer":
        """Return a row and its origin as an answer."""
        found = saved.origin(library, row)
        more = {"analysis": found.analysis.id, "dataset": found.dataset.id, "bytes": found.bytes}
        version = VersionAnswer.of(row).model_dump()
        return cls.model_validate({**version, **more, "trained": EntryAnswer.of(found.entry)})


class VersionsAnswer(SavedModelAnswer):
    """A saved model with its versions, the newest first."""

    versions: list[OriginAnswer]


@router.post("/runs/{identity}/deploy", status_code=HTTPStatus.CREATED, responses=documented(404, 409, *JSON_BODY))
def deploy_run(
    library: Here, identity: Id, request: Request, response: Response, wanted: DeployRequest
) -> VersionAnswer:
    """Make a copy of a run's model a version of a saved model."""
    if (wanted.name is None) == (wanted.saved_model is None):
        raise InputError("Name either a new saved model or the id of one that is there.")
    into = library.get(SavedModel, wanted.saved_model) if wanted.saved_model is not None else None
    row = library.get(Run, identity)
    made = saved.deploy(library, row, into, name=wanted.name or "", notes=wanted.notes, activate=wanted.activate)
    response.headers.update(located(request, f"/saved-models/{made.saved_model_id}"))
    return VersionAnswer.of(made)


@router.get("/saved-models", responses=documented(422))
def list_saved_models(library: Here, request: Request, limit: Limit = 50, offset: Offset = 0) -> Page[SavedModelAnswer]:
    """List the saved models, the newest first."""
    rows = saved.saved_models(library)
    return page(request, [SavedModelAnswer.of(row) for row in part(rows, offset, limit)], len(rows), offset)


@router.get("/saved-models/{identity}", responses=documented(404, 422))
def get_saved_model(library: Here, identity: Id) -> VersionsAnswer:
    """Return a saved model with its versions, and where each came from."""
    row = library.get(SavedModel, identity)
    found = [OriginAnswer.of_version(library, one) for one in saved.versions(library, row)]
    return VersionsAnswer(**SavedModelAnswer.of(row).model_dump(), versions=found)


@router.patch("/saved-models/{identity}", responses=documented(404, *JSON_BODY))
def rename_saved_model(library: Here, identity: Id, wanted: NameRequest) -> SavedModelAnswer:
    """Give a saved model another name."""
    return SavedModelAnswer.of(names.rename(library, library.get(SavedModel, identity), wanted.name))


@router.delete("/saved-models/{identity}", status_code=HTTPStatus.NO_CONTENT, responses=documented(404, 409, 422))
def delete_saved_model(library: Here, identity: Id) -> None:
    """Move a saved model to the trash, with its versions."""
    trash.discard(library, library.get(SavedModel, identity))


@router.put("/saved-models/{identity}/active", responses=documented(404, *JSON_BODY))
def activate_version(library: Here, identity: Id, wanted: ActiveRequest) -> SavedModelAnswer:
    """Put a version to use."""
    return SavedModelAnswer.of(saved.activate(library, library.get(SavedModel, identity), wanted.version))


@router.post("/saved-models/{identity}/roll-back", responses=documented(404, 409, 422))
def roll_back(library: Here, identity: Id) -> SavedModelAnswer:
    """Put the version before the active one to use."""
    return SavedModelAnswer.of(saved.roll_back(library, library.get(SavedModel, identity)))


@router.patch("/saved-models/{identity}/versions/{number}", responses=documented(404, *JSON_BODY))
def change_version(library: Here, identity: Id, number: Number, wanted: NotesRequest) -> OriginAnswer:
    """Replace the notes on a version."""
    row = saved.get_version(library, library.get(SavedModel, identity), number)
    names.write_notes(library, row, wanted.notes)
    return OriginAnswer.of_version(library, saved.get_version(library, library.get(SavedModel, identity), number))


@router.get(
    "/saved-models/{identity}/versions/{number}.zip",
    response_class=StreamingResponse,
    responses=documented(404, 422) | ZIP,
)
def download_version(library: Here, identity: Id, number: Number) -> StreamingResponse:
    """Return the files of a version as a zip."""
    row = saved.get_version(library, library.get(SavedModel, identity), number)
    named = {"Content-Disposition": f'attachment; filename="model-{identity}-{number}.zip"'}
    pieces = saved.zipped(saved.folder(library, row))
    return StreamingResponse(pieces, media_type="application/zip", headers={**NOSNIFF, **named})
