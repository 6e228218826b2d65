"""The commands `train` and `resume`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from viewfinder.cli import STOPPED
from viewfinder.cli.options import ImageColumn, Json, MaybeSourcePath, RunPath, Settings, TargetColumn, Task, source_of
from viewfinder.cli.output import document, duration, metrics, show, tell
from viewfinder.errors import InputError
from viewfinder.words import plural, typed

if TYPE_CHECKING:
    from viewfinder.run import RunFolder
    from viewfinder.service.estimate import Estimate
    from viewfinder.service.preparing import Prepared
    from viewfinder.service.repeating import Repetition
    from viewfinder.service.source import Source


def train(
    source: MaybeSourcePath = None,
    design: Annotated[
        Path | None, typer.Option("--design", metavar="FILE", help="A design, as `viewfinder design` prints it.")
    ] = None,
    settings: Settings = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="RUN", help="The run's folder. Default: runs/<source>-<time>.")
    ] = None,
    task: Task = None,
    image_column: ImageColumn = None,
    target_column: TargetColumn = None,
    repeat: Annotated[
        Path | None,
        typer.Option(
            "--repeat",
            metavar="RUN",
            help="Train once more what a finished run trained, and say whether it is the same.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Train a model on SOURCE.

    Ctrl-C stops cleanly and keeps the best model; `viewfinder resume` goes on. With --repeat the exit code is 1 when
    the run did not come out the same.
    """
    if repeat is not None:
        if design or settings:
            raise InputError("A repeated run has the design of its run: leave out --design and --set.")
        moved = source_of(source, task, image_column, target_column) if source else None
        _repeat(repeat, out, moved, json)
        return
    if source is None:
        raise InputError("Missing argument 'SOURCE'.\n`viewfinder train --help` shows what can be said.")
    from viewfinder.cli.counter import Counter, counting, megabytes
    from viewfinder.service.preparing import prepare

    download = Counter("Fetching weights", megabytes)
    with counting("Reading images") as progress:
        asked = source_of(source, task, image_column, target_column)
        prepared = prepare(asked, design, settings or (), out, progress=progress, download=download)
    download.clear()
    tell(introduction(prepared))
    follow(prepared.run, json)
    conclude(prepared.run, json)


def _repeat(of: Path, out: Path | None, source: "Source | None", as_json: bool) -> None:
    """Train a run once more, and say whether it came out the same."""
    from viewfinder.cli.counter import counting
    from viewfinder.service import repeating

    with counting("Reading images") as progress:
        run = repeating.prepare(of, out, source, progress=progress)
    tell(f"Run: {run.path}, repeating {of}")
    follow(run, as_json)
    found = repeating.compared(run, of)
    if as_json:
        document({**result(run), "repeats": found.as_dict()})
    else:
        show(f"{conclusion(run)}\n{repeated(found)}")
    if found.differences:
        raise typer.Exit(1)


def repeated(found: "Repetition") -> str:
    """Return in words whether a run came out as the one that it repeats."""
    if not found.differences:
        epochs = plural(found.run.info().epochs_done, "epoch")
        return f"The same as {found.of.path}, to the bit: {epochs}, the model and its predictions."
    lines = [f"Not the same as {found.of.path}: {'; '.join(found.differences)}."]
    if found.changes:
        lines.append(f"What was other than then: {'; '.join(found.changes)}.")
    return "\n".join(lines)


def resume(
    run: RunPath,
    epochs: Annotated[
        int | None, typer.Option("--epochs", min=1, metavar="N", help="Extend the run to N epochs in all.")
    ] = None,
    source: Annotated[
        Path | None, typer.Option("--source", metavar="PATH", help="Where the run's data is now, if it was moved.")
    ] = None,
    image_column: ImageColumn = None,
    target_column: TargetColumn = None,
    json: Json = False,
) -> None:
    """Go on with a stopped RUN, or extend it.

    A run that was killed or failed goes on from its last finished epoch.
    """
    from viewfinder.cli.counter import counting
    from viewfinder.service.training import open_run, reopen

    folder = open_run(run)
    moved = source_of(source, None, image_column, target_column) if source else None
    with counting("Reading images") as progress:
        reopen(folder, epochs, moved, progress=progress)
    tell(f"Run: {folder.path}, {plural(folder.epochs().height, 'epoch')} done")
    follow(folder, json, new=False)
    conclude(folder, json)


def follow(run: "RunFolder", as_json: bool, new: bool = True) -> None:
    """Train a new run, or go on with one, and show how it goes; on Ctrl-C say how to go on, and exit."""
    from viewfinder.cli.view import watching
    from viewfinder.service import launch, training

    try:
        with watching(run.design()) as view:
            (training.begin if new else launch.train)(run, view)
    except KeyboardInterrupt:
        done = run.epochs().height
        kept = (
            f"Stopped after {plural(done, 'epoch')}; the best model is kept." if done else "Stopped in the first epoch."
        )
        tell(f"{kept} To go on: viewfinder resume {typed(run.path)}")
        if as_json:
            document(result(run))
        raise typer.Exit(STOPPED) from None


def introduction(prepared: "Prepared") -> str:
    """Return what is about to be trained, and what it is expected to take."""
    from viewfinder import catalogue
    from viewfinder.cli.data import counted

    data, counts, training = prepared.dataset, prepared.counts, prepared.design.training
    splits = ", ".join(f"{counts[name]:,} {name}" for name in ("train", "validation", "test") if counts[name])
    lines = [
        f"Data: {data.name}, {plural(sum(counts.values()), 'image')} ({splits}), {plural(len(data.classes), 'class')}"
    ]
    if prepared.diagnostics:
        lines.append(f"Findings: {counted(prepared.diagnostics)}; the report and `viewfinder check` list them")
    found, layers = prepared.start.found, len(catalogue.get(training.model).layers)
    weights = f"weights from {found.origin}" if found else "from random weights"
    retrained = f"{training.retrained_layers} of {layers} backbone layers retrained"
    lines.append(f"Model: {training.model}, {retrained}, {weights}")
    lines.append(f"Expected: {expectation(prepared.estimate)}")
    return "\n".join([*lines, f"Run: {prepared.run.path}"])


def expectation(estimate: "Estimate") -> str:
    """Return the expected time and memory in words."""
    upto = "at most " if estimate.may_end_early else ""
    memory = f"about {estimate.memory_mb / 1000:.1f} GB of memory"
    epochs = plural(estimate.epochs, "epoch")
    if not estimate.seconds or not estimate.seconds_per_epoch:
        return f"{upto}{epochs}, {memory}; how long they take on this device shows in the first one"
    return f"{_between(estimate.seconds_per_epoch)} an epoch, {_between(estimate.seconds)} for {upto}{epochs}, {memory}"


def _between(seconds: tuple[float, float]) -> str:
    least, most = (duration(one) for one in seconds)
    if seconds[1] < 0.5:
        return f"less than {duration(1.0)}"
    return least if least == most else f"{least} to {most}"


def conclude(run: "RunFolder", as_json: bool) -> None:
    """Print what came of a finished run."""
    document(result(run)) if as_json else show(conclusion(run))


def result(run: "RunFolder") -> dict[str, Any]:
    """Return what came of a finished run as plain data."""
    info, report, design = run.info(), run.report(), run.design()
    return {
        "run": str(run.path),
        "status": info.status,
        "reason": info.reason,
        "task": design.task,
        "model": design.training.model,
        "substituted": info.substituted,
        "epochs_done": info.epochs_done,
        "best_epoch": info.best_epoch,
        "seconds": info.seconds,
        "optimized": design.metrics.optimize,
        "judged_on": report.get("judged_on"),
        "metrics": report.get("metrics", {}),
        "threshold": info.threshold,
        "report": str(run.path / "report.html"),
    }


def conclusion(run: "RunFolder") -> str:
    """Return what came of a finished run as text, and what to type next."""
    info, report, path = run.info(), run.report(), typed(run.path)
    lines = [
        f"Finished after {plural(info.epochs_done, 'epoch')} in {duration(info.seconds)}"
        + (f" ({info.reason})" if info.reason else "")
        + f"; the model is that of epoch {info.best_epoch}.",
        f"Metrics on {report['judged_on']['words']}:",
        metrics(report),
        *(f"Note: {doubt}" for doubt in report["doubts"]),
        f"Report: {run.path / 'report.html'}",
        f"Next: viewfinder predict {path} IMAGE|FOLDER...",
    ]
    return "\n".join(lines)
