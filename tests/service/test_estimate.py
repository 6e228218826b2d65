"""The expected time and memory, against hand-computed multiply-adds."""

import sys

import pytest

from viewfinder import catalogue
from viewfinder.design import Design, resolve
from viewfinder.service import estimate as module
from viewfinder.service.estimate import DECODE_MS, SPREAD, START_S, efficiency_of, estimate, measured_speed

DECODING_S = 1200 * DECODE_MS / 4 / 1000  # of 1,200 images on four cores, once


def design(engine="auto", views="auto", **training):
    runtime = {"devices": "cpu", "engine": engine, "views": views}
    return resolve(Design.model_validate({"training": {"model": "efficientnet_b0", **training}, "runtime": runtime}))


def middle(pair):
    return (pair[0] * pair[1]) ** 0.5


@pytest.fixture(autouse=True)
def four_cores(monkeypatch):
    monkeypatch.setattr(module.os, "cpu_count", lambda: 4)


def gflop_of_b0():
    """Return 10⁹ multiply-adds of frozen layers and of the two that learn; with how much harder those are, early on."""
    row = catalogue.get("efficientnet_b0")
    frozen = sum(layer.mflops for layer in row.layers[:7])
    learning = row.mflops - frozen
    effort = 1 + efficiency_of(row).early * (learning / row.mflops) ** 2
    return frozen / 1000, learning * effort / 1000, efficiency_of(row)


def test_frozen_layers_count_once_and_retrained_ones_three_times():
    frozen, rest, machine = gflop_of_b0()
    expected = estimate(design("torch", epochs=10, retrained_layers=2), 1000, 200, speed=lambda: 100.0)
    seconds = 1200 * frozen / (100 * machine.frozen_share) + (1000 * 3 + 200) * rest / (100 * machine.share)
    epoch = seconds + 1200 * (machine.fixed_ms + machine.load_ms / 4) / 1000
    assert middle(expected.seconds_per_epoch) == pytest.approx(epoch)
    assert middle(expected.seconds) == pytest.approx(START_S + DECODING_S + 10 * epoch)
    assert expected.seconds[1] / expected.seconds[0] == pytest.approx(SPREAD**2)
    assert expected.epochs == 10


def test_what_frozen_layers_make_of_an_image_is_computed_once():
    frozen, rest, machine = gflop_of_b0()
    once = frozen / (100 * machine.apart_share) + machine.load_ms / 4 / 1000
    learning, judging = (p * rest / (100 * machine.share) + machine.apart_ms / 1000 for p in (3, 1))
    for views, fresh in ((0, 10), (3, 3), (30, 10)):
        wanted = design("openvino", views, epochs=10, retrained_layers=2)
        expected = estimate(wanted, 1000, 200, speed=lambda: 100.0)
        seconds = START_S + DECODING_S + 1000 * (fresh * once + 10 * learning) + 200 * (once + 10 * judging)
        assert middle(expected.seconds) == pytest.approx(seconds), views
        epoch = 1000 * (learning + (once if fresh == 10 else 0)) + 200 * judging
        assert middle(expected.seconds_per_epoch) == pytest.approx(epoch), views


MEASURED_MB = (
    ("efficientnet_lite0", 3, 224, 32, "auto", 802),
    ("efficientnet_b0", 2, 224, 32, "auto", 646),
    ("efficientnet_b0", 2, 224, 32, "torch", 842),
    ("efficientnet_b4", 2, 380, 32, "auto", 1369),
    ("efficientnet_b0", 9, 224, 32, "auto", 2830),
    ("fasterrcnn_resnet50_fpn", 3, 600, 2, "auto", 2226),
    ("fasterrcnn_resnet50_fpn", 3, 800, 4, "auto", 5326),
)
"""The peak of anonymous memory of all processes, on two cores: `benchmarks/estimates.py` and `training.py`."""


@pytest.mark.parametrize(("model", "retrained", "size", "batch", "engine", "measured"), MEASURED_MB)
def test_the_memory_is_near_what_was_measured(model, retrained, size, batch, engine, measured, monkeypatch):
    monkeypatch.setattr(module.os, "cpu_count", lambda: 2)
    training = {"model": model, "retrained_layers": retrained, "input_size": size, "batch_size": batch}
    wanted = {"task": catalogue.get(model).task, "training": training, "runtime": {"devices": "cpu", "engine": engine}}
    expected = estimate(resolve(Design.model_validate(wanted)), 100, 20, speed=lambda: 100.0)
    assert expected.memory_mb == pytest.approx(measured, rel=0.3)


def test_larger_images_and_more_layers_take_longer_and_more_memory():
    small, large, deep = (
        estimate(design("torch", **options), 100, 20, speed=lambda: 100.0)
        for options in ({}, {"input_size": 448}, {"retrained_layers": 9})
    )
    fixed = 120 * efficiency_of(catalogue.get("efficientnet_b0")).fixed_ms / 1000
    assert middle(large.seconds_per_epoch) - fixed == pytest.approx(4 * (middle(small.seconds_per_epoch) - fixed))
    assert middle(deep.seconds_per_epoch) > middle(small.seconds_per_epoch)
    assert small.memory_mb < large.memory_mb
    assert small.memory_mb < deep.memory_mb


def test_early_stopping_makes_it_an_upper_limit():
    assert estimate(design(), 10, 2, speed=lambda: 1.0).may_end_early
    off = design(early_stopping={"enabled": False})
    assert not estimate(off, 10, 2, speed=lambda: 1.0).may_end_early


@pytest.mark.skipif(sys.platform == "win32", reason="stands a shell script in for nvidia-smi")
def test_no_time_is_promised_for_another_device(monkeypatch, tmp_path):
    def on(devices):
        return design().model_copy(update={"runtime": design().runtime.model_copy(update={"devices": devices})})

    monkeypatch.setenv("PATH", str(tmp_path))
    for devices in ("auto", "cpu", "cuda:0"):  # without a GPU the CPU is used
        assert estimate(on(devices), 10, 2, speed=lambda: 1.0).seconds is not None
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\necho '0, GPU, 100, 10, 5'\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    for devices in ("auto", "cuda:0"):
        assert estimate(on(devices), 10, 2).seconds is None
        assert estimate(on(devices), 10, 2).memory_mb > 0


def test_every_model_of_the_catalogue_can_be_estimated():
    for row in catalogue.ROWS:
        wanted = {"task": row.task, "training": {"model": row.name}, "runtime": {"devices": "cpu"}}
        expected = estimate(resolve(Design.model_validate(wanted)), 100, 20, speed=lambda: 100.0)
        assert expected.seconds[0] > 0
        assert expected.memory_mb > 500


def test_the_speed_is_measured_quickly():
    import time

    begin = time.monotonic()
    assert measured_speed(0.05) > 0.1
    assert time.monotonic() - begin < 3
