"""Open websockets by session: they are closed when one signs out, and when the session's time is over."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from starlette.types import Message, Receive, Send

SIGNED_OUT = 1008  # policy violation


class Socket:
    """A websocket that can be closed from outside; what either side says after that goes nowhere.

    It closes by itself with the first message, either way, after `is_over` says that its session is. No timer is
    needed for it: NiceGUI asks each browser every few seconds whether it is still there.
    """

    def __init__(self, receive: Receive, send: Send, is_over: Callable[[], bool]) -> None:
        self._receive, self._send, self._is_over, self._closed = receive, send, is_over, False

    async def receive(self) -> Message:
        """Return what the browser says, or that it is gone."""
        message = await self._receive()
        await self._close_if_over()
        return {"type": "websocket.disconnect", "code": SIGNED_OUT} if self._closed else message

    async def send(self, message: Message) -> None:
        """Pass a message on to the browser."""
        await self._close_if_over()
        if not self._closed:
            await self._send(message)

    async def close(self) -> None:
        """Close it; the application then learns that the browser is gone."""
        if not self._closed:
            self._closed = True
            await self._send({"type": "websocket.close", "code": SIGNED_OUT})

    async def _close_if_over(self) -> None:
        if self._is_over():
            await self.close()


class Sockets:
    """The open websockets of every session."""

    def __init__(self) -> None:
        self._open: dict[str, set[Socket]] = {}

    @contextmanager
    def opened(self, session: str, socket: Socket) -> Iterator[None]:
        """Know a websocket of a session until the end of the block."""
        self._open.setdefault(session, set()).add(socket)
        try:
            yield
        finally:
            self._open[session].discard(socket)
            if not self._open[session]:
                del self._open[session]

    async def close(self, session: str) -> None:
        """Close all websockets of a session."""
        for socket in list(self._open.get(session, ())):
            await socket.close()
