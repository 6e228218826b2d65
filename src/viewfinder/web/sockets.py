"""Open websockets by session, so that signing out closes them."""

from collections.abc import Iterator
from contextlib import contextmanager

from starlette.types import Message, Send

SIGNED_OUT = 1008  # policy violation


class Socket:
    """A websocket that can be closed from outside; what the application says after that goes nowhere."""

    def __init__(self, send: Send) -> None:
        self._send, self._closed = send, False

    async def send(self, message: Message) -> None:
        """Pass a message on to the browser."""
        if not self._closed:
            await self._send(message)

    async def close(self) -> None:
        """Close it; the application then learns that the browser is gone."""
        if not self._closed:
            self._closed = True
            await self._send({"type": "websocket.close", "code": SIGNED_OUT})


class Sockets:
    """The open websockets of every session."""

    def __init__(self) -> None:
        self._open: dict[str, set[Socket]] = {}

    @contextmanager
    def opened(self, session: str, send: Send) -> Iterator[Socket]:
        """Yield a websocket of a session that is there until the end of the block."""
        socket = Socket(send)
        self._open.setdefault(session, set()).add(socket)
        try:
            yield socket
        finally:
            self._open[session].discard(socket)
            if not self._open[session]:
                del self._open[session]

    async def close(self, session: str) -> None:
        """Close all websockets of a session."""
        for socket in list(self._open.get(session, ())):
            await socket.close()
