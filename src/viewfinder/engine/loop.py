"""The training of a run: what goes wrong in it is told in the run's folder."""

import _thread
import contextlib
import time
from collections.abc import Callable
from concurrent.futures import Future
from threading import Event, Lock

from viewfinder import events
from viewfinder.engine import failures, memory
from viewfinder.engine.learning import TooLarge
from viewfinder.engine.telling import Clock
from viewfinder.engine.trainer import Trainer as Trainer
from viewfinder.run import RunFolder

BEGIN_S = 20.0


def train(run: RunFolder, clock: Clock = time.time) -> str:
    """Train, or go on training, the run of a folder; return its status: finished or stopped.

    Raises InputError when the user's input is wrong and TrainingError when training fails; both are in run.json then.
    """
    with run.locked():
        try:
            run.tidy()
            return _trained(run, clock)
        except BaseException as error:
            failure = failures.of(error, run)
            with contextlib.suppress(OSError):  # the disk itself may be what failed
                run.update(status="failed", error=failures.words(failure), ended=clock())
                run.append(events.Failed(time=clock(), error=failures.words(failure)))
            if failure is error:
                raise
            raise failure from error


def _trained(run: RunFolder, clock: Clock) -> str:
    """Train; when memory does not suffice, go on from the checkpoint with less, in a new thread.

    oneDNN (3.13) remembers a lack of memory for the thread that met it, and computes nothing there any more.
    """
    try:
        return Trainer(run, clock).train()
    except TooLarge:
        pass
    memory.release()
    return _in_new_thread(lambda: _trained(run, clock))


def _in_new_thread(work: Callable[[], str]) -> str:
    """Return what `work` does in a thread of its own; raise MemoryError when there is no memory for one.

    `threading.Thread.start` (CPython 3.11) would wait without end for a thread that found no memory to begin.
    """
    begun, outcome, first = Event(), Future[str](), Lock()

    def begin() -> None:
        if not first.acquire(blocking=False):
            return  # too late
        begun.set()
        try:
            outcome.set_result(work())
        except BaseException as error:  # noqa: BLE001 - whoever waits for the result gets it
            outcome.set_exception(error)

    try:
        _thread.start_new_thread(begin, ())
    except RuntimeError as error:
        raise MemoryError(str(error)) from None
    if not begun.wait(BEGIN_S) and first.acquire(blocking=False):
        raise MemoryError("a new thread did not begin")
    return outcome.result()
