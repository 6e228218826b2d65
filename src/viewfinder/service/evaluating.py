"""Measuring a run's model on other labelled data."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from viewfinder import atomic
from viewfinder.data.dataset import Dataset
from viewfinder.data.diagnostics import Diagnostic
from viewfinder.errors import InputError, SourceError
from viewfinder.report import html
from viewfinder.report.build import Evaluation
from viewfinder.run import RunFolder
from viewfinder.service.predicting import infer
from viewfinder.service.preparing import free_folder, refuse_used
from viewfinder.service.source import Progress, Source, load
from viewfinder.service.training import open_run
from viewfinder.words import plural


@dataclass(frozen=True)
class Evaluated:
    """Where the numbers are, and what they are: the content of report.json."""

    folder: Path
    report: dict[str, Any]

    @property
    def metrics(self) -> dict[str, float | None]:
        """Metrics by name; None where undefined."""
        return dict(self.report["metrics"])


def evaluate(
    run: RunFolder | Path | str,
    source: Source | Path | str,
    out: Path | str | None = None,
    *,
    progress: Progress | None = None,
    predicting: Progress | None = None,
) -> Evaluated:
    """Measure the best model of a run on all images of a source; write report and predictions.

    Without `out` they go to `evaluations/<run>-on-<source>-<time>`. What the model cannot know, such as classes it has
    not learned, is left out and listed. Raises InputError when nothing is left.
    """
    run, source = open_run(run), Source.of(source)
    run.with_model()
    if out is not None:
        refuse_used(Path(out))
    info, design = run.info(), run.design()
    folder = _free(Path(out)) if out is not None else None
    data = load(source.with_task(design.task), progress=progress)
    truth, unknown = _known(data, info.dataset.classes)
    paths = {data.path(image).as_posix(): image for image in truth["image"]}
    found = infer(run, list(paths), predicting)
    predictions = found.table.with_columns(pl.col("image").replace_strict(paths, return_dtype=pl.String))
    seen = _trained_on(run, data, truth["image"].to_list())
    diagnostics = (*seen, *unknown, *data.diagnostics, *(_renamed(one, paths) for one in found.diagnostics))
    name = f"{run.path.resolve().name}-on-{data.name}"
    folder = folder or free_folder("evaluations", name, time.time())
    return _written(
        run, folder, Evaluation(data.name, data.root, truth, predictions, data.fingerprint, data.format, diagnostics)
    )


def _free(folder: Path) -> Path:
    """Return a folder that can be written, and is made for it; raise InputError before any work is done for nothing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".writable").touch()
        (folder / ".writable").unlink()
    except OSError as error:
        raise InputError(f"--out '{folder}' cannot be written: {error.strerror or error}.") from None
    return folder


def _written(run: RunFolder, folder: Path, evaluation: Evaluation) -> Evaluated:
    folder.mkdir(parents=True, exist_ok=True)
    atomic.replace(folder / "predictions.parquet", lambda file: evaluation.predictions.write_parquet(file))
    html.write(run, evaluation, folder)
    return Evaluated(folder, json.loads((folder / "report.json").read_text(encoding="utf-8")))


def _known(data: Dataset, classes: tuple[str, ...]) -> tuple[pl.DataFrame, list[Diagnostic]]:
    """Return image and target of what has a class that the model knows, and a finding for each class it does not."""
    unknown = [name for name in data.classes if name not in classes]
    if len(unknown) == len(data.classes) and unknown:
        raise SourceError(
            f"The model knows none of the classes of '{data.name}' ({', '.join(data.classes)}). "
            f"It has learned: {', '.join(classes)}."
        )
    kept = data.select([name for name in data.classes if name in classes]) if unknown else data
    findings = [
        Diagnostic(
            "error",
            "unknown_class",
            "",
            f"{data.count(name)} of class '{name}' left out: the model has not learned it.",
        )
        for name in unknown
    ]
    return kept.images.select("image", data.target.column), findings


def _trained_on(run: RunFolder, data: Dataset, images: list[str]) -> list[Diagnostic]:
    """Return a warning when the model was trained on some of the images: by what is in them, or where they lie."""
    info = run.info().dataset
    learned = set(run.split().filter(pl.col("split") == "train")["image"])
    if data.fingerprint != info.fingerprint:
        learned = {(Path(info.root) / image).resolve().as_posix() for image in learned}
        images = [data.path(image).resolve().as_posix() for image in images]
    count = len(learned.intersection(images))
    reason = f"The model was trained on {count:,} of the {plural(len(images), 'image')}: "
    return [Diagnostic("warning", "trained_on", "", reason + "the metrics are too good.")] if count else []


def _renamed(found: Diagnostic, paths: dict[str, str]) -> Diagnostic:
    return Diagnostic(found.severity, found.kind, paths.get(found.file, found.file), found.reason)
