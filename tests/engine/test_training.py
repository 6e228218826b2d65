"""Trainings for real on small real files: what the run folder holds, and what happens when something goes wrong."""

import json
import math
import shutil
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import viewfinder
from viewfinder import catalogue, design_file, tasks
from viewfinder.engine import loop
from viewfinder.engine.task import engine_of
from viewfinder.errors import RunError, TrainingError
from viewfinder.service.training import reopen

COLUMNS = {
    "classification": ["roc_auc", "accuracy", "precision", "recall", "f1", "log_loss", "average_precision"],
    "detection": ["f1", "precision", "recall", "map", "map_50"],
}
EPOCHS = {"colors": 3, "squares": 2}
BOTH = pytest.mark.parametrize("name", ["colors", "squares"])
TIMES = ("seconds", "images_per_second")


@pytest.fixture(scope="module")
def finished(trained, colors, squares):
    """Return a function that gives a finished run of a source; not to be changed."""
    runs = {}

    def get(name):
        if name not in runs:
            source = {"colors": colors, "squares": squares}[name]
            runs[name] = trained(source, {"training.epochs": EPOCHS[name], "training.batch_size": 4})
        return runs[name]

    return get


def weights(run):
    return load_file(run.path / "model" / "model.safetensors")


def same_tensors(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def rows(run):
    return run.epochs().drop(TIMES).to_dicts()


def told(run, kind):
    return [event for _, event in run.events() if event.type == kind]


# -- the run folder ---------------------------------------------------------------------------------------------------


@BOTH
def test_the_folder_holds_what_the_contract_says(name, finished):
    run = finished(name)
    expected = {
        "run.json", "design.yaml", "events.jsonl", "epochs.csv", "split.parquet", "predictions.parquet", "lock",
        "model/model.safetensors", "model/model.json", "checkpoint/state.pt", "report.json", "report.html",
    }  # fmt: skip
    files = {path.relative_to(run.path).as_posix() for path in run.path.rglob("*") if path.is_file()}
    assert files == expected


@BOTH
def test_run_json(name, finished):
    info = finished(name).info()
    assert info.status == "finished"
    assert info.created <= info.started <= info.ended
    assert info.seconds > 0
    assert (info.epochs_done, info.error) == (EPOCHS[name], None)
    assert {"viewfinder", "torch", "python"} <= set(info.versions)
    assert info.device == "cpu"
    assert len(info.dataset.fingerprint) == 64
    assert "efficientnet-lite0" in info.weights
    assert (info.threshold is None) == (name == "colors")


@BOTH
def test_the_design_as_resolved(name, finished):
    flat = design_file.flatten(finished(name).design())
    assert "auto" not in flat.values()
    assert (flat["runtime.devices"], flat["runtime.workers"], flat["training.epochs"]) == ("cpu", 0, EPOCHS[name])


@BOTH
def test_epochs_csv(name, finished):
    run = finished(name)
    task = run.design().task
    metrics = [f"test_{metric}" for metric in COLUMNS[task]]
    table = run.epochs()
    assert table.columns == ["epoch", "learning_rate", "train_loss", "test_loss", *metrics, *TIMES]
    assert table["epoch"].to_list() == [1, 2, 3][: EPOCHS[name]]
    factor = {"colors": 1.0, "squares": 0.8}[name]  # plateau has not dropped yet; exponential drops after each epoch
    rates = [run.design().training.learning_rate * factor**epoch for epoch in range(EPOCHS[name])]
    assert table["learning_rate"].to_list() == pytest.approx(rates)
    assert table["train_loss"].is_finite().all()
    assert (table["images_per_second"] > 0).all()


@BOTH
def test_events(name, finished):
    run = finished(name)
    kinds = [event.type for _, event in run.events()]
    assert kinds[0] == "started"
    assert kinds[-1] == "finished"
    assert kinds.count("epoch") == EPOCHS[name]
    last = [step for step in told(run, "step") if step.step == step.steps]
    assert [step.epoch for step in last] == [1, 2, 3][: EPOCHS[name]]
    (started,) = told(run, "started")
    images = run.info().dataset.counts["train"]
    assert (started.images, started.steps) == (images, math.ceil(images / 4))
    assert 0 < started.parameters[0] <= started.parameters[1]
    for epoch, row in zip(told(run, "epoch"), rows(run), strict=True):
        assert epoch.loss == row["test_loss"]
        assert all(row[f"test_{metric}"] == value for metric, value in epoch.metrics.items())
    assert [e.epoch for e in told(run, "epoch") if e.best][-1] == run.info().best_epoch


@BOTH
def test_every_test_image_has_a_row_of_predictions(name, finished):
    run = finished(name)
    table, split = run.predictions(), run.split()
    assert sorted(table["image"]) == sorted(split.filter(split="test")["image"])
    if name == "colors":
        assert table.columns == ["image", "prediction", "proba_blue", "proba_green", "proba_red"]
        proba = table.select(pl.selectors.starts_with("proba_")).to_numpy()
        assert np.allclose(proba.sum(axis=1), 1, atol=1e-6)
        named = [("blue", "green", "red")[i] for i in proba.argmax(axis=1)]
        assert table["prediction"].to_list() == named
        return
    assert table.columns == ["image", "boxes"]
    for boxes in map(json.loads, table["boxes"]):
        assert len(boxes) <= 100
        for box in boxes:
            assert set(box) == {"bbox", "category", "confidence"}
            x, y, w, h = box["bbox"]
            assert min(x, y) >= 0
            assert max(x + w, y + h) <= 64 + 1e-3
            assert 0.01 <= box["confidence"] <= 1


@BOTH
def test_the_model_describes_itself(name, finished):
    run = finished(name)
    info = run.model_info()
    assert info.classes == run.info().dataset.classes
    assert (info.epoch, info.input_size) == (run.info().best_epoch, run.design().training.input_size)
    assert info.provenance["fingerprint"] == run.info().dataset.fingerprint
    assert all(tensor.dtype in (torch.float32, torch.int64) for tensor in weights(run).values())


@BOTH
def test_the_best_epoch_is_the_model(name, finished):
    """The rows of epochs.csv say which; the metrics of the predictions say that it is that one."""
    run = finished(name)
    design, table = run.design(), run.epochs()
    key = f"test_{design.metrics.optimize}"
    ranked = sorted(rows(run), key=lambda row: (-row[key], row["test_loss"], row["epoch"]))
    assert run.info().best_epoch == ranked[0]["epoch"]
    row, classes = catalogue.get(design.training.model), run.info().dataset.classes
    task = engine_of(design.task)(row, 32, classes, torch.device("cpu"))
    found = task.measure(run.split().filter(split="test"), run.predictions(), run.info().threshold)
    best = table.row(run.info().best_epoch - 1, named=True)
    for metric in COLUMNS[design.task]:
        assert found["metrics"][metric] == pytest.approx(best[f"test_{metric}"], abs=1e-9), metric


def test_it_learns(finished):
    losses = finished("colors").epochs()["train_loss"].to_list()
    assert losses[-1] < losses[0]


def test_the_report_is_there(finished):
    html = (finished("colors").path / "report.html").read_text(encoding="utf-8")
    assert html.startswith("<!DOCTYPE html>") or html.lower().startswith("<!doctype html>")
    assert finished("colors").report()


# -- prediction -------------------------------------------------------------------------------------------------------


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


@BOTH
@pytest.mark.parametrize("order", ["same", "reversed", "one at a time", "opened"])
def test_predictions_agree_with_the_runs(name, order, finished):
    run = finished(name)
    stored, root = run.predictions(), run.info().dataset.root
    if name == "squares":
        stored = above(stored, run.info().threshold)
    model = viewfinder.load(run.path, devices="cpu")
    paths = [f"{root}/{image}" for image in stored["image"]]
    if order == "reversed":
        got = model.predict(paths[::-1]).reverse()
    elif order == "one at a time":
        got = pl.concat([model.predict(path) for path in paths])
    elif order == "opened":
        got = model.predict([Image.open(path) for path in paths])
    else:
        got = model.predict(paths)
        assert got["image"].to_list() == paths
    same_predictions(got, stored)


def above(table, threshold):
    kept = [json.dumps([b for b in json.loads(t) if b["confidence"] >= threshold]) for t in table["boxes"]]
    return table.with_columns(boxes=pl.Series(kept))


def test_a_copied_model_folder_is_enough(finished, tmp_path):
    run = finished("colors")
    shutil.copytree(run.path / "model", tmp_path / "my model")
    image = f"{run.info().dataset.root}/{run.predictions()['image'][0]}"
    same_predictions(viewfinder.load(tmp_path / "my model").predict(image), viewfinder.load(run.path).predict(image))


def test_a_damaged_model_is_said(finished, tmp_path):
    shutil.copytree(finished("colors").path / "model", tmp_path / "model")
    (tmp_path / "model" / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(RunError, match="cannot be read"):
        viewfinder.load(tmp_path / "model")


def test_an_image_that_cannot_be_read_is_said(finished, tmp_path):
    (tmp_path / "torn.png").write_bytes(b"torn")
    with pytest.raises(viewfinder.InputError, match=r"torn\.png"):
        viewfinder.load(finished("colors").path).predict(tmp_path / "torn.png")


# -- stopping, resuming, extending ------------------------------------------------------------------------------------


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


@pytest.mark.parametrize(
    ("name", "kind", "count"),
    [
        ("colors", "step", 1),
        ("colors", "step", 8),
        ("colors", "epoch", 1),
        ("squares", "step", 4),
        ("squares", "evaluating", 1),
    ],
)
def test_a_stopped_run_goes_on_as_if_it_had_not(name, kind, count, finished, queued, colors, squares):
    """In the first epoch, in a later one, between two, and while judging: all is bit-identical in the end."""
    whole = finished(name)
    source = {"colors": colors, "squares": squares}[name]
    run = queued(source, {"training.epochs": EPOCHS[name], "training.batch_size": 4})
    assert loop.train(run, StopAfter(run, kind, count)) == "stopped"
    assert run.info().status == "stopped"
    assert not run.stop_requested
    assert told(run, "stopped")
    assert run.epochs().height < EPOCHS[name]
    assert loop.train(run) == "finished"
    assert rows(run) == rows(whole)
    assert same_tensors(weights(run), weights(whole))
    assert run.predictions().equals(whole.predictions())
    assert (run.info().best_epoch, run.info().threshold) == (whole.info().best_epoch, whole.info().threshold)


def test_stopping_keeps_the_best_model(queued, colors):
    run = queued(colors, {"training.epochs": 9})
    loop.train(run, StopAfter(run, "epoch", 2))
    assert run.epochs().height == 2
    assert run.model_info().epoch == run.info().best_epoch
    assert run.predictions().height == run.info().dataset.counts["test"]
    assert run.report()


def test_a_stop_before_the_first_step(queued, colors):
    run = queued(colors)
    run.request_stop()
    assert loop.train(run) == "stopped"
    assert run.epochs().is_empty()
    assert loop.train(run) == "finished"


def test_a_finished_run_is_extended(finished, queued, colors, tmp_path):
    """To more epochs: the first ones stay, and all is as if they had been wanted from the start."""
    run = queued(colors, {"training.epochs": 2, "training.batch_size": 4})
    loop.train(run)
    first = rows(run)
    reopen(run, epochs=3)
    assert loop.train(run) == "finished"
    assert rows(run)[:2] == first
    assert rows(run) == rows(finished("colors"))
    assert same_tensors(weights(run), weights(finished("colors")))


def test_an_early_stopped_run_is_extended_with_new_patience(queued, colors):
    settings = {"training.early_stopping.patience": 1, "training.early_stopping.min_delta": 5, "training.epochs": 9}
    run = queued(colors, settings)
    assert loop.train(run) == "finished"
    assert run.epochs().height == 2
    assert "early stopping" in run.info().reason
    reopen(run, epochs=10)
    loop.train(run)
    assert run.epochs().height == 3


def test_a_damaged_checkpoint_is_said(queued, colors):
    run = queued(colors, {"training.epochs": 9})
    loop.train(run, StopAfter(run, "epoch", 1))
    (run.path / "checkpoint" / "state.pt").write_bytes(b"torn")
    with pytest.raises(RunError, match="checkpoint"):
        loop.train(run)
    assert run.info().status == "failed"
    assert run.model_info()


# -- settings of the data ---------------------------------------------------------------------------------------------


def test_a_lost_checkpoint_is_said_and_nothing_is_trained_again(queued, colors):
    run = queued(colors, {"training.epochs": 1})
    loop.train(run)
    (run.path / "checkpoint" / "state.pt").unlink()
    reopen(run, epochs=2)
    with pytest.raises(RunError, match="lost its checkpoint"):
        loop.train(run)
    assert run.epochs().height == 1


def test_a_last_step_of_one_image_trains(queued, colors):
    """At 32 px the last maps are 1 × 1: a batch norm cannot learn from one value a channel."""
    run = queued(colors, {"training.epochs": 1, "training.batch_size": 23})
    assert run.info().dataset.counts["train"] == 24
    assert loop.train(run) == "finished"


def test_some_of_the_classes(trained, colors):
    run = trained(colors, {"target.classes": ["red", "blue"], "training.epochs": 1})
    assert run.model_info().classes == ("blue", "red")
    assert set(run.split()["label"]) == {"blue", "red"}
    assert run.predictions().columns == ["image", "prediction", "proba_blue", "proba_red"]


def test_some_of_the_classes_of_objects(trained, squares):
    run = trained(squares, {"target.classes": ["red"], "training.epochs": 1})
    assert run.model_info().classes == ("red",)
    assert {box["category"] for text in run.split()["boxes"] for box in json.loads(text)} == {"red"}
    assert run.split().height == 12  # those with another class only are background now


def test_the_test_split_is_judged_once_when_validation_is_monitored(queued, colors):
    """At the end, by the best epoch's model, which here is not the last: a rate far too high spoils the others."""
    settings = {"split.validation_ratio": 0.2, "metrics.optimize": "log_loss", "training.epochs": 3}
    run = queued(colors, settings)
    assert loop.train(run, StopAfter(run, "epoch", 1)) == "stopped"
    assert not (run.path / "predictions.parquet").exists()
    training = run.design().training.model_copy(update={"learning_rate": 1.0})
    run.write_design(run.design().model_copy(update={"training": training}))
    loop.train(run)
    assert run.info().best_epoch == 1
    table, split = run.epochs(), run.split()
    assert {"validation_roc_auc", "validation_loss"} <= set(table.columns)
    assert not [name for name in table.columns if name.startswith("test_")]
    assert sorted(run.predictions()["image"]) == sorted(split.filter(split="test")["image"])
    assert run.model_info().provenance["split"] == "validation"
    assert run.info().dataset.counts == dict(split["split"].value_counts().iter_rows())
    model = viewfinder.load(run.path)
    same_predictions(model.predict([f"{colors}/{i}" for i in run.predictions()["image"]]), run.predictions())


def test_the_threshold_is_of_the_monitored_split(trained, squares):
    run = trained(squares, {"split.validation_ratio": 0.3, "split.test_ratio": 0.3, "training.epochs": 1})
    assert run.model_info().threshold == run.info().threshold is not None
    assert run.report()


def test_an_image_without_objects(trained, squares, tmp_path):
    source = tmp_path / "source"
    shutil.copytree(squares, source)
    records = json.loads((source / "boxes.json").read_text())
    records["annotations"] = [a for a in records["annotations"] if a["image_id"] not in (0, 1, 2, 3)]
    (source / "boxes.json").write_text(json.dumps(records))
    run = trained(source, {"training.epochs": 1, "training.batch_size": 2, "split.stratify": False})
    backgrounds = run.split().filter(boxes="[]")
    assert backgrounds.height == 4
    assert "train" in set(backgrounds["split"])
    assert run.epochs()["train_loss"].is_finite().all()


def test_random_weights(trained, colors, squares):
    for source in (colors, squares):
        run = trained(source, {"training.weights": "none", "training.epochs": 1})
        assert run.model_info().batch_norm == "live"
        assert run.info().weights == ""
        assert run.design().training.retrained_layers in (8, 9)
        (started,) = told(run, "started")
        assert started.parameters[0] == started.parameters[1]
        assert viewfinder.load(run.path).predict([f"{source}/{run.split()['image'][0]}"]).height == 1


# -- what goes wrong --------------------------------------------------------------------------------------------------


def test_a_loss_that_is_no_number_fails_and_keeps_the_best(queued, colors):
    run = queued(colors, {"training.epochs": 1})
    loop.train(run)
    kept = weights(run)
    reopen(run, epochs=5)
    training = run.design().training.model_copy(update={"learning_rate": 1e30, "gradient_clip": "none"})
    run.write_design(run.design().model_copy(update={"training": training}))
    with pytest.raises(TrainingError, match=r"learning_rate"):
        loop.train(run)
    info = run.info()
    assert info.status == "failed"
    assert "learning_rate" in info.error
    assert told(run, "failed")[-1].error == info.error
    assert same_tensors(weights(run), kept)
    assert run.epochs().height >= 1


@BOTH
def test_weights_that_are_lost_in_the_last_step_of_an_epoch_fail_clearly(name, queued, colors, squares):
    """One step in all: its loss is a number, the weights after it are none. They become nobody's model."""
    source = {"colors": colors, "squares": squares}[name]
    settings = {"training.learning_rate": 1e30, "training.warmup": False, "training.epochs": 1}
    run = queued(source, {**settings, "training.batch_size": 99, "training.gradient_clip": "none"})
    with pytest.raises(TrainingError, match=r"on the test split.*learning_rate"):
        loop.train(run)
    assert run.info().status == "failed"
    assert not (run.path / "model").exists()


def copied(source, tmp_path):
    return shutil.copytree(source, tmp_path / "source")


@pytest.mark.parametrize("split", ["train", "test"])
def test_an_image_deleted_after_the_import_is_told_of(split, queued, colors, tmp_path):
    run = queued(copied(colors, tmp_path), {"training.epochs": 2})
    image = run.split().filter(split=split)["image"][0]
    (tmp_path / "source" / image).unlink()
    assert loop.train(run) == "finished"
    found = told(run, "diagnostic")
    assert [(d.file, d.severity) for d in found] == [(image, "error")]  # once, not once an epoch
    assert "no such file" in found[0].reason
    assert run.predictions().height == run.info().dataset.counts["test"] - (split == "test")


def test_when_every_image_is_gone_the_run_fails_clearly(queued, colors, tmp_path):
    run = queued(copied(colors, tmp_path))
    shutil.rmtree(tmp_path / "source")
    with pytest.raises(TrainingError, match="can be read"):
        loop.train(run)
    assert run.info().status == "failed"


def test_a_class_that_the_test_split_lacks_is_no_crash(trained, colors, tmp_path):
    source = tmp_path / "source"
    for split, names in {"train": ("blue", "green", "red"), "test": ("blue", "green")}.items():
        for name in names:
            (source / split / name).mkdir(parents=True)
            for path in sorted((colors / name).iterdir())[slice(0, 6) if split == "train" else slice(6, 9)]:
                shutil.copy(path, source / split / name)
    run = trained(source, {"training.epochs": 1})
    assert run.info().status == "finished"
    assert run.report()


def test_a_run_without_test_images_is_refused_by_the_trainer(queued, colors):
    run = queued(colors)
    split = run.split().with_columns(split=pl.lit("train"))
    split.write_parquet(run.path / "split.parquet")
    with pytest.raises(RunError, match="no images in its test split"):
        loop.train(run)
    assert run.info().status == "failed"


def test_a_run_that_is_being_trained_is_left_alone(queued, colors):
    run = queued(colors)
    code = "import sys,pathlib,time; from viewfinder.run import RunFolder as R\n"
    code += "with R(pathlib.Path(sys.argv[1])).locked(): print(flush=True); time.sleep(60)"
    holder = subprocess.Popen([sys.executable, "-c", code, str(run.path)], stdout=subprocess.PIPE)
    try:
        holder.stdout.readline()
        with pytest.raises(RunError, match="another process"):
            loop.train(run)
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    assert run.info().status == "queued"


def test_an_unknown_device_is_replaced_and_said(trained, colors):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    run = trained(colors, {"runtime.devices": "cuda:7", "training.epochs": 1})
    assert run.info().device == "cpu"
    assert any("cuda:7" in note.message for note in told(run, "note"))


def test_the_tasks_metrics_are_the_columns(finished):
    for task, names in COLUMNS.items():
        assert list(tasks.get(task).metrics) == names
