"""What stands between the application and NiceGUI's own."""

import re

from starlette.datastructures import MutableHeaders
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from viewfinder.web.guard import nonce_of
from viewfinder.web.plain import not_found

_SCRIPT = re.compile(rb"<script(?=[\s>])")


class Pages:
    """Answers for addresses without a page, and gives the scripts of pages the nonce that lets them run.

    NiceGUI would build a page for each unknown address and keep it for a while. In its pages whatever comes from users
    is escaped, so a `<script` is one that NiceGUI wrote.
    """

    def __init__(self, app: ASGIApp, routes: list[BaseRoute]) -> None:
        self.app, self.routes = app, routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif all(route.matches(scope)[0] == Match.NONE for route in self.routes):
            await not_found()(scope, receive, send)
        else:
            await self.app(scope, receive, _Marked(send, nonce_of(scope)).send)


class _Marked:
    """A `send` that holds a page back until all of it is there, and marks its scripts."""

    def __init__(self, send: Send, nonce: str) -> None:
        self._send, self._mark = send, b'<script nonce="%s"' % nonce.encode()
        self._start: Message | None = None
        self._body = b""

    async def send(self, message: Message) -> None:
        """Take a message of the application's."""
        if message["type"] == "http.response.start" and "x-nicegui-content" in MutableHeaders(scope=message):
            self._start = message
        elif self._start is None or message["type"] != "http.response.body":
            await self._send(message)
        else:
            self._body += message.get("body", b"")
            if not message.get("more_body"):
                await self._finish(self._start)

    async def _finish(self, start: Message) -> None:
        body = _SCRIPT.sub(self._mark, self._body)
        MutableHeaders(scope=start)["content-length"] = str(len(body))
        await self._send(start)
        await self._send({"type": "http.response.body", "body": body})
