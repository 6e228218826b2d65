"""The web application, built in memory by one call."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.responses import FileResponse, PlainTextResponse, Response
from nicegui import ui

from viewfinder.errors import InputError
from viewfinder.jobs.local import LocalJobs
from viewfinder.rest.app import create_rest
from viewfinder.service.library import gallery, runs
from viewfinder.service.library.library import Library
from viewfinder.store import Dataset, Run
from viewfinder.web import add, dataset, design, home, live, result

NOSNIFF = {"X-Content-Type-Options": "nosniff"}
IMMUTABLE = "private, max-age=31536000, immutable"


def create_app(library: Library, jobs: LocalJobs) -> FastAPI:
    """Return the application over a library; its runs are started while it is served."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        jobs.open()
        yield
        jobs.close()

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.mount("/api/v1", create_rest(library))
    _files(app, library)
    _pages(library)
    ui.run_with(app, title="Viewfinder", dark=None, language="en-US", show_welcome_message=False)
    return app


def _files(app: FastAPI, library: Library) -> None:
    @app.get("/healthz")
    def _health() -> PlainTextResponse:
        return PlainTextResponse("ok")

    @app.get("/files/runs/{identity}/report.html")
    def _report(identity: str) -> Response:
        try:
            path = runs.folder(library, library.get(Run, identity)).path / "report.html"
        except InputError:
            return Response(status_code=404)
        if not path.is_file():
            return Response(status_code=404)
        return FileResponse(path, headers={"Content-Security-Policy": "sandbox", **NOSNIFF})

    @app.get("/files/datasets/{identity}/{sha256}.jpg")
    def _thumbnail(identity: str, sha256: str) -> Response:
        try:
            content = gallery.thumbnail(library, library.get(Dataset, identity), sha256)
        except InputError:
            return Response(status_code=404)
        return Response(content, media_type="image/jpeg", headers={**NOSNIFF, "Cache-Control": IMMUTABLE})


def _pages(library: Library) -> None:
    @ui.page("/")
    async def _home() -> None:
        await home.home(library)

    @ui.page("/datasets/new")
    async def _add() -> None:
        await add.add(library)

    @ui.page("/imports/{identity}")
    async def _import(identity: str) -> None:
        await add.importing(library, identity)

    @ui.page("/datasets/{identity}")
    async def _dataset(identity: str, shows: str | None = None, page: int = 1) -> None:
        await dataset.dataset(library, identity, shows, page)

    @ui.page("/analyses/{identity}")
    async def _analysis(identity: str, tab: str = "training") -> None:
        await design.design(library, identity, tab)

    @ui.page("/runs/{identity}")
    async def _run(identity: str) -> None:
        await live.live(library, identity)

    @ui.page("/runs/{identity}/result")
    async def _result(identity: str) -> None:
        await result.result(library, identity)
