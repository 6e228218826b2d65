"""What a run computes with: the engine, the precision and the threads that suit its machine, chosen by measuring."""

import os
from collections.abc import Callable
from pathlib import Path

import torch

from viewfinder import tasks
from viewfinder.catalogue import Model
from viewfinder.design import Design, Runtime, views
from viewfinder.engine import device
from viewfinder.engine.group import Group
from viewfinder.engine.machine import Machine, Measure, Way
from viewfinder.engine.trials import Trials
from viewfinder.run import Choices, RunFolder

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
Tell = Callable[[str], None]


def settle(
    run: RunFolder,
    asked: Runtime,
    design: Design,
    row: Model,
    home: Path,
    tell: Tell,
    measure: Measure | None = None,
    group: Group | None = None,
) -> tuple[Design, Choices]:
    """Choose what a run computes with; return its design with that, and the choices.

    `design` has this machine's defaults for what `asked` leaves open; what it fixes is never measured. What is measured
    is kept below `home`. A run that goes on keeps what it began with, whatever this machine would choose now. Both are
    written to the run's folder, and torch gets its threads; `tell` is told what is worth a sentence. Processes that
    train in a group share the threads of the machine, by what the leading one chose.
    """
    group = group or Group()
    if not run.leads:
        group.wait()
    info = run.info()
    choices = info.choices or _defaults(design.runtime)
    if not info.choices and not info.started:  # one that began before there were choices had the defaults
        trials = Trials(row, home / "cache" / "graphs")
        choices = _measured(choices, asked, design, row, Machine(home / "machine", row.builder, tell, measure), trials)
    open_ones = {name: getattr(choices, name) for name in ("engine", "precision") if getattr(asked, name) == "auto"}
    design = design.model_copy(update={"runtime": design.runtime.model_copy(update=open_ones)})
    design = design.model_copy(update={"runtime": design.runtime.model_copy(update={"views": views(design)})})
    run.write_design(design)
    run.update(choices=choices.model_dump())
    if run.leads:
        group.wait()
    return design, _fitting(choices, tell, group.size)


def _defaults(runtime: Runtime) -> Choices:
    threads, streams = torch.get_num_threads(), device.cores()
    return Choices(engine=runtime.engine, precision=str(runtime.precision), threads=threads, streams=streams)


def _measured(
    default: Choices, asked: Runtime, design: Design, row: Model, machine: Machine, trials: Trials
) -> Choices:
    """Return the choices of a new run: the defaults, but for what is clearly faster on this machine."""
    if not design.runtime.devices.startswith("cpu"):
        return default
    engine, precision, threads, streams = default.engine, default.precision, default.threads, default.streams
    if asked.precision == "auto" and precision == "bf16":  # the processor computes in both
        precision = machine.fastest("precision", {p: trials.learning(p, threads) for p in ("bf16", "fp32")})
    threads = _count(machine, f"threads, {precision}", (threads, streams), lambda n: trials.learning(precision, n))
    if engine == "openvino" and _is_apart(design, row):
        by_openvino = trials.by_openvino(precision, streams)
        if asked.engine == "auto" and views(design) == 0:  # kept views are computed once, and only from graphs
            ways = {"openvino": by_openvino, "torch": trials.by_torch(precision, threads)}
            engine = machine.fastest(f"engine, {precision}", ways)
        if engine == "openvino":
            counts = streams, default.threads
            streams = _count(machine, f"streams, {precision}", counts, lambda n: trials.by_openvino(precision, n))
    measured = {question: answer.ms for question, answer in machine.answers.items()}
    return Choices(engine=engine, precision=precision, threads=threads, streams=streams, measured=measured)


def _count(machine: Machine, question: str, counts: tuple[int, int], way: Callable[[int], Way]) -> int:
    """Return which of two numbers of threads is faster, the first one unless the other clearly is.

    Where the environment says how many there are, that is obeyed.
    """
    if any(os.environ.get(name) for name in THREAD_VARIABLES):
        return counts[0]
    return int(machine.fastest(question, {str(count): way(count) for count in counts}))


def _is_apart(design: Design, row: Model) -> bool:
    """Return whether the run has frozen layers that are computed apart from the others."""
    return tasks.get(design.task).frozen_apart and int(design.training.retrained_layers) < len(row.layers)


def _fitting(choices: Choices, tell: Tell, processes: int) -> Choices:
    """Give torch its threads, and return the choices with no more of them than there are cores for each process."""
    most = max(device.cores(), torch.get_num_threads())  # more than cores only where the environment says so
    if choices.threads > most:
        tell(
            f"This run began with {choices.threads} threads, but this machine has {most}: from here on its numbers may "
            "differ in the last digits from those of a run that stayed on its first machine."
        )
    threads, streams = min(choices.threads, most), min(choices.streams, device.cores())
    fitting = {"threads": max(1, threads // processes), "streams": max(1, streams // processes)}
    torch.set_num_threads(fitting["threads"])
    return choices.model_copy(update=fitting)
