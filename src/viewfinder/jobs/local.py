"""Queued runs as processes of this machine, one after the other.

A run is alive exactly while its lock is held, whoever started it. A run that is neither alive nor over was killed: it
goes on from its checkpoint, a few times at most.
"""

import contextlib
import os
import subprocess
import threading

from viewfinder.errors import RunError, ViewfinderError
from viewfinder.service import launch
from viewfinder.service.library import runs
from viewfinder.service.library.library import Library
from viewfinder.store import Run

POLL_S = 0.5
NICE = 10
MOST_STARTS = 3
KILLED = 9


class LocalJobs:
    """Starts the runs of a library in the background until it is closed; trainers outlive it."""

    def __init__(self, library: Library, nice: int = NICE) -> None:
        self.library, self.nice = library, nice
        self._started: dict[str, subprocess.Popen[bytes]] = {}
        self._kills: dict[str, int] = {}  # as the system counted before each start
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="viewfinder-jobs", daemon=True)

    def open(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """Start nothing more; what is running goes on."""
        self._closing.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._closing.is_set():
            self.step()
            self._closing.wait(POLL_S)

    def step(self) -> None:
        """Look at every run that is not over, and start the next one when none is alive."""
        waiting = [run for run in runs.unfinished(self.library) if self._is_there(run)]
        current = {run.id for run in waiting}
        for identity, process in list(self._started.items()):
            if identity not in current and process.poll() is not None:
                del self._started[identity]
        alive = [run for run in waiting if run.state == "running" and self._is_alive(run)]
        for run in waiting:
            if alive:
                return
            if run.state == "running" and self._over(run):
                continue
            if run.state == "running" or runs.claim(self.library, run):
                alive += self._start(run)

    def _is_there(self, run: Run) -> bool:
        """Return whether a run's folder can be read; a run that lost it has failed, and holds up no other."""
        try:
            runs.info(self.library, run)
        except RunError as error:
            runs.set_state(self.library, run, "failed", str(error))
            return False
        return True

    def process_id(self, run: Run) -> int | None:
        """Return the number of the process that trains a run, if this one started it."""
        process = self._started.get(run.id)
        return process.pid if process is not None else None

    def _is_alive(self, run: Run) -> bool:
        process = self._started.get(run.id)
        return (process is not None and process.poll() is None) or runs.folder(self.library, run).is_alive()

    def _over(self, run: Run) -> bool:
        """Return whether a run that is not alive is over; if so, write down how it ended. A killed one is claimed."""
        process, folder = self._started.pop(run.id, None), runs.folder(self.library, run)
        killed = process is None or process.returncode < 0
        if folder.info().status in ("queued", "running") and (not killed or run.attempts >= MOST_STARTS):
            code = process.returncode if process else -KILLED
            kills = self._kills.pop(run.id, None)
            launch.record_end(folder, launch.Ended(code, 0, kills is not None and launch.memory_kills() > kills))
        info = folder.info()
        if info.status in runs.FINAL:
            runs.set_state(self.library, run, info.status, info.error, as_seen=True)
            return True
        return not runs.claim(self.library, run, again=True)

    def _start(self, run: Run) -> list[Run]:
        kills = launch.memory_kills()
        try:
            process = launch.start("train", runs.folder(self.library, run).path)
        except (OSError, ViewfinderError) as error:
            runs.set_state(self.library, run, "failed", str(error))
            return []
        with contextlib.suppress(OSError, AttributeError):
            os.setpriority(os.PRIO_PROCESS, process.pid, self.nice)
        self._started[run.id], self._kills[run.id] = process, kills
        return [run]
