"""Files that pages refer to: pictures that were encoded anew, reports, models."""

from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path

from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse

from viewfinder.errors import InputError, NotFoundError
from viewfinder.service.library import gallery, runs, saved, system, weight_files
from viewfinder.service.library.library import Library
from viewfinder.store import Dataset, Run, SavedModel

NOSNIFF = {"X-Content-Type-Options": "nosniff"}
AT_ONCE = 2  # pictures that are made at the same time, so that a page of them leaves room for everybody else
NOTHING = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-18 -18 60 60" fill="none" stroke="#8a94a0">'
    b'<rect x="5" y="6" width="14" height="12" rx="1"/><path d="M4 20 20 4"/></svg>'
)
IMMUTABLE = {**NOSNIFF, "Cache-Control": "private, max-age=31536000, immutable"}
KEPT = {
    "report.html": "report.html",
    "predictions.parquet": "predictions.parquet",
    "log.txt": "log.txt",
    "model.safetensors": "model/model.safetensors",
}


def add_files(app: FastAPI, library: Library) -> None:
    """Add the addresses of files to the application."""

    @app.get("/healthz")
    def _health() -> PlainTextResponse:
        return PlainTextResponse("ok")

    _add_pictures(app, library)
    _add_downloads(app, library)
    _add_weights(app, library)


def _add_pictures(app: FastAPI, library: Library) -> None:
    """Add what is shown of images: each is encoded anew."""
    making = CapacityLimiter(AT_ONCE)

    async def jpeg(make: Callable[[], bytes], headers: dict[str, str]) -> Response:
        return await to_thread.run_sync(_jpeg, make, headers, limiter=making)

    @app.get("/files/datasets/{identity}/{sha256}.jpg")
    async def _thumbnail(identity: str, sha256: str) -> Response:
        return await jpeg(lambda: gallery.thumbnail(library, library.get(Dataset, identity), sha256), IMMUTABLE)

    @app.get("/files/datasets/{identity}/full/{sha256}.jpg")
    async def _full(identity: str, sha256: str) -> Response:
        return await jpeg(lambda: gallery.full(library, library.get(Dataset, identity), sha256), IMMUTABLE)

    @app.get("/files/datasets/{identity}/left-out")
    async def _left_out(identity: str, image: str, full: bool = False) -> Response:
        longest = gallery.FULL_PX if full else gallery.THUMBNAIL_PX
        found = await jpeg(lambda: gallery.left_out(library, library.get(Dataset, identity), image, longest), NOSNIFF)
        found.status_code = HTTPStatus.OK  # that it cannot be shown is no surprise: it was left out
        return found

    @app.get("/files/previews/{digest}.jpg")
    def _preview(digest: str) -> Response:
        return _jpeg(lambda: library.pictures.get(digest), IMMUTABLE)

    @app.get("/files/runs/{identity}/images/{row}.jpg")
    async def _judged(
        identity: str, row: int, threshold: float | None = None, iou: float | None = None, full: bool = False
    ) -> Response:
        def picture() -> bytes:
            judged = library.judged(runs.folder(library, library.get(Run, identity)))
            return judged.picture(row, judged.view(threshold, iou), full)

        return await jpeg(picture, NOSNIFF)

    @app.get("/files/runs/{identity}/latest/{row}.jpg")
    async def _latest(identity: str, row: int) -> Response:
        def picture() -> bytes:
            judged = library.latest(runs.folder(library, library.get(Run, identity)))
            if judged is None:
                raise NotFoundError("No epoch is finished.")
            return judged.picture(row, judged.view())

        return await jpeg(picture, NOSNIFF)


def _add_downloads(app: FastAPI, library: Library) -> None:
    """Add what can be taken away: files of runs, saved models, copies of the database."""

    @app.get("/files/runs/{identity}/{name}")
    def _kept(identity: str, name: str) -> Response:
        try:
            return _file(runs.folder(library, library.get(Run, identity)).path, name)
        except InputError:
            return Response(status_code=404)

    @app.get("/files/models/{identity}/{number}.zip")
    def _version(identity: str, number: int) -> Response:
        try:
            folder = saved.folder(library, saved.get_version(library, library.get(SavedModel, identity), number))
        except InputError:
            return Response(status_code=404)
        named = {"Content-Disposition": f'attachment; filename="model-{identity}-{number}.zip"'}
        return StreamingResponse(saved.zipped(folder), media_type="application/zip", headers={**NOSNIFF, **named})

    @app.get("/files/backups/{name}")
    def _backup(name: str) -> Response:
        try:
            return FileResponse(system.backup(library, name), headers=NOSNIFF, filename=name)
        except InputError:
            return Response(status_code=404)


def _add_weights(app: FastAPI, library: Library) -> None:
    """Add a place to send weights to."""

    @app.put("/files/weights/{name}")
    async def _weights(name: str, request: Request) -> Response:
        try:
            row = await weight_files.receive(library, name, request.stream())
        except InputError as error:
            return JSONResponse({"detail": str(error)}, status_code=422)
        return JSONResponse({"file": row["file"], "models": row["models"]})


def _jpeg(make: Callable[[], bytes], headers: dict[str, str]) -> Response:
    try:
        return Response(make(), media_type="image/jpeg", headers=headers)
    except InputError:
        return Response(NOTHING, HTTPStatus.NOT_FOUND, NOSNIFF, "image/svg+xml")


def _file(folder: Path, name: str) -> Response:
    path = folder / KEPT.get(name, "")
    if not path.is_file():
        raise NotFoundError(f"There is no '{name}'.")
    if name.endswith((".html", ".txt")):
        kind = "text/html" if name.endswith(".html") else "text/plain; charset=utf-8"
        return FileResponse(path, media_type=kind, headers={**NOSNIFF, "Content-Security-Policy": "sandbox"})
    return FileResponse(path, headers=NOSNIFF, filename=name)
