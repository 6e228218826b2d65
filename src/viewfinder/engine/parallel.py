"""Training on several devices: torch's elastic launcher starts a process for each, and tells when one ends.

The launcher's process holds the run's lock and tells what went wrong; the first process leads, and writes the rest.
"""

import os
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

from viewfinder import events, importing
from viewfinder.engine import device, failures
from viewfinder.engine.follower import FollowedRun
from viewfinder.engine.learning import TooLarge
from viewfinder.errors import InputError, TrainingError
from viewfinder.run import RunFolder

TOO_LARGE = 75  # the exit code of a process whose step did not fit into memory
COMMAND = ("-P", "-m", "viewfinder.engine", "rank")
SIGNALS_S, WATCH_S = 2.0, 0.5


def train(run: RunFolder, processes: int) -> str:
    """Train a run with several processes; return its status: finished or stopped.

    When a process ends otherwise, all do. Raises InputError and TrainingError as `loop.train` does, and run.json tells.
    """
    with run.locked():
        run.tidy()
        while (failure := _launched(run, processes)) is not None and failure.exitcode == TOO_LARGE:
            continue  # from the last checkpoint, with fewer images at a time
        info = run.info()
        if failure is None or info.status == "finished":  # what ended after the last word lost nothing
            return info.status
        error = info.error if info.status == "failed" and info.error else _ended(failure, run)
        run.update(status="failed", ended=time.time(), error=error)
        run.append(events.Failed(time=time.time(), error=error))
    raise InputError(error) if failure.exitcode == 2 else TrainingError(error)


def rank(folder: Path) -> int:
    """Train as one of the processes that the launcher started; return the exit code."""
    with importing.uncollected():
        from viewfinder.engine.group import Together
        from viewfinder.engine.trainer import Trainer

    threading.Thread(target=_end_with_launcher, daemon=True).start()
    leads, run = os.environ["RANK"] == "0", RunFolder.open(folder)
    try:
        runtime = device.resolve(run.design().runtime)
        group = Together(device.own(runtime.devices, int(os.environ["RANK"])))
        Trainer(run if leads else FollowedRun(folder), time.time, group=group).train()
    except TooLarge:
        return TOO_LARGE
    except Exception as error:  # noqa: BLE001 - the launcher tells it
        failure = failures.of(error, run)
        traceback.print_exception(error)
        if isinstance(failure, InputError | TrainingError) and run.info().status != "failed":
            run.update(status="failed", error=str(failure))
        return 2 if isinstance(failure, InputError) else 1
    return 0


def ask_to_stop(run: RunFolder) -> None:
    """Take a signal to a process: if it was for all of them, the launcher asks to stop; else this one ends."""
    threading.Thread(target=_end_unless_all_stop, args=(run,), daemon=True).start()


def _launched(run: RunFolder, processes: int) -> Any:
    """Start the processes and wait for them; return the failure of the one that ended first, or None."""
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    config = LaunchConfig(
        min_nodes=1, max_nodes=1, nproc_per_node=processes, run_id=run.path.name, max_restarts=0,
        rdzv_backend="c10d", rdzv_endpoint="localhost:0", local_addr="localhost", signals_to_handle="SIGQUIT",
    )  # fmt: skip
    try:
        elastic_launch(config, sys.executable)(*COMMAND, str(run.path))
    except ChildFailedError as error:
        found = sorted(error.failures.values(), key=lambda one: one.exitcode != TOO_LARGE)
        return next((one for one in found if one.exitcode in (2, TOO_LARGE)), error.get_first_failure()[1])
    return None


def _ended(failure: Any, run: RunFolder) -> str:
    """Return in words how a process ended that could not say it itself."""
    how = f"by signal {-failure.exitcode}" if failure.exitcode < 0 else f"with code {failure.exitcode}"
    return (
        f"One of the processes that train together ended {how}, and so the others were ended. "
        "Resumed, the run goes on from its last checkpoint."
    )


def _end_with_launcher() -> None:
    """End when the launcher does: its processes have sessions of their own, which no signal to it reaches."""
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(WATCH_S)
    os._exit(1)


def _end_unless_all_stop(run: RunFolder) -> None:
    end = time.monotonic() + SIGNALS_S
    while not run.stop_requested:
        if time.monotonic() > end:
            os._exit(1)
        time.sleep(0.05)
