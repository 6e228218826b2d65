"""Trainings for real on small real files: what the run folder holds."""

import json
import math

import numpy as np
import polars as pl
import pytest
import torch

from runs import BOTH, EPOCHS, TIMES, rows, told, weights
from viewfinder import catalogue, design_file, tasks
from viewfinder.engine.task import engine_of

COLUMNS = {
    "classification": ["roc_auc", "accuracy", "precision", "recall", "f1", "log_loss", "average_precision"],
    "detection": ["f1", "precision", "recall", "map", "map_50"],
}


@BOTH
def test_the_folder_holds_what_the_contract_says(name, finished):
    run = finished(name)
    expected = {
        "run.json", "design.yaml", "events.jsonl", "epochs.csv", "split.parquet", "predictions.parquet", "lock",
        "model/model.safetensors", "model/model.json", "checkpoint/state.pt", "report.json", "report.html",
        "latest.parquet", "files.parquet",
    }  # fmt: skip
    files = {path.relative_to(run.path).as_posix() for path in run.path.rglob("*") if path.is_file()}
    assert files == expected


@BOTH
def test_the_latest_epoch_is_told_of_the_same_few_images(name, finished):
    run = finished(name)
    latest, predictions = run.latest(), run.predictions()
    assert set(latest["epoch"]) == {run.epochs().height}
    assert latest.height == min(12, predictions.height)
    if run.info().best_epoch == run.epochs().height:  # then both are of the same epoch
        told = latest.drop("epoch").sort("image")
        assert told.equals(predictions.filter(predictions["image"].is_in(told["image"].implode())).sort("image"))


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
    factor = {"colors": 1.0, "squares": 0.75}[name]  # plateau has not dropped yet; exponential drops after each epoch
    rates = [run.design().training.learning_rate * factor**epoch for epoch in range(EPOCHS[name])]
    assert table["learning_rate"].to_list() == pytest.approx(rates)
    assert table["train_loss"].is_finite().all()
    assert (table["images_per_second"] > 0).all()


@BOTH
def test_events(name, finished):
    run = finished(name)
    kinds = [event.type for _, event in run.events()]
    notes = [event.message for _, event in run.events() if event.type == "note"]
    before = kinds.index("started")  # the first run of a machine measures it
    assert all(note.startswith("Measuring this machine once") for note in notes[:before])
    assert kinds[:before] in ([], ["note"])
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


def test_the_tasks_metrics_are_the_columns(finished):
    for task, names in COLUMNS.items():
        assert list(tasks.get(task).metrics) == names
