"""Preparing a run: everything that can be wrong is found before a training starts."""

import os
import platform
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import polars as pl

from viewfinder import weights as files
from viewfinder.data import split
from viewfinder.data.dataset import Dataset
from viewfinder.data.diagnostics import Diagnostic
from viewfinder.design import Design, require_classes, resolve
from viewfinder.errors import RunError
from viewfinder.events import Diagnostic as DiagnosticEvent
from viewfinder.events import Note
from viewfinder.run import DatasetInfo, RunFolder, RunInfo
from viewfinder.service.designs import Settings, Wanted, wanted
from viewfinder.service.estimate import Estimate, estimate
from viewfinder.service.source import Progress, Source, load, task_of
from viewfinder.service.weights import Start, starting_point
from viewfinder.words import typed


@dataclass(frozen=True)
class Prepared:
    """A run that can be trained, and what was found while preparing it."""

    run: RunFolder
    design: Design
    dataset: Dataset
    counts: dict[str, int]
    monitored_split: str
    diagnostics: tuple[Diagnostic, ...]
    start: Start
    estimate: Estimate


def prepare(
    source: Source | Path | str,
    design: Path | str | Mapping[str, Any] | Design | None = None,
    settings: Settings = (),
    out: Path | str | None = None,
    *,
    progress: Progress | None = None,
    download: files.Progress | None = None,
    clock: Callable[[], float] = time.time,
) -> Prepared:
    """Make a run folder from a source and a design; nothing is written until all of it is known to be right.

    Raises InputError for a source, a design, weights or a folder that will not do.
    """
    source, asked = Source.of(source), wanted(design, settings)
    if out is not None:
        refuse_used(Path(out))
    task = task_of(source.with_task(asked.task))
    asked.design(task)
    dataset = load(source.with_task(task), group_column=asked.group_column, progress=progress)
    return prepare_dataset(dataset, asked, out, source=source.path, download=download, clock=clock)


def prepare_dataset(
    dataset: Dataset,
    asked: Wanted,
    out: Path | str | None = None,
    *,
    source: Path | None = None,
    download: files.Progress | None = None,
    clock: Callable[[], float] = time.time,
) -> Prepared:
    """Make a run folder from a dataset that was read; `source` is where it was read from, if not its own folder."""
    chosen = asked.design(dataset.task)
    dataset, left_out = _selected(dataset, chosen)
    images = _split(dataset, chosen)
    start = starting_point(asked, chosen, download)
    resolved = resolve(start.design)
    info = _info(source or dataset.root, dataset, images, resolved, start, clock())
    table, digests = images.select("image", "split", dataset.target.column), images.select("image", "sha256")
    run = RunFolder.create(
        Path(out) if out is not None else free_folder("runs", dataset.name, clock()), resolved, info, table, digests
    )
    diagnostics = (*left_out, *dataset.diagnostics)
    _tell(run, diagnostics, start, clock())
    monitored = info.dataset.monitored_split
    expected = estimate(resolved, info.dataset.counts["train"], info.dataset.counts[monitored])
    return Prepared(run, resolved, dataset, info.dataset.counts, monitored, diagnostics, start, expected)


def free_folder(parent: str, name: str, now: float) -> Path:
    """Return a folder that is not there yet: `parent/<name>-<time>`."""
    path = Path(parent) / f"{name}-{time.strftime('%Y%m%d-%H%M%S', time.localtime(now))}"
    candidate, number = path, 2
    while candidate.exists():
        candidate, number = path.with_name(f"{path.name}-{number}"), number + 1
    return candidate


def refuse_used(path: Path) -> None:
    """Raise RunError for a folder that holds anything, or a path that is no folder."""
    if path.is_file():
        raise RunError(f"'{path}' is a file. Choose a new folder with --out.")
    if path.is_dir() and any(path.iterdir()):
        resume = (
            f", or go on with the run in it: viewfinder resume {typed(path)}" if (path / "run.json").is_file() else ""
        )
        raise RunError(f"The folder '{path}' is not empty. Choose another with --out{resume}.")


def _selected(dataset: Dataset, design: Design) -> tuple[Dataset, list[Diagnostic]]:
    """Return the dataset with the design's classes only, and a finding for each class that is left out."""
    kept = require_classes(design, dataset.classes)
    if kept == dataset.classes:
        return dataset, []
    selected = dataset.select(kept)
    dropped = [name for name in dataset.classes if name not in kept]
    reason = "{} of class '{}' left out: target.classes does not name it."
    return selected, [
        Diagnostic("info", "class_not_chosen", "", reason.format(dataset.count(name), name)) for name in dropped
    ]


def _split(dataset: Dataset, design: Design) -> pl.DataFrame:
    wanted = design.split
    return split.assign(
        dataset,
        test_ratio=wanted.test_ratio,
        validation_ratio=wanted.validation_ratio,
        stratify=wanted.stratify,
        seed=wanted.seed,
    )


def _info(source: Path, dataset: Dataset, images: pl.DataFrame, design: Design, start: Start, now: float) -> RunInfo:
    found = Counter(images["split"].to_list())
    counts = {name: found[name] for name in ("train", "validation", "test")}
    data = DatasetInfo(
        name=dataset.name,
        source=str(_absolute(source)),
        root=_absolute(dataset.root).as_posix(),
        format=dataset.format,
        classes=dataset.classes,
        fingerprint=dataset.fingerprint,
        images=images.height,
        counts=counts,
        monitored_split="validation" if counts["validation"] else "test",
    )
    return RunInfo(
        created=now,
        versions=own_versions(),
        seed=design.runtime.seed,
        dataset=data,
        weights=str(_absolute(start.found.path)) if start.found else "",
        weights_origin=start.found.origin if start.found else "",
        substituted=start.substituted,
    )


def _tell(run: RunFolder, diagnostics: tuple[Diagnostic, ...], start: Start, now: float) -> None:
    """Begin the run's events with what was found in the data and what was substituted."""
    with run.locked():
        for found in diagnostics:
            run.append(DiagnosticEvent(time=now, **found.as_dict()))
        if start.substituted:
            run.append(Note(time=now, message=start.substituted))


def own_versions() -> dict[str, str]:
    """Return the versions of Viewfinder and Python."""
    try:
        own = version("viewfinder")
    except PackageNotFoundError:
        own = "unknown"
    return {"viewfinder": own, "python": platform.python_version()}


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path.expanduser()))  # noqa: PTH100 - Path.resolve would follow links
