"""report.json: everything the report says, as plain data, from the files of a run folder alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from viewfinder import tasks
from viewfinder.data.diagnostics import Diagnostic, grouped
from viewfinder.design import Design, views
from viewfinder.errors import RunError
from viewfinder.events import AnyEvent
from viewfinder.metrics.bootstrap import Interval
from viewfinder.report import charts, parts, settings, summary
from viewfinder.report.intervals import intervals
from viewfinder.run import RunFolder, RunInfo
from viewfinder.tasks import Task
from viewfinder.words import plural

MISTAKES = 12


@dataclass(frozen=True)
class Evaluation:
    """A model judged on other data than its run's: what `viewfinder evaluate` hands to `build`.

    `truth` has the columns image and label (or boxes), `predictions` those of predictions.parquet; image paths are
    relative to `root`.
    """

    name: str
    root: Path
    truth: pl.DataFrame
    predictions: pl.DataFrame
    fingerprint: str = ""
    format: str = ""
    diagnostics: Sequence[Diagnostic] = field(default_factory=tuple)


@dataclass(frozen=True)
class Judged:
    """What was judged: images of one split, or of other data. `words` name it in a sentence."""

    split: str
    words: str
    images: int
    answers: pl.DataFrame
    result: Mapping[str, Any]


def build(run: RunFolder, evaluation: Evaluation | None = None, info: RunInfo | None = None) -> dict[str, Any]:
    """Return the content of report.json; it is JSON-able, and needs no image file.

    It works at every moment of a run: without a finished epoch, `metrics` is empty. With an `evaluation`, numbers,
    charts and mistakes are those of that data, and `kind` is "evaluation". A detector is judged at `threshold`: its
    optimum, or on other data what its model uses; `threshold_in_use` is what the model uses, if it has a threshold.
    `info` stands for what run.json says.
    """
    info, design = info or run.info(), run.design()
    task, part = tasks.get(design.task), parts.of(design.task)
    split, epochs = run.split(), _finite(run.epochs())
    judged = _judge(run, info, part, split, evaluation)
    train = split.filter(pl.col("split") == "train")
    guessing = part.guessing(judged.answers, train) if judged else None
    monitored = info.dataset.monitored_split
    metric = task.metrics[design.metrics.optimize]
    learning = [] if evaluation else charts.learning(epochs, monitored, metric, info.best_epoch, design.training.warmup)
    told = [event for _, event in run.events() if event.type in ("diagnostic", "retry", "skipped")]
    found = intervals(judged.answers, info.dataset.classes, judged.result.get("threshold")) if judged else {}
    facts = summary.Facts(info, design, task, metric, epochs, judged, guessing, part, evaluation, told, found)
    return {
        "kind": "evaluation" if evaluation else "training",
        "title": f"{task.title}: {evaluation.name if evaluation else info.dataset.name}",
        "task": design.task,
        "status": info.status,
        "created": info.created,
        "summary": summary.sentences(facts),
        "notes": summary.notes(facts),
        "doubts": summary.doubted(facts),
        "tiles": summary.tiles(facts),
        "judged_on": {"split": judged.split, "images": judged.images, "words": judged.words} if judged else None,
        "optimized": metric.name,
        "metrics": dict(judged.result["metrics"]) if judged else {},
        "intervals": {name: [one.low, one.high] for name, one in found.items()},
        "metric_rows": _metric_rows(task, part, judged, guessing, found),
        "guessing": guessing,
        "threshold": judged.result.get("threshold") if judged else info.threshold,
        "threshold_in_use": info.threshold,
        "confusion": judged.result["confusion"] if judged else None,
        "tables": part.tables(judged.result, judged.answers) if judged else [],
        "charts": [chart.as_dict() for chart in part.charts(judged.result)] if judged else [],
        "learning": [chart.as_dict() for chart in learning],
        "epochs": epochs.to_dicts(),
        "best_epoch": info.best_epoch,
        "mistakes": part.mistakes(judged.result, judged.answers, MISTAKES) if judged else [],
        "images_root": str(evaluation.root) if evaluation else info.dataset.root,
        "design": settings.rows(design),
        "data": _data(info, part, split, evaluation, told),
        "environment": _environment(info, design),
    }


def _judge(
    run: RunFolder, info: RunInfo, part: parts.Part, split: pl.DataFrame, evaluation: Evaluation | None
) -> Judged | None:
    if evaluation:
        truth, predictions, name = evaluation.truth, evaluation.predictions, "other data"
    else:
        try:
            predictions = run.predictions()
        except RunError:
            return None
        truth = split
    answers = truth.join(predictions, on="image", how="inner", suffix="_predicted").sort("image")
    if not answers.height:
        return None
    if not evaluation:
        name = "+".join(sorted(set(answers["split"])))
    result = part.measure(answers, info.dataset.classes, info.threshold if evaluation else run.judged_at())
    result |= {} if evaluation else {"threshold_in_use": info.threshold}
    count = result["images"]
    images = plural(count, "image")
    words = f"{evaluation.name} ({images})" if evaluation else f"the {name} split ({images})"
    return Judged(name, words, count, answers, result)


def _finite(epochs: pl.DataFrame) -> pl.DataFrame:
    """Return the table with null in place of what is no finite number, which JSON cannot hold."""
    numbers = pl.selectors.float()
    return epochs.with_columns(pl.when(numbers.is_finite()).then(numbers))


def _metric_rows(
    task: Task,
    part: parts.Part,
    judged: Judged | None,
    guessing: Mapping[str, Any] | None,
    found: Mapping[str, Interval],
) -> list[dict[str, Any]]:
    if not judged:
        return []
    known = {name: (metric.title, metric.explanation) for name, metric in task.metrics.items()} | dict(part.titles())
    return [
        {
            "name": name,
            "title": known[name][0],
            "value": value,
            "low": found[name].low if name in found else None,
            "high": found[name].high if name in found else None,
            "explanation": known[name][1],
            "guessing": guessing["value"] if guessing and guessing["metric"] == name else None,
        }
        for name, value in sorted(judged.result["metrics"].items(), key=lambda item: list(known).index(item[0]))
    ]


def _data(
    info: RunInfo, part: parts.Part, split: pl.DataFrame, evaluation: Evaluation | None, told: Sequence[AnyEvent]
) -> dict[str, Any]:
    data, order = info.dataset, ("train", "validation", "test")
    tables = {name: split.filter(pl.col("split") == name) for name in order}
    if evaluation:
        tables = {"train": tables["train"], evaluation.name: evaluation.truth}
    contents = {name: part.contents(table, data.classes) for name, table in tables.items() if table.height}
    return {
        "name": evaluation.name if evaluation else data.name,
        "source": evaluation.root.as_posix() if evaluation else data.source,
        "format": evaluation.format if evaluation else data.format,
        "fingerprint": evaluation.fingerprint if evaluation else data.fingerprint,
        "images": {name: tables[name].height for name in contents},
        "things": next((c["things"] for c in contents.values()), "images"),
        "empty": {name: c["empty"] for name, c in contents.items()},
        "classes": [{"class": k, **{name: c["counts"][k] for name, c in contents.items()}} for k in data.classes],
        "diagnostics": grouped(evaluation.diagnostics if evaluation else _diagnostics(told)),
    }


def _diagnostics(told: Sequence[AnyEvent]) -> list[Diagnostic]:
    return [
        Diagnostic(event.severity, event.kind, event.file, event.reason) for event in told if event.type == "diagnostic"
    ]


def _seen(design: Design) -> str:
    """Return in words which views of the training images were learned from."""
    if not design.augmentation.is_on:
        return "as they are, without augmentation"
    drawn = views(design)
    if not drawn:
        return "a fresh augmented view of each in every epoch"
    return f"{plural(drawn, 'augmented view')} of each, drawn once" + (" and used in turn" if drawn > 1 else "")


def _environment(info: RunInfo, design: Design) -> dict[str, Any]:
    return {
        "training_images": _seen(design),
        "seed": info.seed,
        "fingerprint": info.dataset.fingerprint,
        "device": info.device,
        "device_name": info.device_name,
        "precision": design.runtime.precision,
        "threads": info.choices.threads if info.choices else None,
        "weights": info.weights,
        "weights_origin": info.weights_origin,
        "versions": dict(info.versions),
    }
