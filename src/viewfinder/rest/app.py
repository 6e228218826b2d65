"""The REST API, mounted at /api/v1: thin over the service, one module for each noun."""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from viewfinder.rest import (
    analyses,
    batches,
    catalogue,
    comparing,
    datasets,
    designs,
    downloads,
    events,
    history,
    images,
    imports,
    results,
    runs,
    saved_models,
    server,
    system,
    texts,
    tokens,
    trash,
    trying,
    uploads,
)
from viewfinder.rest.problems import Problem, add_problems
from viewfinder.service.library.analyses import setting_names
from viewfinder.service.library.library import Library

ROUTERS: tuple[APIRouter, ...] = (
    datasets.router,
    images.router,
    imports.router,
    uploads.router,
    analyses.router,
    designs.router,
    texts.router,
    runs.router,
    history.router,
    events.router,
    results.router,
    downloads.router,
    comparing.router,
    saved_models.router,
    trying.router,
    batches.router,
    trash.router,
    catalogue.router,
    tokens.router,
    system.router,
    server.router,
)


class Rest(FastAPI):
    """The application; its schema also says what problems and designs look like."""

    def openapi(self) -> dict[str, Any]:
        """Return the schema of the API."""
        if self.openapi_schema is None:
            schema = super().openapi()
            schema["components"]["schemas"]["Problem"] = Problem.model_json_schema()
            body = {method: schema["paths"][designs.ADDRESS][method]["requestBody"] for method in ("put", "patch")}
            whole, values = (body[method]["content"]["application/json"] for method in ("put", "patch"))
            whole["schema"] = {"$ref": "#/components/schemas/Design"}
            values["schema"]["properties"] = {name: {} for name in setting_names()}
            for part in ("Design", "Metrics", "Training"):
                del schema["components"]["schemas"][part]["required"]  # the task has defaults for them
        return self.openapi_schema or {}


def create_rest(library: Library) -> FastAPI:
    """Return the API over a library."""
    app = Rest(
        title="Viewfinder",
        version="1",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        separate_input_output_schemas=False,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.library = library
    add_problems(app, _routes)
    for router in ROUTERS:
        app.include_router(router)
    return app


def _routes() -> Sequence[BaseRoute]:
    return [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
