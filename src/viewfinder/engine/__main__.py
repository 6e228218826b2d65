"""`python -m viewfinder.engine train RUN | predict JOB | weights JOB | serve`: the engine as a process of its own.

Exit codes: 0 done, 130 stopped on request, 2 the user's input is wrong, 1 anything else.
"""

import contextlib
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from viewfinder import importing
from viewfinder.engine import allocator, compiler
from viewfinder.errors import InputError, TrainingError


def main(arguments: list[str]) -> int:
    """Run a command; what it prints belongs in a log."""
    compiler.stand_in()
    if arguments == ["serve"]:
        return serve()
    allocator.reuse()
    command, folder = arguments[0], Path(arguments[1])
    try:
        if command == "rank":
            return rank(folder)
        return train(folder) if command == "train" else answer(command, folder)
    except (InputError, TrainingError) as error:
        sys.stderr.write(f"{error}\n")
        return 2 if isinstance(error, InputError) else 1
    except Exception:  # noqa: BLE001 - this is the edge: the log gets the traceback
        traceback.print_exc()
        return 1


def train(folder: Path) -> int:
    """Train the run of a folder; a signal to end stops it as the file `stop` does."""
    from viewfinder.run import RunFolder

    run = RunFolder.open(folder)
    on_signals(run.request_stop)
    processes = run.design().runtime.processes
    if processes > 1:
        from viewfinder.engine import device, parallel

        processes = device.resolve(run.design().runtime).processes  # fewer, where devices are missing
    if processes > 1:
        return 130 if parallel.train(run, processes) == "stopped" else 0
    with importing.uncollected():
        from viewfinder.engine.loop import train  # takes a second or two

    return 130 if train(run) == "stopped" else 0


def rank(folder: Path) -> int:
    """Train the run of a folder together with other processes."""
    with importing.uncollected():
        from viewfinder.engine import parallel
        from viewfinder.run import RunFolder

    on_signals(lambda: parallel.ask_to_stop(RunFolder.open(folder)))
    return parallel.rank(folder)


def on_signals(act: Callable[[], object]) -> None:
    """Act when the system or a terminal tells this process to end, instead of ending at once."""
    for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGBREAK"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: act())


def answer(command: str, folder: Path) -> int:
    """Answer the request in a job's folder: `predict` its images, or say whether `weights` are a model's."""
    with importing.uncollected():
        from viewfinder.engine.build import check_weights
        from viewfinder.engine.predict import predict
        from viewfinder.events import Failed
        from viewfinder.run import RunFolder

    job = RunFolder(folder)
    on_signals(job.request_stop)
    try:
        {"predict": predict, "weights": check_weights}[command](folder)
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        with contextlib.suppress(OSError):  # the disk may be what failed
            job.append(Failed(time=time.time(), error=str(error)))
        raise
    return 0


def serve() -> int:
    """Answer requests over standard input and output until they end."""
    from viewfinder.engine import streams

    requests, answers = streams.standard()  # before anything is imported that might print
    with importing.uncollected():
        from viewfinder.engine.serve import serve

    serve(requests, answers)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
