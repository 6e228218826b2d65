"""What this machine can train on, told without torch."""

import csv
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache

from viewfinder import processor

QUERY = ("index", "name", "memory.total", "memory.used", "utilization.gpu")
QUERY_S = 5.0


@dataclass(frozen=True)
class Device:
    """Something that trains: `name` as a design says it, memory in MB, `use` the share that is busy (None: unknown)."""

    name: str
    title: str
    text: str
    memory_mb: float | None = None
    used_mb: float | None = None
    use: float | None = None


def devices() -> list[Device]:
    """Return the GPUs that nvidia-smi knows of, and at last the CPU."""
    return [*gpus(_nvidia_smi()), cpu()]


def missing(wanted: str) -> str | None:
    """Return a sentence for a device of a design that this machine has not, as far as is known; None otherwise."""
    if wanted == "auto" or wanted.startswith("cpu") or all(_is_there(name) for name in wanted.split(",")):
        return None
    return f"There is no {wanted} on this machine: the CPU will be used."


def _is_there(wanted: str) -> bool:
    if wanted == "mps":
        return sys.platform == "darwin" and platform.machine() == "arm64"
    program = shutil.which("nvidia-smi")
    number = int(wanted.partition(":")[2] or 0)
    return program is not None and number < _gpu_count(program)


@lru_cache(maxsize=1)
def _gpu_count(program: str) -> int:
    """Return how many GPUs nvidia-smi knows of; asked once, since it is asked for each model of the catalogue."""
    return len(gpus(_nvidia_smi()))


def cpu() -> Device:
    """Return this machine's processor."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Device("cpu", processor.name(), f"{cores} cores" if cores > 1 else "1 core")


def gpus(answer: str) -> list[Device]:
    """Return the GPUs of an answer of nvidia-smi: a CSV line for each, with the values of `QUERY`, without units."""
    return [_gpu(*(cell.strip() for cell in row)) for row in csv.reader(answer.splitlines()) if len(row) == len(QUERY)]


def _gpu(number: str, name: str, total: str, used: str, busy: str) -> Device:
    memory, taken, use = (_number(text) for text in (total, used, busy))
    free = "" if memory is None or taken is None else f"{taken / 1024:.1f} of {memory / 1024:.1f} GB in use"
    return Device(f"cuda:{number}", name, free, memory, taken, None if use is None else use / 100)


def _number(text: str) -> float | None:
    return float(text) if text.replace(".", "", 1).isdigit() else None


def _nvidia_smi() -> str:
    program = shutil.which("nvidia-smi")
    if not program:
        return ""
    command = [program, f"--query-gpu={','.join(QUERY)}", "--format=csv,noheader,nounits"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=QUERY_S, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
