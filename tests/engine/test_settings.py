"""Every accepted setting changes the run. A new field of the design fails here until it has a case."""

import csv
import multiprocessing
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

import pytest
import torch
from safetensors.torch import load_file

from viewfinder import catalogue
from viewfinder.design import Design, Schedule, Section
from viewfinder.engine import loop
from viewfinder.engine.task import engine_of
from viewfinder.errors import DesignError

STILL = {  # the head alone learns, so slowly that accuracy stays what it is
    "training.retrained_layers": 0,
    "training.learning_rate": 1e-6,
    "training.epochs": 3,
    "training.early_stopping.min_delta": 0,
    "metrics.optimize": "accuracy",
}
FALLING = {"training.schedule.patience": 0, "training.early_stopping.enabled": False, **STILL}
IMPATIENT = {"training.early_stopping.patience": 1, **STILL}
IMPROVING = {  # a convex problem, in small steps: the loss falls in every epoch, on every machine
    "training.retrained_layers": 0,
    "training.optimizer": "sgd",
    "training.learning_rate": 0.003,
    "training.epochs": 3,
    "training.early_stopping.patience": 1,
    "augmentation.color.enabled": False,
    "augmentation.affine.enabled": False,
    "augmentation.crop.enabled": False,
    "metrics.optimize": "log_loss",
}
STEP = {"training.schedule.kind": "step", "training.schedule.step_size": 1, "training.epochs": 2}
EXPONENTIAL = {"training.schedule.kind": "exponential", "training.epochs": 2}


def leaves(section, prefix=""):
    """Yield the dotted name of every setting, those of every kind of schedule too."""
    for name, field in section.model_fields.items():
        kind = field.annotation
        if name == "schedule":
            for schedule in get_args(get_args(Schedule)[0]):
                yield from leaves(schedule, f"{prefix}{name}.")
        elif isinstance(kind, type) and issubclass(kind, Section):
            yield from leaves(kind, f"{prefix}{name}.")
        else:
            yield prefix + name


# -- what can be observed ---------------------------------------------------------------------------------------------


def split(run):
    """Return which images are in which split, with which label."""
    return run.split().to_dicts()


def engine(run):
    """Return which engine is asked, for which model."""
    design = run.design()
    return engine_of(design.task).__name__, design.training.model


def pixels(run):
    """Return the training images as the network gets them, over two epochs."""
    design, info = run.design(), run.info()
    row, classes = catalogue.get(design.training.model), info.dataset.classes
    task = engine_of(design.task)(row, design.training.input_size, classes, torch.device("cpu"))
    items = task.items(Path(info.dataset.root), run.split())[:12]
    recipe = task.recipe(design)
    return [recipe.load(item, epoch).pixels.tobytes() for item in items for epoch in (1, 2)]


def network(run):
    """Return which tensors are trained, and what the backbone starts from."""
    trainer = loop.Trainer(run, float)
    learned = [name for name, p in trainer.network.named_parameters() if p.requires_grad]
    first = next(iter(trainer.network.parameters()))
    return learned, first.detach().numpy().tobytes()


def optimizer(run):
    """Return what takes the steps."""
    return type(loop.Trainer(run, float).optimizer).__name__


def result(run):
    """Return the numbers of every epoch and the weights in the end."""
    loop.train(run)
    rows = run.epochs().drop("seconds", "images_per_second").to_dicts()
    return rows, {name: t.numpy().tobytes() for name, t in load_file(run.path / "model" / "model.safetensors").items()}


def rates(run):
    """Return the learning rate of every epoch."""
    loop.train(run)
    return run.epochs()["learning_rate"].to_list()


def epochs(run):
    """Return how many epochs were trained."""
    loop.train(run)
    return run.epochs().height


def steps(run):
    """Return the number of steps in an epoch."""
    loop.train(run)
    return next(event.steps for _, event in run.events() if event.type == "started")


def reason(run):
    """Return why the training ended."""
    loop.train(run)
    return run.info().reason


def notes(run):
    """Return the device, and what was said about it."""
    loop.train(run)
    told = [event.message for _, event in run.events() if event.type == "note"]
    return run.info().device, [note for note in told if not note.startswith("Measuring this machine once")]


def refusal(run):
    """Return why the training does not begin."""
    try:
        loop.train(run)
    except DesignError as error:
        return str(error)
    return None


def children(run):
    """Return how many processes loaded images."""
    seen = [0]

    def clock():
        seen.append(len(multiprocessing.active_children()))
        return float(len(seen))

    loop.train(run, clock)
    return max(seen)


# setting → what is observed, its value, and what else is set in both runs
CASES = {
    "task": (engine, "detection", {}),
    "target.classes": (split, ["blue", "green"], {}),
    "split.test_ratio": (split, 0.4, {}),
    "split.validation_ratio": (split, 0.2, {}),
    "split.stratify": (split, False, {}),
    "split.group_column": (split, "who", {}),
    "split.seed": (split, 1, {}),
    "metrics.optimize": (reason, "log_loss", {**IMPATIENT, "training.early_stopping.min_delta": 5}),
    "augmentation.color.enabled": (pixels, False, {}),
    "augmentation.color.probability": (pixels, 1, {}),
    "augmentation.color.brightness": (pixels, 0.4, {}),
    "augmentation.color.contrast": (pixels, 0.4, {}),
    "augmentation.color.hue": (pixels, 0.2, {}),
    "augmentation.affine.enabled": (pixels, False, {}),
    "augmentation.affine.probability": (pixels, 1, {}),
    "augmentation.affine.horizontal_flip": (pixels, False, {}),
    "augmentation.affine.vertical_flip": (pixels, True, {}),
    "augmentation.affine.rotate": (pixels, False, {}),
    "augmentation.affine.max_rotation": (pixels, 30, {}),
    "augmentation.crop.enabled": (pixels, False, {}),
    "augmentation.crop.probability": (pixels, 1, {}),
    "augmentation.crop.min_kept_ratio": (pixels, 0.5, {}),
    "training.model": (network, "efficientnet_b0", {"training.weights": "none"}),
    "training.weights": (network, "none", {"training.retrained_layers": 9}),
    "training.input_size": (pixels, 40, {}),
    "training.retrained_layers": (network, 5, {}),
    "training.optimizer": (optimizer, "sgd", {}),
    "training.learning_rate": (result, 0.01, {}),
    "training.weight_decay": (result, 0.3, {}),
    "training.gradient_clip": (result, 0.1, {}),
    "training.class_weights": (result, "balanced", {}),
    "training.schedule.kind": (rates, "exponential", {"training.epochs": 2}),
    "training.schedule.factor": (rates, 0.5, FALLING),
    "training.schedule.patience": (rates, 5, FALLING),
    "training.schedule.step_size": (rates, 5, STEP),
    "training.schedule.gamma": (rates, 0.5, EXPONENTIAL),
    "training.warmup": (result, False, {}),
    "training.epochs": (epochs, 2, {}),
    "training.early_stopping.enabled": (epochs, False, IMPATIENT),
    "training.early_stopping.min_delta": (epochs, 5, {**IMPROVING, "training.early_stopping.min_delta": 0}),
    "training.early_stopping.patience": (epochs, 3, IMPATIENT),
    "training.batch_size": (steps, 4, {}),
    "runtime.devices": (notes, "cuda:7", {}),
    "runtime.strict": (refusal, True, {"runtime.devices": "cuda:7"}),
    "runtime.precision": (result, "bf16", {}),
    "runtime.engine": (result, "torch", {}),
    "runtime.views": (result, 1, {"training.epochs": 2}),
    "runtime.workers": (children, 2, {}),
    "runtime.seed": (result, 1, {}),
}


def test_every_setting_has_a_case():
    assert set(CASES) == set(leaves(Design))


@pytest.fixture(scope="module")
def table(colors, tmp_path_factory):
    """A CSV table: an uneven number of images of a class, and who took them."""
    path = tmp_path_factory.mktemp("table") / "images.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "label", "who"])
        for name, count in {"blue": 10, "green": 7, "red": 5}.items():
            writer.writerows([f"{colors}/{name}/{name} {i}.png", name, f"person {i % 5}"] for i in range(count))
    return path


@pytest.fixture(scope="module")
def base(table, queued):
    """Return a function that observes the run without the setting, once."""
    seen = {}

    def get(observe, others):
        key = observe.__name__, tuple(sorted(others.items()))
        if key not in seen:
            seen[key] = observe(queued(table, {"training.epochs": 1, **others}))
        return seen[key]

    return get


@pytest.mark.parametrize("setting", CASES)
def test_it_changes_the_run(setting, base, table, queued, squares):
    observe, value, others = CASES[setting]
    assert not isinstance(value, Mapping)
    source = squares if value == "detection" else table
    run = queued(source, {"training.epochs": 1, **others, setting: value})
    assert observe(run) != base(observe, others)


def test_the_number_of_workers_changes_no_result(base, table, queued):
    assert result(queued(table, {"training.epochs": 1, "runtime.workers": 2})) == base(result, {})


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "rmsprop", "adamax", "adagrad", "adadelta", "adamw"])
def test_optimizers_are_torchs(optimizer, table, queued):
    run = queued(table, {"training.optimizer": optimizer, "training.weight_decay": 0.02})
    made = loop.Trainer(run, float).optimizer
    assert type(made).__name__.lower() == optimizer
    assert type(made).__module__.startswith("torch.optim")
    (group,) = made.param_groups
    row = catalogue.get("efficientnet_lite0")
    assert (group["lr"], group["weight_decay"]) == (row.learning_rates[optimizer], 0.02)
    assert group.get("momentum", 0.9 * (optimizer == "sgd")) == 0.9 * (optimizer == "sgd")


def test_balanced_weights_are_scikit_learns(table, queued):
    import numpy as np
    from sklearn.utils.class_weight import compute_class_weight

    run = queued(table, {"training.class_weights": "balanced"})
    trainer = loop.Trainer(run, float)
    trainer.task.balance(trainer.items)
    labels = np.array([item.classes[0] for item in trainer.items])
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    assert trainer.task.class_weights.numpy() == pytest.approx(expected, rel=1e-6)


def test_bfloat16_trains_a_detector_and_judges_in_fp32(squares, queued):
    run = queued(squares, {"runtime.precision": "bf16", "training.epochs": 1})
    assert loop.train(run) == "finished"
    assert all(t.dtype != torch.bfloat16 for t in load_file(run.path / "model" / "model.safetensors").values())


@pytest.mark.parametrize(("weights", "retrained"), [("pretrained", 2), ("none", "auto")])
def test_the_smallest_images_are_learned_from_one_at_a_time(weights, retrained, table, queued):
    """They leave the last batch norms a single value each, which deviates from nothing."""
    one_each = {"training.input_size": 32, "training.batch_size": 1, "training.epochs": 1, "training.weights": weights}
    run = queued(table, {**one_each, "training.retrained_layers": retrained})
    assert loop.train(run) == "finished"
    assert all(t.isfinite().all() for t in load_file(run.path / "model" / "model.safetensors").values())


def test_the_warmup_is_of_every_step_of_the_first_epoch(table, queued):
    """The rates that were told for single steps, at a clock that makes every step be told."""
    run = queued(table, {"training.epochs": 2, "training.batch_size": 4, "training.learning_rate": 0.004})
    ticks = iter(range(10**6))
    loop.train(run, lambda: float(next(ticks)))
    told = {(e.epoch, e.step): e.learning_rate for _, e in run.events() if e.type == "step"}
    count = max(step for _, step in told)
    assert set(told) == {(epoch, step) for epoch in (1, 2) for step in range(1, count + 1)}
    for step in range(1, count + 1):
        assert told[1, step] == pytest.approx(0.004 * (0.001 + 0.999 * (step - 1) / (count - 1)), rel=1e-12)
        assert told[2, step] == 0.004
