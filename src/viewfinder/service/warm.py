"""The engine kept warm: one process beside this one that answers requests, one after the other.

It is started when it is first wanted, ends after ten idle minutes, and is started again when it dies. It ends with
this process, however that ends, because its standard input then does.
"""

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from viewfinder import messages
from viewfinder.errors import EngineError, InputError, OvertakenError
from viewfinder.messages import Message
from viewfinder.service import launch

IDLE_S = 600.0
START_S = 180.0  # importing torch on a machine that trains
DEADLINE_S = 30.0
POLL_S = 0.5
NICE = 5  # trainers have 10: whoever waits in front of a page comes first
MOST_LOG_BYTES = 1 << 20


@dataclass
class _Request:
    message: Message
    deadline_s: float
    future: "Future[Message]"


class Warm:
    """The one warm engine. Call it from any thread; nothing is started before `start` or `ask`.

    `log` gets what the process prints, `trains` tells whether a run trains (then one thread computes), `clock` tells
    seconds and decides when it has been idle for too long.
    """

    def __init__(
        self, log: Path, trains: Callable[[], bool] = lambda: False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.log, self.trains, self.clock = log, trains, clock
        self.state = "off"
        self._changed = threading.Condition()
        self._waiting: dict[str, _Request] = {}
        self._wanted = self._closing = self._answered = False
        self._used = clock()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None

    @property
    def process_id(self) -> int | None:
        """The number of the process; None when there is none."""
        process = self._process
        return process.pid if process is not None else None

    def start(self) -> None:
        """Begin to warm up, unless it is warm. `state` is "off", "warming up" or "ready"."""
        with self._changed:
            self._wanted, self._used = True, self.clock()
            if self.state == "off":
                self.state = "warming up"
            if self._thread is None and not self._closing:
                self._thread = threading.Thread(target=self._work, name="viewfinder-warm", daemon=True)
                self._thread.start()
            self._changed.notify()

    def ask(
        self,
        client: str,
        what: str,
        given: Mapping[str, Any],
        blobs: tuple[bytes, ...] = (),
        deadline_s: float = DEADLINE_S,
    ) -> "Future[Message]":
        """Return what will be the answer of the engine to a request.

        Of each client the latest request counts: an older one that still waits raises OvertakenError. The future
        raises InputError for what is wrong with the request, and EngineError when the engine died of it or did not
        answer within `deadline_s` of computing.
        """
        request = _Request(Message({**given, "ask": what}, blobs), deadline_s, Future())
        with self._changed:
            if self._closing:
                request.future.set_exception(EngineError("The server is closing."))
                return request.future
            older = self._waiting.get(client)
            self._waiting[client] = request
        if older is not None and older.future.set_running_or_notify_cancel():
            older.future.set_exception(OvertakenError("A later request took the place of this one."))
        self.start()
        return request.future

    def close(self) -> None:
        """End the process at once; what waits fails, and nothing is started any more."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._kill()
        if self._thread is not None:
            self._thread.join(2)

    # -- the thread that talks to the process ---------------------------------------------------------------------

    def _work(self) -> None:
        while not self._closing:
            request = self._next()
            try:
                self._step(request)
            except Exception as error:  # noqa: BLE001 - this is the thread's edge: whoever waits is told
                known = error if isinstance(error, EngineError) else EngineError(f"{type(error).__name__}: {error}")
                if request is not None and not request.future.done():
                    request.future.set_exception(known)
        self._end()
        self._fail(EngineError("The server is closing."))

    def _next(self) -> _Request | None:
        """Return the request that has waited longest, once there is one; None: look after the process."""
        with self._changed:
            if not self._waiting and (self._process is not None or not self._wanted):
                self._changed.wait(POLL_S)
            if not self._waiting or self._closing:
                return None
            request = self._waiting.pop(next(iter(self._waiting)))
        return request if request.future.set_running_or_notify_cancel() else None

    def _step(self, request: _Request | None) -> None:
        """Start the process when it is wanted and not there, answer a request, or end it when it was idle."""
        if self._process is not None and self._process.poll() is not None:
            self._end()
            self._wanted = self._answered  # one that never answered would only die again
        if self._process is None and (request is not None or self._wanted) and not self._closing:
            self._begin()
        if request is not None:
            self._answer(request)
        elif self.clock() - self._used >= IDLE_S:
            self._wanted = False
            self._end()

    def _answer(self, request: _Request) -> None:
        threads = 1 if self.trains() else 0
        asked = Message({**request.message.head, "threads": threads}, request.message.blobs)
        answer = self._exchange(asked, request.deadline_s)
        self._used, self._answered = self.clock(), True
        if "error" in answer.head:
            kind = InputError if answer.head["input"] else EngineError
            request.future.set_exception(kind(answer.head["error"]))
        else:
            request.future.set_result(answer)

    def _begin(self) -> None:
        self.state, self._answered, self._used = "warming up", False, self.clock()
        try:
            self._process = _started(self.log)
            if self._closing:
                self._kill()
            self._exchange(None, START_S)
        except (OSError, EngineError) as error:
            failed = EngineError(f"The engine cannot be started. {error}")
            self._fail(failed)
            raise failed from None
        self.state = "ready"

    def _exchange(self, message: Message | None, deadline_s: float) -> Message:
        """Send a message, and return the next one; a process that takes too long is ended, whatever it does."""
        process, late = self._process, threading.Event()
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None

        def give_up() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(deadline_s, give_up)
        timer.daemon = True
        timer.start()
        try:
            if message is not None:
                messages.write(process.stdin, message)
            answer = messages.read(process.stdout)
        except (OSError, ValueError):  # nobody reads, or what came is no message
            answer = None
        finally:
            timer.cancel()
        if answer is None:
            self._end()
            raise EngineError(self._why(deadline_s if late.is_set() else None))
        return answer

    def _why(self, deadline_s: float | None) -> str:
        if deadline_s is not None:
            return f"It took longer than {deadline_s:g} s and was given up. Try again."
        said = launch.last_line(self.log)
        return "The engine ended unexpectedly while it worked on this" + (f": {said}" if said else ".")

    def _fail(self, error: EngineError) -> None:
        """Pass on to all that wait that there is no engine."""
        with self._changed:
            failed, self._waiting = list(self._waiting.values()), {}
            self._wanted, self.state = False, "off"
        for request in failed:
            if request.future.set_running_or_notify_cancel():
                request.future.set_exception(error)

    def _kill(self) -> None:
        process = self._process
        if process is not None:
            process.kill()

    def _end(self) -> None:
        """End the process, if there is one."""
        process, self._process, self.state = self._process, None, "off"
        if process is None:
            return
        process.kill()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):  # what was not sent yet cannot be
                    stream.close()
        process.wait()


def _started(log: Path) -> "subprocess.Popen[bytes]":
    """Start the process; Ctrl-C in this terminal does not reach it."""
    with _log(log) as file:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "viewfinder.engine", "serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=file,
            env=launch.environment(),
            start_new_session=os.name == "posix",
            creationflags=int(getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)),
        )
    with contextlib.suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, process.pid, NICE)
    return process


def _log(path: Path) -> IO[bytes]:
    """Open the log to go on with it, or anew when it has become large."""
    large = path.is_file() and path.stat().st_size > MOST_LOG_BYTES
    return path.open("wb" if large else "ab")
