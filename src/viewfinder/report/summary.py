"""What a report says first, in plain words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import polars as pl

from viewfinder.design import Design
from viewfinder.events import AnyEvent
from viewfinder.metrics.bootstrap import Interval
from viewfinder.report.doubts import doubts
from viewfinder.report.parts import Part
from viewfinder.run import RunInfo
from viewfinder.tasks import Metric, Task
from viewfinder.words import plural

if TYPE_CHECKING:
    from viewfinder.report.build import Evaluation, Judged

RESUME = "`viewfinder resume` goes on from the last epoch."


@dataclass(frozen=True)
class Facts:
    """What the words are made from."""

    info: RunInfo
    design: Design
    task: Task
    metric: Metric
    epochs: pl.DataFrame
    judged: "Judged | None"
    guessing: Mapping[str, Any] | None
    part: Part
    evaluation: "Evaluation | None"
    told: Sequence[AnyEvent] = ()
    intervals: Mapping[str, Interval] = field(default_factory=dict)


def sentences(facts: Facts) -> list[str]:
    """Return the summary: what was trained on what, how good it is and on which images, how it went."""
    said = [_trained(facts)]
    if facts.judged:
        said += facts.part.sentences(facts.judged.result, facts.judged.words, facts.guessing)
        said += [_optimized(facts)]
    elif facts.epochs.height:
        said += [_best_so_far(facts)]
    return [*filter(None, said), *([] if facts.evaluation else _course(facts))]


def _trained(facts: Facts) -> str:
    data, training = facts.info.dataset, facts.design.training
    learned = f"{plural(data.counts.get('train', 0), 'image')} of {data.name}"
    classes = f"{len(data.classes)} class{'es' if len(data.classes) != 1 else ''} ({listed(data.classes)})"
    start = "from random weights" if training.weights == "none" else "starting from pretrained weights"
    waiting = {"queued": "is to be trained", "running": "is being trained"}.get(facts.info.status, "was to be trained")
    verb = "was trained" if facts.epochs.height else waiting
    return f"{training.model} {verb} on {learned} for {classes}, {start}."


def _optimized(facts: Facts) -> str:
    assert facts.judged
    value = facts.judged.result["metrics"].get(facts.metric.name)
    if value is None:
        return f"{facts.metric.title}, the metric this run optimised, is not defined on {facts.judged.words}."
    return f"{facts.metric.title}, the metric this run optimised, is {value:.4f} there."


def _best_so_far(facts: Facts) -> str:
    split = facts.info.dataset.monitored_split
    best = facts.epochs.filter(pl.col("epoch") == facts.info.best_epoch)
    column = f"{split}_{facts.metric.name}"
    if not best.height or column not in best.columns or best[column][0] is None:
        return "No image has been predicted for this report yet."
    images = facts.info.dataset.counts.get(split, 0)
    return (
        f"On the {split} split ({plural(images, 'image')}), "
        f"{facts.metric.title} was {best[column][0]:.4f} in the best epoch; "
        "the test split has not been judged yet."
    )


def _course(facts: Facts) -> list[str]:
    info, limit = facts.info, facts.design.training.epochs
    if not facts.epochs.height:
        return [_no_epoch(info)]
    done = facts.epochs.height
    best = f" Epoch {info.best_epoch} was the best: its weights are the model." if info.best_epoch is not None else ""
    course = f"It learned for {done} of at most {limit} epochs, {duration(info.seconds)} on {_device(info)}.{best}"
    return [course, *([_ended(info)] if _ended(info) else [])]


def _no_epoch(info: RunInfo) -> str:
    why = _ended(info)
    return "No epoch is finished, so there is no model and nothing to measure yet." + (f" {why}" if why else "")


def _ended(info: RunInfo) -> str:
    if info.status == "failed":
        return f"It failed: {_sentence(info.error or 'no reason is known')}"
    if info.status == "stopped":
        reason = f": {_sentence(info.reason)}" if info.reason else "."
        return f"It was stopped before its end{reason} {RESUME}"
    if info.status == "finished":
        return f"Why it ended: {_sentence(info.reason)}" if info.reason else ""
    return "It is not finished: this report shows what there was when it was written."


def _sentence(text: str) -> str:
    text = text.strip()
    return text if text.endswith((".", "!", "?")) else text + "."


def _device(info: RunInfo) -> str:
    return info.device_name or info.device or "an unknown device"


def notes(facts: Facts) -> list[str]:
    """Return what a reader must know besides: substitutions, random weights, choices made on the judged images."""
    info, training = facts.info, facts.design.training
    said = [info.substituted] if info.substituted else []
    if training.weights == "none":
        said.append(
            "The training started from random weights (weights: none), so all layers were trained. Pretrained weights "
            "nearly always give a better model from the same images."
        )
    monitored = info.dataset.monitored_split
    if facts.judged and not facts.evaluation and facts.judged.split == monitored and facts.epochs.height:
        said.append(
            f"The {monitored} split also chose the best epoch{_and_threshold(facts)}, so its numbers are slightly "
            "flattering. With split.validation_ratio above 0 another split does that, and the test split is used once."
        )
    if not facts.evaluation:
        said += _trouble(facts.told)
    return [*said, *doubted(facts), *(facts.judged.result["notes"] if facts.judged else [])]


def doubted(facts: Facts) -> list[str]:
    """Return why the numbers deserve less trust than they seem to."""
    if not facts.judged:
        return []
    result, copies = facts.judged.result, 0 if facts.evaluation else facts.info.near_copies or 0
    accuracy = result["metrics"].get("accuracy")
    return doubts(facts.judged.words, facts.judged.images, result["per_class"], accuracy, facts.guessing, copies)


def _trouble(told: Sequence[AnyEvent]) -> list[str]:
    """Return what went otherwise than planned in steps: the last lack of memory, and how many were left out."""
    lacks = [event.message for event in told if event.type == "retry"]
    left_out = {(event.epoch, event.step) for event in told if event.type == "skipped"}
    count = f"{plural(len(left_out), 'step')} left out, because the loss was not finite." if left_out else ""
    return [*lacks[-1:], *([f"{count} A lower training.learning_rate avoids it."] if count else [])]


def _and_threshold(facts: Facts) -> str:
    return " and the threshold" if facts.judged and "threshold" in facts.judged.result else ""


def tiles(facts: Facts) -> list[dict[str, str]]:
    """Return the figures shown large: `{"value", "title", "text"}`."""
    shown = []
    if facts.judged:
        got, where = facts.judged.result["metrics"], f"on {facts.judged.words}"
        for name in dict.fromkeys((facts.metric.name, *facts.part.headlines())):
            title = facts.task.metrics[name].title
            value = got.get(name)
            shown.append({"value": "–" if value is None else f"{value:.4f}", "title": title, "text": where})
    if facts.epochs.height and not facts.evaluation:
        best = f"best of {facts.epochs.height}, at most {facts.design.training.epochs}"
        shown.append({"value": str(facts.info.best_epoch or "–"), "title": "Best epoch", "text": best})
        shown.append({"value": duration(facts.info.seconds), "title": "Training time", "text": _device(facts.info)})
    return shown


def listed(names: tuple[str, ...], longest: int = 90) -> str:
    """Return names separated by commas; of many, or long ones, only the first."""
    limit = max(1, sum(end <= longest for end in accumulate(len(name) + 2 for name in names)))
    return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")


def duration(seconds: float) -> str:
    """Return a time as people say it: 48 s, 5 min 12 s, 2 h 05 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
