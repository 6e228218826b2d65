"""The runs of an analysis as a table, and a new analysis with the design of one of them."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from viewfinder import design_file, tasks
from viewfinder.design import Design, resolve, views
from viewfinder.errors import InputError
from viewfinder.run import RunFolder, RunInfo
from viewfinder.service.library import analyses, names, runs
from viewfinder.service.library.library import Library
from viewfinder.store import Analysis, Dataset, Run

MACHINE = {f"runtime.{name}" for name in ("devices", "precision", "workers", "engine")}  # a run has its machine's
CHOICES = {"training.model", "training.weights", "training.optimizer", "training.schedule.kind"}  # others follow them


@dataclass(frozen=True)
class Entry:
    """A run and what came of it. `score` is the optimised metric at the best epoch, on the monitored split.

    Of a run whose folder cannot be read only the row is known; `error` says why.
    """

    row: Run
    state: str
    metric: str = ""
    title: str = ""
    higher_is_better: bool = True
    score: float | None = None
    model: str = ""
    epochs: int = 0
    seconds: float = 0.0
    error: str | None = None


def entries(library: Library, analysis: Analysis) -> list[Entry]:
    """Return the runs of an analysis, the newest first."""
    return [entry(library, row) for row in runs.runs(library, analysis)]


def entry(library: Library, row: Run) -> Entry:
    """Return what came of a run."""
    try:
        folder = runs.folder(library, row)
        info, design = folder.info(), _design(folder.path, (folder.path / "design.yaml").stat().st_mtime_ns)
        metric = tasks.get(design.task).metrics[design.metrics.optimize]
        score = _score(folder, info, metric.name)
    except (InputError, OSError) as error:
        return Entry(row, row.state, error=str(error))
    state = row.state if row.state in ("queued", "stopped") else info.status
    return Entry(
        row, state, metric.name, metric.title, metric.higher_is_better, score, design.training.model, info.epochs_done,
        info.seconds, info.error or row.error,
    )  # fmt: skip


@lru_cache(maxsize=500)
def _design(path: Path, modified: int) -> Design:
    """Read a run's design; reading YAML takes long for a table of many runs."""
    return RunFolder(path).design()


def _score(folder: RunFolder, info: RunInfo, metric: str) -> float | None:
    epochs, column = folder.epochs(), f"{info.dataset.monitored_split}_{metric}"
    best = epochs.filter(epochs["epoch"] == info.best_epoch) if info.best_epoch and epochs.height else epochs
    return float(best[column][0]) if best.height and column in best.columns and best[column][0] is not None else None


def duplicate(library: Library, run: Run, name: str = "") -> Analysis:
    """Make an analysis of the same data with a run's design, and return it.

    What the user chose is not known any more, so it holds the values that are not what they would be by default for
    that model, optimizer and kind of schedule; the machine's own (devices, precision, workers) are left out.
    """
    analysis = library.get(Analysis, run.analysis_id)
    dataset = library.get(Dataset, analysis.dataset_id)
    values = chosen(runs.folder(library, run).design())
    named = names.valid(name or f"{analysis.name} ({run.name})"[: names.MOST_NAME])
    return analyses.create(library, dataset, named, values)


def _is_auto(design: Design) -> bool:
    """Return whether a resolved design draws as many views as it would by default."""
    auto = design.runtime.model_copy(update={"views": "auto"})
    return design.runtime.views == views(design.model_copy(update={"runtime": auto}))


def chosen(design: Design) -> dict[str, Any]:
    """Return the values of a resolved design that differ from the defaults, nested as in a design file."""
    training = design.training
    kept = {"model": training.model, "weights": training.weights, "optimizer": training.optimizer}
    kind = {"kind": training.schedule.kind}
    alike = design_file.parse({"task": design.task, "training": {**kept, "schedule": kind}})
    differing = design_file.difference(design, resolve(alike))
    plain = design_file.difference(alike, design_file.parse({"task": design.task}))
    plain = {name: pair for name, pair in plain.items() if name in CHOICES}
    values: dict[str, Any] = {}
    for name, (value, _) in {**plain, **differing}.items():
        if name not in MACHINE and value is not None and not (name == "runtime.views" and _is_auto(design)):
            values = analyses.with_value(values, name, value)
    return values
