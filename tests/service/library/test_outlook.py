"""What a design will do, before it is trained."""

from functools import partial

import pytest
import torch

from sources import write_colors
from viewfinder import catalogue, design_file
from viewfinder.engine import build, layers
from viewfinder.service import launch
from viewfinder.service.library import analyses, datasets, runs
from viewfinder.service.library.calibration import machine_speed
from viewfinder.service.library.outlook import outlook, parts, parts_of, rates
from viewfinder.service.source import Source, load
from viewfinder.store import Analysis, Dataset


def seen_of(source, design):
    return outlook(parts(load(Source(source)), design), design)


@pytest.mark.parametrize("retrained", [0, 3, 9])
def test_the_share_that_learns_is_counted_on_the_network(colors, retrained):
    design = design_file.parse({"training": {"model": "efficientnet_lite0", "retrained_layers": retrained}})
    seen = seen_of(colors, design)
    row = catalogue.get("efficientnet_lite0")
    with torch.device("meta"):
        network = build.family(row).build(row, 3, "frozen")
    layers.freeze(network, row, retrained)
    learned = sum(p.numel() for p in network.parameters() if p.requires_grad)
    assert seen.trained_share == pytest.approx(learned / sum(p.numel() for p in network.parameters()))
    assert seen.counts == {"train": 24, "validation": 0, "test": 6}
    assert seen.sentence.startswith(f"Retrains {retrained} of 9 layers of efficientnet_lite0 on 24 images, ")


def test_a_device_that_is_not_there_is_told_and_timed_as_the_cpu(colors, monkeypatch, tmp_path):
    def seen(devices):
        training = {"model": "efficientnet_lite0"}
        return seen_of(colors, design_file.parse({"training": training, "runtime": {"devices": devices}}))

    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("cuda:0", "cuda"):
        assert seen(name).device_warning == f"There is no {name} on this machine: the CPU will be used."
        assert seen(name).estimate == seen("cpu").estimate
    assert seen("cpu").device_warning is seen("auto").device_warning is None
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho '0, GPU, 100, 10, 5'\n")
    program.chmod(0o755)
    assert seen("cuda:0").device_warning is None
    assert seen("cuda:0").estimate.seconds is None
    assert "no cuda:1 on" in seen("cuda:1").device_warning


def test_the_plotted_rate_warms_up_and_follows_the_schedule(colors):
    def plotted(**schedule):
        training = {"model": "efficientnet_lite0", "epochs": 6, "learning_rate": 0.01, "schedule": schedule}
        return rates(seen_of(colors, design_file.parse({"training": training})).design)

    line, example = plotted(kind="step", step_size=2, gamma=0.1)
    assert example == []
    assert line[0][1] == pytest.approx(0.01 * 0.001)
    later = {epoch: rate for epoch, rate in line if epoch >= 1}
    assert [later[e] for e in range(1, 7)] == pytest.approx([0.01, 0.01, 0.001, 0.001, 0.0001, 0.0001])
    line, example = plotted(kind="plateau", factor=0.1, patience=1)
    assert {rate for epoch, rate in line if epoch >= 1} == {0.01}  # flat: the metric decides
    assert min(rate for _, rate in example) == pytest.approx(0.0001)


@pytest.mark.slow
def test_the_estimate_learns_from_what_was_trained(library, tmp_path):
    """Within a factor of 2 of what the next run takes, whatever this machine is and does besides."""
    many = write_colors(tmp_path / "many", images=200)
    analysis = analyses.create(library, datasets.add(library, many), "Colours", {})
    task = library.get(Dataset, analysis.dataset_id)
    took = {}
    for size in (32, 48):
        training = {"model": "efficientnet_lite0", "input_size": size, "retrained_layers": 2, "epochs": 1}
        analyses.replace(library, analysis.id, {"training": training, "runtime": {"devices": "cpu", "workers": 0}})
        design = analyses.design_of(library, library.get(Analysis, analysis.id))
        seen = outlook(parts(datasets.index(library, task), design), design, partial(machine_speed, library))
        run = runs.create(library, library.get(Analysis, analysis.id))
        launch.train(runs.folder(library, run))
        runs.set_state(library, run, "finished")
        took[size] = (runs.folder(library, run).epochs()["seconds"][0], seen.estimate.seconds_per_epoch)
    seconds, (least, most) = took[48]
    assert (least * most) ** 0.5 / 2 < seconds < (least * most) ** 0.5 * 2


def test_what_divides_a_dataset_is_worked_out_once(library, colors):
    row = datasets.add(library, colors)
    index, design = datasets.index(library, row), design_file.parse({})
    first = parts_of(library, row, index, design)
    assert first == parts(index, design)
    assert parts_of(library, row, index.select(["blue", "red"]), design) == first  # it is read, not divided again
    other = design_file.parse({"split": {"test_ratio": 0.4}, "target": {"classes": ["blue", "red"]}})
    assert parts_of(library, row, index, other).images == {"train": 12, "validation": 0, "test": 8}
