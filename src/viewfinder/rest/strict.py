"""Bodies in JSON, read strictly: bounded, of that type, and nothing in them that an answer could not hold."""

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

from fastapi.routing import APIRoute
from pydantic_core import from_json
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

MOST_BYTES = 1 << 20


class StrictRequest(Request):
    """A request whose body is read as JSON."""

    async def body(self) -> bytes:
        """Return the body; refuse one that is too large or says to be something else."""
        if not hasattr(self, "_body"):
            parts, size = [], 0
            async for chunk in self.stream():
                parts.append(chunk)
                size += len(chunk)
                if size > MOST_BYTES:
                    raise HTTPException(
                        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body is larger than {MOST_BYTES >> 20} MiB."
                    )
            self._body = b"".join(parts)
        kind = self.headers.get("content-type", "")
        if self._body and kind.partition(";")[0].strip().lower() != "application/json":
            raise HTTPException(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"The body is {kind or 'of no type'}. Send application/json."
            )
        return self._body

    async def json(self) -> Any:
        """Return what the body says; refuse NaN, infinities, halves of characters, and what is nested too deeply."""
        try:
            return from_json(await self.body(), allow_inf_nan=False)
        except ValueError as error:
            raise HTTPException(HTTPStatus.BAD_REQUEST, f"The body is not JSON: {error}.") from None


class StrictRoute(APIRoute):
    """An operation that takes JSON, if it takes a body at all."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        handle = super().get_route_handler()

        async def strictly(request: Request) -> Response:
            return await handle(StrictRequest(request.scope, request.receive))

        return strictly
