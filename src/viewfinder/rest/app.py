"""The REST API, mounted at /api/v1. Errors are problem+json (RFC 9457)."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from viewfinder.errors import ConflictError, InputError, NotFoundError
from viewfinder.service.library import datasets, imports, uploads
from viewfinder.service.library.library import Library
from viewfinder.store import Dataset


class Begun(BaseModel):
    """Something that was begun, by its id."""

    id: str


class DatasetAnswer(BaseModel):
    """A dataset."""

    id: str
    name: str
    task: str
    format: str
    fingerprint: str
    images: int
    classes: list[str]
    created: float

    @classmethod
    def of(cls, row: Dataset) -> "DatasetAnswer":
        """Return a row as an answer."""
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class ImportRequest(BaseModel):
    """What to import: a path on the server, or an upload."""

    path: str | None = Field(None, description="A folder or file on the server")
    upload: str | None = Field(None, description="The id of an upload")
    name: str = Field("", max_length=200)


class ImportAnswer(BaseModel):
    """How far an import is."""

    id: str
    name: str
    done: int
    total: int
    dataset: DatasetAnswer | None
    error: str | None

    @classmethod
    def of(cls, begun: imports.Import) -> "ImportAnswer":
        """Return an import as an answer."""
        row = DatasetAnswer.of(begun.dataset) if begun.dataset else None
        return cls(id=begun.id, name=begun.name, done=begun.done, total=begun.total, dataset=row, error=begun.error)


def create_rest(library: Library) -> FastAPI:
    """Return the API over a library."""
    app = FastAPI(title="Viewfinder", version="1", docs_url=None, redoc_url=None)
    _problems(app)
    _datasets(app, library)
    _uploads(app, library)
    return app


def _datasets(app: FastAPI, library: Library) -> None:
    @app.get("/datasets")
    def list_datasets() -> list[DatasetAnswer]:
        return [DatasetAnswer.of(row) for row in datasets.datasets(library)]

    @app.get("/datasets/{identity}")
    def get_dataset(identity: str) -> DatasetAnswer:
        return DatasetAnswer.of(library.get(Dataset, identity))

    @app.post("/imports", status_code=HTTPStatus.ACCEPTED)
    def begin_import(wanted: ImportRequest) -> ImportAnswer:
        if (wanted.path is None) == (wanted.upload is None):
            raise InputError("Name either a path or an upload.")
        if wanted.upload is not None:
            return ImportAnswer.of(imports.of_upload(library, wanted.upload, wanted.name))
        return ImportAnswer.of(imports.of_path(library, str(wanted.path)))

    @app.get("/imports/{identity}")
    def get_import(identity: str) -> ImportAnswer:
        return ImportAnswer.of(imports.get(library, identity))


def _uploads(app: FastAPI, library: Library) -> None:
    @app.post("/uploads", status_code=HTTPStatus.CREATED)
    def begin_upload() -> Begun:
        return Begun(id=uploads.begin(library))

    @app.put("/uploads/{identity}/files/{name:path}", status_code=HTTPStatus.NO_CONTENT)
    async def put_file(identity: str, name: str, request: Request) -> Response:
        await uploads.receive(library, identity, name, request.stream())
        return Response(status_code=HTTPStatus.NO_CONTENT)


def _problems(app: FastAPI) -> None:
    @app.exception_handler(InputError)
    def _input(request: Request, error: InputError) -> JSONResponse:
        kinds = {NotFoundError: HTTPStatus.NOT_FOUND, ConflictError: HTTPStatus.CONFLICT}
        return problem(kinds.get(type(error), HTTPStatus.UNPROCESSABLE_ENTITY), str(error))

    @app.exception_handler(RequestValidationError)
    def _validation(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"{where}: {first['msg']}.")

    @app.exception_handler(HTTPException)
    def _http(request: Request, error: HTTPException) -> JSONResponse:
        return problem(HTTPStatus(error.status_code), str(error.detail), dict(error.headers or {}))


def problem(status: HTTPStatus, detail: str, headers: dict[str, Any] | None = None) -> JSONResponse:
    """Return a problem as RFC 9457 has it."""
    content = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail}
    return JSONResponse(content, status, headers=headers, media_type="application/problem+json")
