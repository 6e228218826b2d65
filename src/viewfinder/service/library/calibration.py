"""How fast this machine trains, from what it has trained: estimates are corrected by it."""

from functools import lru_cache
from pathlib import Path
from statistics import median

import polars as pl

from viewfinder import catalogue
from viewfinder.catalogue import Model
from viewfinder.design import views
from viewfinder.errors import ViewfinderError
from viewfinder.run import RunFolder
from viewfinder.service.estimate import efficiency_of, estimate, measured_speed
from viewfinder.service.library import runs
from viewfinder.service.library.library import Library

LATEST = 20
BOUNDS = (0.1, 10.0)


def machine_speed(library: Library, model: str) -> float:
    """Return this machine's speed in 10⁹ multiply-adds per second, as the estimate of a model's training takes it.

    It is measured, and then corrected by the latest runs of models of the same family: by the median of what their
    epochs took over what they were expected to take.
    """
    family = efficiency_of(catalogue.get(model))
    taken = [_taken(library.home / run.folder, run.state) for run in runs.runs(library)[:LATEST]]
    factors = [factor for row, factor in filter(None, taken) if efficiency_of(row) is family]
    return _speed() / (median(factors) if factors else 1.0)


def uncorrected(model: str) -> float:
    """Return this machine's measured speed, whatever it trained before."""
    return _speed()


@lru_cache(maxsize=1)
def _speed() -> float:
    return measured_speed()


@lru_cache(maxsize=500)
def _taken(path: Path, state: str) -> tuple[Model, float] | None:
    """Return a run's model, and what an epoch took over what was expected; None while there is nothing to learn."""
    if state not in runs.FINAL:
        return None
    try:
        folder = RunFolder.open(path)
        design, counts, epochs = folder.design(), folder.info().dataset.counts, folder.epochs()
    except ViewfinderError:
        return None
    if not epochs.height or design.runtime.devices not in ("auto", "cpu"):  # a GPU says nothing of the CPU
        return None
    later = epochs.filter(pl.col("epoch") > views(design)) if views(design) else epochs
    if not later.height:  # all of its epochs drew views, as those of a run that keeps none
        design = design.model_copy(update={"runtime": design.runtime.model_copy(update={"views": 0})})
    expected = estimate(design, counts["train"], 0, speed=_speed).seconds_per_epoch
    if expected is None:
        return None
    middle = (expected[0] * expected[1]) ** 0.5
    factor = float(median((later if later.height else epochs)["seconds"])) / middle
    return catalogue.get(design.training.model), min(max(factor, BOUNDS[0]), BOUNDS[1])
