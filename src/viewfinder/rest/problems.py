"""Problems: every answer that is not what was asked for is problem+json (RFC 9457)."""

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import BaseRoute, Match

from viewfinder.errors import (
    ConflictError,
    EngineError,
    InputError,
    NotFoundError,
    OutdatedError,
    RunError,
    StateError,
)

MEDIA_TYPE = "application/problem+json"
LONGEST = 4000  # characters of a detail; what was sent may be long, and is quoted
KINDS: tuple[tuple[type[InputError], HTTPStatus], ...] = (
    (NotFoundError, HTTPStatus.NOT_FOUND),
    (OutdatedError, HTTPStatus.PRECONDITION_FAILED),
    (ConflictError, HTTPStatus.CONFLICT),
    (StateError, HTTPStatus.CONFLICT),
    (RunError, HTTPStatus.CONFLICT),
    (InputError, HTTPStatus.UNPROCESSABLE_ENTITY),
)
"""What the user did wrong → the status that says so; the first that fits."""


class Problem(BaseModel):
    """What is wrong, in words for a person."""

    type: str = Field("about:blank", description="The kind of problem; about:blank: the title says it all")
    title: str = Field(description="The name of the status")
    status: int = Field(description="The HTTP status")
    detail: str = Field(description="What is wrong, and the way out")


def documented(*codes: int) -> dict[int | str, dict[str, Any]]:
    """Return the responses of an operation that may end in these problems, as its OpenAPI has them."""
    return {code: _documented(HTTPStatus(code)) for code in codes}


def _documented(status: HTTPStatus) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    example = Problem(title=status.phrase, status=status.value, detail=EXAMPLES[status.value])
    content = {"schema": schema, "example": example.model_dump()}
    return {"description": status.phrase, "content": {MEDIA_TYPE: content}}


EXAMPLES = {
    400: "The body is not JSON: expected value at line 1 column 7.",
    404: "There is no run '0a1b2c3d'. It may have been deleted.",
    409: "'Run 1' has no report yet. `reported` of the run says when it has.",
    412: "The design of 'digits' was changed meanwhile: it is version 4 now, not 3. Read it again, then change it.",
    413: "The body is larger than 1 MiB.",
    415: "The body is text/plain. Send application/json.",
    422: "training.epochs: '0' is not possible; it must be greater than or equal to 1 (or auto).",
    428: "Send the ETag of the design you read as If-Match, so that nobody's change is lost.",
    503: "It took longer than 60 s and was given up. Try again.",
}

JSON_BODY = (400, 413, 415, 422)
"""The problems of an operation that takes JSON."""


def problem(status: HTTPStatus, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Return a problem as the answer."""
    short = detail if len(detail) <= LONGEST else f"{detail[:LONGEST]}…"
    content = Problem(title=status.phrase, status=status.value, detail=short.encode(errors="replace").decode())
    return JSONResponse(content.model_dump(), status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def add_problems(app: FastAPI, routes: Callable[[], Sequence[BaseRoute]]) -> None:
    """Have an application answer with problems; `routes` tells what is allowed where a method is not."""

    @app.exception_handler(InputError)
    def _input(request: Request, error: InputError) -> JSONResponse:
        return problem(next(status for kind, status in KINDS if isinstance(error, kind)), str(error))

    @app.exception_handler(EngineError)
    def _engine(request: Request, error: EngineError) -> JSONResponse:
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error))

    @app.exception_handler(RequestValidationError)
    def _validation(request: Request, error: RequestValidationError) -> JSONResponse:
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "\n".join(map(_line, error.errors())))

    @app.exception_handler(HTTPException)
    def _http(request: Request, error: HTTPException) -> JSONResponse:
        status, headers, detail = HTTPStatus(error.status_code), dict(error.headers or {}), str(error.detail)
        if status is HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = ", ".join(allowed := _allowed(request, routes()))
            detail = f"{request.method} is not possible here. Choose one of: {', '.join(allowed)}."
        elif status is HTTPStatus.NOT_FOUND and detail == status.phrase:
            detail = f"There is nothing at '{request.url.path}'."
        return problem(status, detail, headers)

    @app.exception_handler(ClientDisconnect)
    def _gone(request: Request, error: ClientDisconnect) -> JSONResponse:
        return problem(HTTPStatus.BAD_REQUEST, "The connection ended before all was sent.")

    @app.exception_handler(Exception)
    def _own(request: Request, error: Exception) -> JSONResponse:
        return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "That is a fault of the server. Its log says more.")


def _line(error: Any) -> str:
    """Return what is wrong with a part of a request, by the name of the part."""
    where = ".".join(str(part) for part in error["loc"][1:]) or error["loc"][0]
    return f"{where}: {error['msg']}."


def _allowed(request: Request, routes: Sequence[BaseRoute]) -> list[str]:
    found = (route for route in routes if route.matches(request.scope)[0] is not Match.NONE)
    return sorted({method for route in found for method in getattr(route, "methods", None) or ()})
