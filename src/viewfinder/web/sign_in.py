"""Sign-in and sign-out: plain answers, no pages of NiceGUI's, which would cost memory for everybody who knocks."""

import asyncio
import math
from http import HTTPStatus
from urllib.parse import parse_qs

from fastapi import FastAPI, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from viewfinder.service.library.sessions import KEPT_S, Sessions
from viewfinder.web.attempts import Attempts
from viewfinder.web.guard import COOKIE, Entry, caller_of
from viewfinder.web.plain import plain_page
from viewfinder.web.sockets import Sockets

MOST_BYTES = 8192


def add_sign_in(app: FastAPI, entry: Entry, sockets: Sockets) -> None:
    """Add the addresses at which one signs in and out."""
    attempts, one_at_a_time = Attempts(), asyncio.Lock()  # argon2 takes 64 MB on purpose

    @app.get("/sign-in")
    async def _show(request: Request, next: str = "/") -> Response:
        is_in = not entry.is_closed or caller_of(request.scope).session is not None
        return _see(local(next)) if is_in else _page(entry, next)

    @app.post("/sign-in")
    async def _sign_in(request: Request) -> Response:
        if entry.sessions is None:
            return _see("/sign-in")
        password, following = await _form(request)
        address = request.client.host if request.client else ""
        wait_s = attempts.begin(address)
        if wait_s:
            said = f"There were too many attempts. Try again in {math.ceil(wait_s)} s."
            headers = {"Retry-After": str(math.ceil(wait_s))}
            return _page(entry, following, said, HTTPStatus.TOO_MANY_REQUESTS, headers)
        async with one_at_a_time:
            right = await run_in_threadpool(entry.sessions.is_password, password)
        if not right:
            return _page(entry, following, "That is not the password.", HTTPStatus.UNAUTHORIZED)
        attempts.forget(address)
        return _signed_in(entry.sessions, following, secure=request.url.scheme == "https")

    @app.post("/sign-out")
    async def _sign_out(request: Request) -> Response:
        session = caller_of(request.scope).session
        if entry.sessions and session:
            await run_in_threadpool(entry.sessions.end, session)
            await sockets.close(session.id)
        answer = _see("/sign-in")
        answer.delete_cookie(COOKIE)
        return answer

    @app.get("/session")
    async def _session() -> Response:
        """Answer a page that asks whether its session goes on; otherwise the guard does."""
        return Response(status_code=HTTPStatus.NO_CONTENT, headers={"Cache-Control": "no-store"})


def local(address: str) -> str:
    """Return an address if it leads to a page of this server, "/" otherwise, and for those of signing in and out."""
    if address.startswith(("/sign-in", "/sign-out")):
        return "/"
    leads_out = address.startswith("//") or any(sign == "\\" or not sign.isprintable() for sign in address)
    return address if address.startswith("/") and not leads_out else "/"


async def _form(request: Request) -> tuple[str, str]:
    """Return the password and the next address of a form; of one that is too long, none."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            return "", "/"
    fields = parse_qs(body.decode("utf-8", errors="replace"), keep_blank_values=True)
    return fields.get("password", [""])[0], local(fields.get("next", ["/"])[0])


def _page(
    entry: Entry, following: str, wrong: str = "", status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    return plain_page(
        "sign_in.html", status, headers, title="Sign in", next=local(following), wrong=wrong,
        has_password=entry.sessions is not None,
    )  # fmt: skip


def _signed_in(sessions: Sessions, following: str, secure: bool) -> Response:
    answer = _see(following)
    answer.set_cookie(COOKIE, sessions.begin(), int(KEPT_S), secure=secure, httponly=True, samesite="lax")
    return answer


def _see(address: str) -> Response:
    return RedirectResponse(address, HTTPStatus.SEE_OTHER, headers={"Cache-Control": "no-store"})
