"""The server: it ends soon after it was asked to, whoever is still connected."""

import asyncio
import contextlib
import logging
import os
import socket
import threading
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

from viewfinder.errors import ViewfinderError

CONNECTIONS_S = 2  # how long answers that are being sent have to end
ALL_S = 4.0  # how long everything has
ENDED = 0


class Server(uvicorn.Server):
    """Serves an application until Ctrl-C. `ending` is called when that begins; `all_s` later the process is over."""

    def __init__(self, app: ASGIApp, host: str, port: int, ending: Callable[[], None], all_s: float = ALL_S) -> None:
        config = uvicorn.Config(
            app, host=host, port=port, log_level="warning", timeout_graceful_shutdown=CONNECTIONS_S, server_header=False
        )
        super().__init__(config)
        self._ending, self._all_s = ending, all_s

    def serve_until_stopped(self) -> None:
        """Serve; return after Ctrl-C. Raises ViewfinderError when it cannot start, for a reason that was logged."""
        with contextlib.suppress(KeyboardInterrupt):
            self.run()
        if not self.started:
            raise ViewfinderError("The server could not start.")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End; what is written, is written atomically, so that nothing is lost with a thread that takes too long."""
        end = threading.Timer(self._all_s, os._exit, [ENDED])
        end.daemon = True
        end.start()
        logging.getLogger("uvicorn.error").addFilter(_is_not_of_the_end)
        await asyncio.to_thread(self._ending)
        await super().shutdown(sockets)


def _is_not_of_the_end(record: logging.LogRecord) -> bool:
    """Return whether a message is about more than a request that was cut off because the server ends."""
    cut_off = record.exc_info is not None and isinstance(record.exc_info[1], asyncio.CancelledError)
    return not cut_off and not str(record.msg).startswith("Cancel ")
