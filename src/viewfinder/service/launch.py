"""Starting a trainer as a process of its own, watching its folder, and stopping it.

The folder is the only link: the process is seen through the events it appends, and stopped by the file `stop`.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Protocol

from viewfinder.errors import InputError, RunError, TrainingError
from viewfinder.events import AnyEvent, Failed, Stopped
from viewfinder.run import RunFolder

POLL_S = 0.1
THREADS = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0", "GOMP_SPINCOUNT": "20000"}
"""Threads that wait for work spin for a moment at most, and then sleep: on a machine that does anything else besides,
the loading of images included, spinning for longer made training several times slower."""
INPUT_IS_WRONG, STOPPED = 2, 130
LACK = re.compile(rb"memory allocation of \d+ bytes failed|OpenBLAS error: Memory allocation|bad_alloc")
"""What libraries in Rust, OpenBLAS and C++ say, who find no memory, before they end the process."""
LAST_BYTES = 8192  # of a log
MEMORY_COUNTERS = (Path("/sys/fs/cgroup/memory.events"), Path("/proc/vmstat"))
"""Where Linux counts the processes that it ended for lack of memory: in this container, on this machine."""


class Watcher(Protocol):
    """Who is told what happens in a folder."""

    def event(self, event: AnyEvent) -> None:
        """Take note of an event."""

    def tick(self) -> None:
        """Take note that time passes."""

    def stopping(self, times: int) -> None:
        """Take note that the user asked, for the first or a later time, to stop."""


class Silent:
    """A watcher that tells nobody."""

    def event(self, event: AnyEvent) -> None:
        """Take note of an event."""

    def tick(self) -> None:
        """Take note that time passes."""

    def stopping(self, times: int) -> None:
        """Take note that the user asked to stop."""


class Interrupts:
    """Counts the requests to stop that reach this process: Ctrl-C, or the system's."""

    def __init__(self) -> None:
        self.count = 0

    def note(self, number: int, frame: FrameType | None) -> None:
        """Count one; this is the signals' handler."""
        self.count += 1


def train(run: RunFolder, watcher: Watcher | None = None) -> None:
    """Train a prepared run and return when it is finished.

    The first Ctrl-C asks the trainer to stop after its step, a second one ends it. Raises KeyboardInterrupt when the
    run was stopped (it can be resumed), InputError when the user's input was wrong, TrainingError for anything else.
    """
    run.clear_stop()
    offset = _size(run.path / "events.jsonl")
    ended = follow("train", run, watcher or Silent(), offset)
    if ended.code == 0 or run.info().status == "finished":  # killed after its last word, it lost nothing
        return
    if run.info().status in ("queued", "running"):
        record_end(run, ended)
    info = run.info()
    if info.status == "stopped":
        raise KeyboardInterrupt
    error = info.error or explained(run, ended)
    if ended.code == INPUT_IS_WRONG:
        raise InputError(error)
    raise TrainingError(f"The training failed. {error} Its log is '{run.path / 'log.txt'}'.")


def environment() -> dict[str, str]:
    """Return the environment of the engine's processes.

    A library in Rust (polars, safetensors) that finds no memory would look for even more to tell where that was, and
    sometimes wait for it without end.
    """
    return {**THREADS, **os.environ, "RUST_BACKTRACE": "0"}


def last_line(log: Path) -> str:
    """Return the last line of a log; empty when there is none."""
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() if log.is_file() else []
    return lines[-1] if lines else ""


def lacked_memory(log: Path) -> bool:
    """Return whether the last that a log tells is that a library found no memory, and ended its process for that."""
    return log.is_file() and LACK.search(log.read_bytes()[-LAST_BYTES:]) is not None


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit code (negative: the signal that ended it), and how often it was asked to stop.

    `out_of_memory` says whether the system counted a process that it ended for lack of memory meanwhile.
    """

    code: int
    asked: int
    out_of_memory: bool = False


def follow(command: str, folder: RunFolder, watcher: Watcher, offset: int = 0) -> Ended:
    """Start `command` of the engine on a folder, pass on its events from byte `offset` on, and return how it ended."""
    with interrupts() as seen, start(command, folder.path) as process:
        asked, kills = 0, memory_kills()
        try:
            while process.poll() is None:
                offset = _pass_on(folder, watcher, offset)
                if seen.count > asked:
                    asked = seen.count
                    _stop(folder, process, asked)
                    watcher.stopping(asked)
                watcher.tick()
                time.sleep(POLL_S)
        except BaseException:
            _stop(folder, process, 1)
            _wait_for(process, seen)
            raise
    _pass_on(folder, watcher, offset)
    return Ended(process.returncode, asked, memory_kills() > kills)


def memory_kills(counters: Sequence[Path] = MEMORY_COUNTERS) -> int:
    """Return how many processes the system has ended for lack of memory; 0 where it does not count them."""
    for path in counters:
        with contextlib.suppress(OSError):
            for line in path.read_text(encoding="ascii").splitlines():
                name, _, count = line.partition(" ")
                if name == "oom_kill" and count.isdigit():
                    return int(count)
    return 0


def start(command: str, folder: Path) -> "subprocess.Popen[bytes]":
    """Start `python -m viewfinder.engine COMMAND FOLDER`, detached from this terminal, its output in log.txt."""
    arguments = [sys.executable, "-P", "-m", "viewfinder.engine", command, str(folder)]
    flags = int(getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0))
    with (folder / "log.txt").open("ab") as log:
        return subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment(),
            start_new_session=os.name == "posix",
            creationflags=flags,
        )


@contextlib.contextmanager
def interrupts() -> Iterator[Interrupts]:
    """Count requests to stop instead of dying of them; only the main thread of a process gets any.

    A signal that this process was started to ignore, as under nohup, stays ignored.
    """
    seen = Interrupts()
    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    main = threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in numbers} if main else {}
    try:
        for number, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, seen.note)
        yield seen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)


def _stop(folder: RunFolder, process: "subprocess.Popen[bytes]", times: int) -> None:
    if times > 1:
        process.kill()
    else:
        folder.request_stop()


def _wait_for(process: "subprocess.Popen[bytes]", seen: Interrupts) -> None:
    """Wait for a process that was asked to stop; Popen's own block would not after a KeyboardInterrupt."""
    before = seen.count
    while process.poll() is None:
        if seen.count > before:
            process.kill()
        time.sleep(POLL_S)


def _pass_on(folder: RunFolder, watcher: Watcher, offset: int) -> int:
    for following, event in folder.events(offset):
        offset = following
        watcher.event(event)
    return offset


def record_end(run: RunFolder, ended: Ended) -> None:
    """Say in run.json how a trainer ended that could not say it itself."""
    with contextlib.suppress(RunError, OSError), run.locked():
        now = time.time()
        if ended.asked:
            run.update(status="stopped", ended=now, reason="ended at once on request")
            run.append(Stopped(time=now, reason="ended at once on request"))
        else:
            error = explained(run, ended)
            run.update(status="failed", ended=now, reason=None, error=error)
            run.append(Failed(time=now, error=error))


def explained(run: RunFolder, ended: Ended) -> str:
    """Return in words how a trainer ended that could not say it itself."""
    code, said = ended.code, last_line(run.path / "log.txt")
    if ended.out_of_memory:
        return "The trainer was killed by the system for memory: try a smaller batch_size, input_size or model."
    if code == -getattr(signal, "SIGKILL", 9):
        return "The trainer was killed. Resumed, it goes on from its last checkpoint."
    if code == INPUT_IS_WRONG and said:
        return said
    if lacked_memory(run.path / "log.txt"):
        return (
            "There is not enough memory: try a smaller batch_size, input_size or model. Resumed, the run goes on from "
            "its last checkpoint."
        )
    if code < 0:
        return f"The trainer was ended by signal {-code}."
    return f"The trainer ended with code {code}: {said}" if said else f"The trainer ended with code {code}."


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
