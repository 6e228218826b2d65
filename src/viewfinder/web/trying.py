"""Addresses under which the page What if sends images, and fetches what came of many."""

import asyncio
from concurrent.futures import Future
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, Response

from viewfinder.errors import EngineError, InputError, NotFoundError, OvertakenError
from viewfinder.messages import Message
from viewfinder.rest.problems import problem
from viewfinder.rest.raw import whole
from viewfinder.service.library import batches, trials
from viewfinder.service.library.library import Library


def add_trying(app: FastAPI, library: Library) -> None:
    """Add them to the application."""

    @app.post("/try/{identity}/images")
    async def _image(identity: str, name: str, request: Request) -> Response:
        try:
            trial = trials.get(library, identity)
            content = await whole(request.stream(), trials.MOST_FILE_BYTES)
            return await _answered(library, trials.look(library, trial, name, content))
        except InputError as error:
            return _problem(error)

    @app.post("/try/{identity}/samples/{number}")
    async def _sample(identity: str, number: int) -> Response:
        try:
            trial = trials.get(library, identity)
            return await _answered(library, trials.look_at_sample(library, trial, number))
        except InputError as error:
            return _problem(error)

    @app.get("/files/predictions/{identity}.csv")
    def _csv(identity: str) -> Response:
        try:
            batch = batches.get(library, identity)
        except NotFoundError as error:
            return _problem(error)
        if not batch.csv.is_file():
            return _problem(NotFoundError(f"'{batch.name}' has no predictions yet."))
        name = f"{batch.name}.csv"
        return FileResponse(batch.csv, headers={"X-Content-Type-Options": "nosniff"}, filename=name)


async def _answered(library: Library, asked: "Future[Message]") -> Response:
    try:
        return JSONResponse(trials.found(library, await asyncio.wrap_future(asked)))
    except EngineError as error:
        return _problem(error)


def _problem(error: InputError | EngineError) -> Response:
    kinds = {
        NotFoundError: HTTPStatus.NOT_FOUND,
        OvertakenError: HTTPStatus.CONFLICT,
        EngineError: HTTPStatus.SERVICE_UNAVAILABLE,
    }
    return problem(kinds.get(type(error), HTTPStatus.UNPROCESSABLE_ENTITY), str(error))
