"""The web application, built in memory by one call."""

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any, TypeVar

import nicegui
from fastapi import Depends, FastAPI, Query
from nicegui import ui

from viewfinder.errors import InputError
from viewfinder.jobs.local import LocalJobs
from viewfinder.rest.app import create_rest
from viewfinder.service.library import batches, trash
from viewfinder.service.library.gallery import Asked
from viewfinder.service.library.library import Library
from viewfinder.web import (
    add,
    compare,
    dataset,
    design,
    frame,
    history,
    home,
    live,
    models,
    result,
    system,
    weights,
    what_if,
)
from viewfinder.web.files import add_files
from viewfinder.web.guard import Entry, Guard
from viewfinder.web.looking import Looking
from viewfinder.web.pages import Pages
from viewfinder.web.sign_in import add_sign_in
from viewfinder.web.sockets import Sockets
from viewfinder.web.trying import add_trying

DAY_S = 24 * 3600
RESPONSE_S = 30  # a page of a very large dataset may take longer than NiceGUI's three seconds on a busy machine
Build = TypeVar("Build", bound=Callable[..., Awaitable[None]])


def create_app(library: Library, jobs: LocalJobs, entry: Entry | None = None) -> Guard:
    """Return the application over a library; its runs are started while it is served.

    `entry` says who may come in; without it everybody who reaches it under a name of this machine alone.
    """
    entry, sockets = entry or Entry(), Sockets()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        jobs.open()
        await asyncio.to_thread(batches.recall, library)
        emptying = asyncio.create_task(_empty_trash(library))
        yield
        emptying.cancel()
        jobs.close()
        batches.stop_all(library)
        library.warm.close()

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.mount("/api/v1", create_rest(library))
    add_sign_in(app, entry, sockets)
    add_files(app, library)
    add_trying(app, library)
    _library_pages(library)
    _run_pages(library)
    _model_pages(library)
    nicegui.app.add_middleware(Pages, routes=nicegui.app.routes)
    nicegui.app.config.quasar_config["loadingBar"]["skipHijack"] = True  # a bar without a name, shown for the socket
    ui.run_with(app, title="Viewfinder", dark=None, language="en-US", show_welcome_message=False)
    return Guard(app, entry, sockets)


async def _empty_trash(library: Library) -> None:
    """Remove for good what has been in the trash for a week: now, and once a day."""
    while True:
        await asyncio.to_thread(trash.empty, library)
        await asyncio.sleep(DAY_S)


def _page(address: str) -> Callable[[Build], Build]:
    """Register a page; what is wrong with its address or its library is said on it."""

    def register(build: Build) -> Build:
        @functools.wraps(build)
        async def built(*args: Any, **given: Any) -> None:
            try:
                await build(*args, **given)
            except InputError as error:
                with frame.page("Not here"):
                    frame.heading("That is not here")
                    ui.label(str(error)).props("role=alert")
                    frame.link_button("Home", "/", "home")

        ui.page(address, response_timeout=RESPONSE_S)(built)
        return build

    return register


def _library_pages(library: Library) -> None:
    @_page("/")
    async def _home(trashed: str | None = None) -> None:
        await home.home(library, trashed)

    @_page("/datasets/new")
    async def _add(upload: str = "") -> None:
        await add.add(library, upload)

    @_page("/imports/{identity}")
    async def _import(identity: str) -> None:
        await add.importing(library, identity)

    @_page("/datasets/{identity}")
    async def _dataset(
        identity: str,
        shows: str | None = None,
        split: str | None = None,
        problem: str | None = None,
        find: str = "",
        sort: str = "name",
        page: int = 1,
        image: str | None = None,
    ) -> None:
        asked = Asked(shows, split, problem, find, sort)
        if image:
            await dataset.image(library, identity, asked, image)
        else:
            await dataset.dataset(library, identity, asked, page)


def _run_pages(library: Library) -> None:
    @_page("/analyses/{identity}")
    async def _analysis(identity: str, tab: str = "training") -> None:
        await design.design(library, identity, tab)

    @_page("/runs/{identity}")
    async def _run(identity: str) -> None:
        await live.live(library, identity)

    @_page("/runs/{identity}/try")
    async def _try(identity: str) -> None:
        await what_if.of_run(library, identity)

    @_page("/runs/{identity}/result")
    async def _result(identity: str, looking: Annotated[Looking, Depends()]) -> None:
        await result.result(library, identity, looking)

    @_page("/runs/{identity}/image")
    async def _image(identity: str, looking: Annotated[Looking, Depends()]) -> None:
        await result.image(library, identity, looking)

    @_page("/analyses/{identity}/runs")
    async def _runs(identity: str, trashed: str | None = None) -> None:
        await history.run_table(library, identity, trashed)

    @_page("/compare")
    async def _compare(run: Annotated[list[str], Query()] = []) -> None:  # noqa: B006 - never changed
        await compare.compare(library, run)


def _model_pages(library: Library) -> None:
    @_page("/models")
    async def _models(trashed: str | None = None) -> None:
        await models.models(library, trashed)

    @_page("/models/{identity}")
    async def _model(identity: str) -> None:
        await models.model(library, identity)

    @_page("/models/{identity}/try")
    async def _try_saved(identity: str) -> None:
        await what_if.of_saved(library, identity)

    @_page("/weights")
    async def _weights() -> None:
        await weights.model_catalogue(library)

    @_page("/system")
    async def _system() -> None:
        await system.system_page(library)
