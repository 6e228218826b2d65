"""Runs side by side: what differs in their designs, their metrics, and their curves."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from viewfinder import design_file, tasks
from viewfinder.design import Design
from viewfinder.errors import RunError
from viewfinder.run import RunFolder
from viewfinder.service.chance import against
from viewfinder.service.training import open_run


def compare(
    runs: Sequence[RunFolder | Path | str], names: Sequence[str] = (), *, chance: bool = True
) -> dict[str, Any]:
    """Return runs of one task side by side as plain data, called by their `names`, or else by their folders.

    `runs`: facts and metrics of each, and its epochs; `designs`: each setting that differs, with its value in each
    run; `metrics`: what was measured, the best marked where all are of the same images (`same_images`); `chance`: for
    each run after the first, whether it differs from the first by more than chance (without `chance`: nothing, because
    that takes a while); `warnings`: why the numbers may not be comparable.
    """
    opened = [open_run(run) for run in runs]
    if len(opened) < 2:
        raise RunError("compare takes two or more runs.")
    designs = [run.design() for run in opened]
    called = list(names) or [str(run.path) for run in opened]
    if len({design.task for design in designs}) > 1:
        said = ", ".join(f"'{name}' ({design.task})" for name, design in zip(called, designs, strict=True))
        raise RunError(f"Runs of different tasks cannot be compared: {said}.")
    rows = [_row(run, name) for run, name in zip(opened, called, strict=True)]
    same_images = len({_judged_on(run) for run, row in zip(opened, rows, strict=True) if row["metrics"]}) < 2
    return {
        "task": designs[0].task,
        "runs": rows,
        "same_images": same_images,
        "designs": _differences(designs),
        "metrics": _metrics(designs[0].task, rows, same_images),
        "chance": chances(opened) if chance else [],
        "warnings": _warnings(opened, rows),
    }


def chances(runs: Sequence[RunFolder]) -> list[dict[str, Any]]:
    """Return for each run after the first, by its number, whether it differs from the first by more than chance."""
    others = list(enumerate(runs))[1:]
    return [{"run": number, **against(runs[0], run, (letter(0), letter(number)))} for number, run in others]


def letter(number: int) -> str:
    """Return what stands for a run in words: A, B, …"""
    return chr(ord("A") + number) if number < 26 else f"R{number + 1}"


def _row(run: RunFolder, name: str) -> dict[str, Any]:
    info, design, report, epochs = run.info(), run.design(), run.report(), run.epochs()
    judged = report.get("judged_on") or {}
    return {
        "run": name,
        "status": info.status,
        "dataset": info.dataset.name,
        "fingerprint": info.dataset.fingerprint,
        "model": design.training.model,
        "substituted": info.substituted,
        "optimized": design.metrics.optimize,
        "monitored_split": info.dataset.monitored_split,
        "judged_on": judged.get("split"),
        "judged_images": judged.get("images"),
        "metrics": report.get("metrics", {}),
        "epochs_done": epochs.height,
        "best_epoch": info.best_epoch,
        "seconds": info.seconds,
        "device": info.device_name or info.device,
        "epochs": epochs.to_dicts(),
    }


def _differences(designs: Sequence[Design]) -> dict[str, list[Any]]:
    flat = [design_file.flatten(design) for design in designs]
    names = dict.fromkeys(name for values in flat for name in values)
    rows = {name: [values.get(name) for values in flat] for name in names}
    return {name: values for name, values in rows.items() if any(value != values[0] for value in values)}


def _metrics(task: str, rows: Sequence[dict[str, Any]], same_images: bool) -> list[dict[str, Any]]:
    """Return, for each metric, its value in each run, and in which runs it is best; in none, of different images."""
    known = tasks.get(task).metrics
    names = dict.fromkeys([*known, *(name for row in rows for name in row["metrics"])])
    found = [_metric(name, rows, known[name].higher_is_better if name in known else True) for name in names]
    return found if same_images else [{**one, "best": []} for one in found]


def _metric(name: str, rows: Sequence[dict[str, Any]], higher: bool) -> dict[str, Any]:
    values = [row["metrics"].get(name) for row in rows]
    present = [value for value in values if value is not None]
    best = (max(present) if higher else min(present)) if present else None
    return {
        "metric": name,
        "values": values,
        "best": [number for number, value in enumerate(values) if value is not None and value == best],
    }


def _warnings(runs: Sequence[RunFolder], rows: Sequence[dict[str, Any]]) -> list[str]:
    warnings = [
        f"'{row['run']}' is {row['status']}, with {row['epochs_done']} epochs done."
        for row in rows
        if row["status"] != "finished"
    ]
    if len({row["fingerprint"] for row in rows}) > 1:
        warnings.append("The runs were trained on different data, so their metrics cannot be compared.")
    elif len({_judged_on(run) for run in runs}) > 1:
        warnings.append(
            "The runs were judged on different images (their splits differ): "
            "the same model would have other metrics on each."
        )
    if len({row["judged_on"] for row in rows if row["judged_on"]}) > 1:
        warnings.append("The metrics are of different splits: see 'judged on'.")
    return warnings


def _judged_on(run: RunFolder) -> tuple[str, frozenset[str]]:
    """Return the fingerprint of the data and the images of it that the run was judged on."""
    table, info = run.split(), run.info()
    split = "test" if info.dataset.counts.get("test") else info.dataset.monitored_split
    return info.dataset.fingerprint, frozenset(table.filter(table["split"] == split)["image"])
