"""The training of a run: what goes wrong in it is told in the run's folder."""

import contextlib
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from threading import Barrier

from viewfinder import events
from viewfinder.engine import failures, memory
from viewfinder.engine.learning import TooLarge
from viewfinder.engine.telling import Clock
from viewfinder.engine.trainer import Trainer as Trainer
from viewfinder.run import RunFolder

HALVINGS = 16
"""From the largest batch to a single image: each lack of memory halves what is computed at a time."""


def train(run: RunFolder, clock: Clock = time.time) -> str:
    """Train, or go on training, the run of a folder; return its status: finished or stopped.

    Raises InputError when the user's input is wrong and TrainingError when training fails; both are in run.json then.
    """
    with run.locked():
        try:
            run.tidy()
            with _spare_threads() as spare:
                return _trained(run, clock, spare)
        except BaseException as error:
            failure = failures.of(error, run)
            with contextlib.suppress(OSError):  # the disk itself may be what failed
                run.update(status="failed", error=failures.words(failure), ended=clock())
                run.append(events.Failed(time=clock(), error=failures.words(failure)))
            if failure is error:
                raise
            raise failure from error


def _trained(run: RunFolder, clock: Clock, spare: Executor) -> str:
    """Train; when memory does not suffice, go on from the checkpoint with less, in a thread that is new to it.

    oneDNN (3.13) remembers a lack of memory for the thread that met it, and computes nothing there any more.
    """
    try:
        return Trainer(run, clock).train()
    except TooLarge:
        pass
    memory.release()
    return spare.submit(_trained, run, clock, spare).result()


@contextlib.contextmanager
def _spare_threads() -> Iterator[Executor]:
    """Give threads that have all begun: without memory one never does, and Python waits for it without end."""
    all_begun = Barrier(HALVINGS + 1)
    with ThreadPoolExecutor(HALVINGS) as pool:
        for _ in range(HALVINGS):
            pool.submit(all_begun.wait)
        all_begun.wait()
        yield pool
