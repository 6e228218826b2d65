"""Repeating a run: the same design, data, seed and choices once more, and whether it came out the same."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viewfinder.errors import RunError, SourceError, WeightsError
from viewfinder.events import Diagnostic
from viewfinder.run import RunFolder, RunInfo
from viewfinder.service import launch
from viewfinder.service.preparing import free_folder, own_versions, refuse_used
from viewfinder.service.source import Progress, Source
from viewfinder.service.training import begin, found_again, open_run
from viewfinder.words import plural, typed

TIMES = ("seconds", "images_per_second")
MODEL = "model/model.safetensors"


@dataclass(frozen=True)
class Repetition:
    """A run, and the one that it repeats. `differences` say what did not come out the same, `changes` what was other.

    Without differences all metrics of all epochs, the model and its predictions are the same to the bit.
    """

    run: RunFolder
    of: RunFolder
    differences: tuple[str, ...]
    changes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        found = {"differences": list(self.differences), "changes": list(self.changes)}
        return {"of": str(self.of.path), "same": not self.differences, **found}


def repeat(
    of: RunFolder | Path | str,
    out: Path | str | None = None,
    source: Source | Path | str | None = None,
    *,
    progress: Progress | None = None,
    watcher: launch.Watcher | None = None,
) -> Repetition:
    """Train once more what a finished run trained, and say whether it came out the same.

    `source` says where its data is now, if it was moved. Raises RunError when the run is not finished or the data is
    another, WeightsError when its weights are gone, and what `train` raises.
    """
    run = prepare(of, out, source, progress=progress)
    begin(run, watcher)
    return compared(run, of)


def prepare(
    of: RunFolder | Path | str,
    out: Path | str | None = None,
    source: Source | Path | str | None = None,
    *,
    progress: Progress | None = None,
) -> RunFolder:
    """Make the folder of a run that repeats another; raise InputError when it cannot be repeated."""
    of = open_run(of)
    info, design = of.info(), of.design()
    if info.status != "finished":
        raise RunError(
            f"The run '{of.path}' is not finished, and only a finished run can be repeated. To go on with it: "
            f"viewfinder resume {typed(of.path)}"
        )
    of.with_model()
    of.predictions()
    if out is not None:
        refuse_used(Path(out))
    if info.weights and not Path(info.weights).is_file():
        raise WeightsError(
            f"The weights that '{of.path}' began with are no longer in '{info.weights}'. Put them there."
        )
    root = _root(of, info, source, progress)
    now = time.time()
    again = RunInfo(
        created=now, versions=own_versions(), seed=info.seed, dataset=info.dataset.model_copy(update={"root": root}),
        weights=info.weights, weights_origin=info.weights_origin, substituted=info.substituted, choices=info.choices,
    )  # fmt: skip
    path = Path(out) if out is not None else free_folder("runs", info.dataset.name, now)
    run = RunFolder.create(path, design, again, of.split(), of.files())
    with run.locked():
        for found in _findings(of):
            run.append(found.model_copy(update={"time": now}))
    return run


def compared(run: RunFolder, of: RunFolder | Path | str) -> Repetition:
    """Return what did not come out the same in a finished run as in the one that it repeats."""
    of = open_run(of)
    found = [*_epochs(run, of)]
    if (run.path / MODEL).read_bytes() != (of.path / MODEL).read_bytes():
        found.append("the weights of the model differ")
    if not run.predictions().equals(of.predictions()):
        found.append("the predictions differ")
    return Repetition(run, of, tuple(found), tuple(_changes(run.info(), of.info())))


def _root(of: RunFolder, info: RunInfo, source: Source | Path | str | None, progress: Progress | None) -> str:
    """Return the folder of a run's data, found to be the same data."""
    if source is not None:
        return found_again(info, of.design(), Source.of(source), progress)
    try:
        return found_again(info, of.design(), Source(Path(info.dataset.source)), progress)
    except SourceError as error:
        raise RunError(
            f"The data of '{of.path}' cannot be read where it was: {error} "
            f"Say where it is now: viewfinder train SOURCE --repeat {typed(of.path)}"
        ) from None


def _findings(of: RunFolder) -> list[Diagnostic]:
    """Return what was found in the data before the training began."""
    found = []
    for _, event in of.events():
        if event.type == "started":
            break
        if isinstance(event, Diagnostic):
            found.append(event)
    return found


def _epochs(run: RunFolder, of: RunFolder) -> list[str]:
    """Return the first difference in the metrics of epochs, and in their number."""
    ours, theirs = (one.epochs().drop(TIMES, strict=False).to_dicts() for one in (run, of))
    found = []
    for mine, other in zip(ours, theirs, strict=False):
        names = [name for name in other if mine.get(name) != other[name]]
        if names:
            found.append(f"from epoch {mine['epoch']} on: {names[0]} is {mine.get(names[0])}, was {other[names[0]]}")
            break
    if len(ours) != len(theirs):
        found.append(f"{plural(len(ours), 'epoch')} instead of {len(theirs)}")
    return found


def _changes(info: RunInfo, other: RunInfo) -> list[str]:
    """Return what was not the same when the runs were trained, and may explain differences."""
    names = sorted({*info.versions, *other.versions})
    here = {name: info.versions.get(name, "none") for name in names} | {"device": info.device_name or info.device}
    there = {name: other.versions.get(name, "none") for name in names} | {"device": other.device_name or other.device}
    return [f"{name} {value}, was {there[name]}" for name, value in here.items() if value != there[name]]
