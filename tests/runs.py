"""What tests read in run folders."""

import json
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file

EPOCHS = {"colors": 3, "squares": 2}
BOTH = pytest.mark.parametrize("name", ["colors", "squares"])
TIMES = ("seconds", "images_per_second")


def weights(run):
    return load_file(run.path / "model" / "model.safetensors")


def same_tensors(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def rows(run):
    return run.epochs().drop(TIMES).to_dicts()


def told(run, kind):
    return [event for _, event in run.events() if event.type == kind]


def processes_of(path):
    """Return the processes whose command names a run's folder."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if str(path).encode() in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:  # it ended meanwhile
            continue
    return found


def gone(path, within_s=15):
    """Return whether no process of a run is left, some seconds later."""
    end = time.monotonic() + within_s
    while processes_of(path) and time.monotonic() < end:
        time.sleep(0.1)
    return not processes_of(path)


def same_predictions(one, other):
    assert one.columns == other.columns
    if "boxes" not in one.columns:
        assert one["prediction"].to_list() == other["prediction"].to_list()
        numbers = pl.selectors.starts_with("proba_")
        assert np.allclose(one.select(numbers).to_numpy(), other.select(numbers).to_numpy(), rtol=0, atol=1e-5)
        return
    for ours, theirs in zip(map(json.loads, one["boxes"]), map(json.loads, other["boxes"]), strict=True):
        assert [box["category"] for box in ours] == [box["category"] for box in theirs]
        for a, b in zip(ours, theirs, strict=True):
            assert np.allclose(a["bbox"], b["bbox"], rtol=0, atol=1e-3)
            assert a["confidence"] == pytest.approx(b["confidence"], abs=1e-5)


class StopAfter:
    """A clock that asks the run to stop when an event of a kind has been told a number of times."""

    def __init__(self, run, kind, count):
        self.run, self.kind, self.count, self.now = run, kind, count, 0.0

    def __call__(self):
        self.now += 1  # every step is told, because the clock says that a second has passed
        if self.count and len(told(self.run, self.kind)) >= self.count:
            self.run.request_stop()
            self.count = 0
        return self.now
