"""The weights a training starts from, and what is trained instead when the default model's cannot be had."""

import contextlib
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from viewfinder import catalogue, tasks
from viewfinder import weights as files
from viewfinder.catalogue import Model
from viewfinder.data import slots
from viewfinder.design import Design
from viewfinder.errors import DesignError, WeightsError
from viewfinder.home import default_home
from viewfinder.service.designs import Wanted
from viewfinder.service.job import Told, done


@dataclass(frozen=True)
class Start:
    """A design, the weight file its model starts from (None: random numbers), and what was substituted, if anything."""

    design: Design
    found: files.Found | None
    substituted: str | None = None


def starting_point(wanted: Wanted, design: Design, progress: files.Progress | None = None) -> Start:
    """Return from what the model of a design starts.

    A model that was left at its default gives way to the bundled one when its weights cannot be had. Raises
    WeightsError for one that was chosen, and InputError for a file of the user's own that does not hold its weights.
    """
    if design.training.weights == "none":
        return Start(design, None)
    row, weights = catalogue.get(design.training.model), design.training.weights
    if weights != "pretrained":
        found = files.find(row, weights)
        _check(row, found.path.absolute())
        return Start(design, found)
    try:
        return Start(design, files.find(row, progress=progress))
    except WeightsError as error:
        if wanted.chose_model(design.task):
            raise
        return _bundled(wanted, design, error)


def _check(row: Model, path: Path) -> None:
    """Raise InputError unless a file holds a model's weights; what was found to hold them is not read again."""
    stat = path.stat()
    key = slots.key((version("viewfinder"), row.name, str(path), stat.st_size, stat.st_mtime_ns))
    known = default_home() / "cache" / "weights" / key
    if known.is_file():
        return
    with done("weights", {"model": row.name, "weights": str(path)}, Told()), contextlib.suppress(OSError):
        known.parent.mkdir(parents=True, exist_ok=True)
        known.touch()


def _bundled(wanted: Wanted, design: Design, reason: WeightsError) -> Start:
    bundled, default = tasks.get(design.task).bundled_model, design.training.model
    if bundled == default:
        raise reason
    values = wanted.values
    values["training"] = {**(values.get("training") or {}), "model": bundled}
    try:
        other = Wanted(values, {}).design(design.task)
        found = files.find(catalogue.get(bundled))
    except (DesignError, WeightsError) as error:
        raise WeightsError(f"{reason}\nThe bundled model cannot be trained instead: {error}") from None
    return Start(other, found, f"{bundled} is trained instead of {default}, the default. {reason}")


def weights() -> list[dict[str, Any]]:
    """Return the weight files of the catalogue, with where each is on this machine."""
    return [_row(entry) for entry in files.inventory()]


def add_weights(path: Path | str) -> dict[str, Any]:
    """Copy a weight file to where it will be found; raise WeightsError for one that is not the catalogue's."""
    return _row(files.add(Path(path)))


def _row(entry: files.Entry) -> dict[str, Any]:
    facts = {key: value for key, value in asdict(entry.weights).items() if key != "package"}
    where = {"path": entry.path and str(entry.path), "origin": entry.origin, "problem": entry.problem}
    return {**facts, "models": list(entry.models), **where}
