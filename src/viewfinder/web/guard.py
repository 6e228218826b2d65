"""The guard: one middleware around everything, which decides who may come in and how browsers treat what goes out.

It stands before pages, files, API and websockets alike. What it asks, in this order: is this server meant (the Host
list, against DNS rebinding), who is it (session or token), and where was it sent from (Origin).
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address
from urllib.parse import quote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from viewfinder.rest.problems import problem
from viewfinder.service.library.sessions import Session, Sessions
from viewfinder.web.sockets import Socket, Sockets

COOKIE = "viewfinder"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
OPEN = frozenset({"/healthz", "/favicon.ico", "/sign-in"})  # what is shown to everybody
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
REFUSED_SOCKET = 1008  # policy violation
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
# Vue compiles templates in the browser, hence unsafe-eval; it, Quasar and ECharts set styles on elements. Scripts run
# only from files of this server and from those elements that NiceGUI itself wrote: these bear the nonce.
POLICY = (
    "default-src 'self'; script-src 'self' 'nonce-{nonce}' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


@dataclass(frozen=True)
class Entry:
    """Who may come in: under which names of this server, and with which password or tokens.

    Without `sessions` and `is_token` nobody needs to sign in. `is_token` may read from the disk.
    """

    hosts: frozenset[str] = LOOPBACK
    sessions: Sessions | None = None
    is_token: Callable[[str], bool] | None = None

    @property
    def is_closed(self) -> bool:
        """Whether one has to sign in."""
        return self.sessions is not None or self.is_token is not None


@dataclass(frozen=True)
class Caller:
    """Who sends a request: somebody with a session, a program with a token, or anybody."""

    session: Session | None = None
    has_token: bool = False


def caller_of(scope: Scope) -> Caller:
    """Return who sent a request that the guard let in."""
    found: Caller = scope.get("viewfinder.caller", Caller())
    return found


def nonce_of(scope: Scope) -> str:
    """Return what scripts in the answer to a request must bear."""
    return str(scope.get("viewfinder.nonce", ""))


class Guard:
    """Lets a request in, or answers it."""

    def __init__(self, app: ASGIApp, entry: Entry, sockets: Sockets) -> None:
        self.app, self.entry, self.sockets = app, entry, sockets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, a websocket, or the lifespan."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        request = HTTPConnection(scope)
        caller = await self._caller(request)
        scope["viewfinder.caller"], scope["viewfinder.nonce"] = caller, secrets.token_urlsafe(16)
        refusal = self._refusal(request, caller)
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send, caller.session, refusal)
        else:
            await (refusal or self.app)(scope, receive, _hardened(send, nonce_of(scope)))

    async def _socket(
        self, scope: Scope, receive: Receive, send: Send, session: Session | None, refusal: Response | None
    ) -> None:
        if refusal:
            await send({"type": "websocket.close", "code": REFUSED_SOCKET})
        elif session:
            socket = Socket(receive, send, lambda: self._is_over(session))
            with self.sockets.opened(session.id, socket):
                await self.app(scope, socket.receive, socket.send)
        else:
            await self.app(scope, receive, send)

    def _is_over(self, session: Session) -> bool:
        return self.entry.sessions is None or self.entry.sessions.is_over(session)

    async def _caller(self, request: HTTPConnection) -> Caller:
        sessions, is_token = self.entry.sessions, self.entry.is_token
        kind, _, secret = request.headers.get("authorization", "").partition(" ")
        if is_token and kind.lower() == "bearer" and request.scope["type"] == "http":
            return Caller(has_token=await run_in_threadpool(is_token, secret.strip()))
        kept = request.cookies.get(COOKIE)
        return Caller(sessions.find(kept) if sessions and kept else None)

    def _refusal(self, request: HTTPConnection, caller: Caller) -> Response | None:
        path = request.scope["path"]
        if not _is_named(request, self.entry.hosts):
            name = request.headers.get("host", "")
            said = f"This server does not answer to the name '{name}'. `viewfinder serve --allowed-host` adds one."
            return _answer(path, HTTPStatus.BAD_REQUEST, said)
        known = caller.session is not None or caller.has_token
        if self.entry.is_closed and not known and path not in OPEN:
            return _unknown(request)
        if not _is_sent_from_here(request, caller):
            said = "This was sent from a page of another site. A proxy before this server must pass on the Host header."
            return _answer(path, HTTPStatus.FORBIDDEN, said)
        return None


def _is_named(request: HTTPConnection, hosts: frozenset[str]) -> bool:
    """Return whether the Host header has a name of this server, or the very address that was called."""
    name = _name(request.headers.get("host", ""))
    called = (request.scope.get("server") or ("",))[0]
    return name in hosts or (name != "" and _address(name) is not None and _address(name) == _address(called))


def _name(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _address(text: str) -> object:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _is_sent_from_here(request: HTTPConnection, caller: Caller) -> bool:
    """Return whether no other site can have sent a request that changes something, or a websocket.

    Browsers name the site a request comes from. What names none is no browser, if it bears no cookie of one either.
    """
    if request.scope["type"] == "http" and request.scope["method"] in SAFE:
        return True
    origin = request.headers.get("origin")
    if origin is None:
        return caller.session is None and request.headers.get("sec-fetch-site", "none") in ("none", "same-origin")
    return urlsplit(origin).netloc.lower() == request.headers.get("host", "").lower()


def _unknown(request: HTTPConnection) -> Response:
    """Return the answer to somebody who has not signed in: to a browser that opens a page, the page to do it."""
    path, query = request.scope["path"], request.scope.get("query_string", b"").decode("latin-1")
    api, scope = _is_api(path), request.scope
    opens = scope["type"] == "http" and scope["method"] in SAFE and "text/html" in request.headers.get("accept", "")
    if opens and not api:
        wanted = quote(f"{quote(path)}?{query}" if query else quote(path), safe="")
        headers = {"Cache-Control": "no-store"}
        return RedirectResponse(f"/sign-in?next={wanted}", HTTPStatus.SEE_OTHER, headers=headers)
    said = "Sign in first: a program with `Authorization: Bearer TOKEN`, a person at /sign-in."
    answer = _answer(path, HTTPStatus.UNAUTHORIZED, said)
    answer.headers["WWW-Authenticate"] = 'Bearer realm="Viewfinder"'
    return answer


def _answer(path: str, status: HTTPStatus, said: str) -> Response:
    return problem(status, said) if _is_api(path) else PlainTextResponse(said + "\n", status)


def _is_api(path: str) -> bool:
    return path == "/api" or path.startswith("/api/")


def _hardened(send: Send, nonce: str) -> Send:
    """Return `send` with the headers that keep browsers from being tricked; what has a header of its own keeps it."""

    async def hardened(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in {**HEADERS, "Content-Security-Policy": POLICY.format(nonce=nonce)}.items():
                headers.setdefault(name, value)
        await send(message)

    return hardened
