"""Commands run and measured: what they print, their seconds, and the most memory that they and their children have."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

EVERY_S = 0.2


@dataclass(frozen=True)
class Measured:
    """A command that was run: what it printed, its seconds, and the peak of its process tree's anonymous memory.

    The peak is NaN where the system does not tell (other than Linux).
    """

    output: str
    seconds: float
    memory_mb: float


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Measured:
    """Run a command. Ends the benchmark when the command fails."""
    peak, done, began = [float("nan")], threading.Event(), time.perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})}
    ) as process:
        watcher = threading.Thread(target=_watch, args=(process.pid, peak, done))
        watcher.start()
        output, errors = process.communicate()
        seconds = time.perf_counter() - began
        done.set()
        watcher.join()
    if process.returncode:
        sys.exit(f"{' '.join(command)}\n{errors}")
    return Measured(output, seconds, peak[0])


def _watch(process: int, peak: list[float], done: threading.Event) -> None:
    while not done.wait(EVERY_S):
        taken = sum(_anonymous_kb(one) for one in _tree(process)) / 1024
        if taken:
            peak[0] = max(taken, peak[0]) if peak[0] == peak[0] else taken


def _tree(process: int) -> list[int]:
    """Return a process and all below it."""
    found = [process]
    for one in found:
        for children in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                found += [int(child) for child in children.read_text().split()]
            except OSError:  # it has ended
                continue
    return found


def _anonymous_kb(process: int) -> int:
    """Return what the system counts; adding up a process's mappings would slow it by up to a sixth."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("RssAnon:"))
