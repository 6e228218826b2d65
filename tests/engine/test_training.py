"""Trainings for real on small real files: what depends on the data, and what happens when something goes wrong."""

import json
import shutil
import subprocess
import sys

import polars as pl
import pytest
import torch

import viewfinder
from runs import BOTH, StopAfter, same_predictions, same_tensors, told, weights
from viewfinder.engine import loop
from viewfinder.errors import RunError, TrainingError
from viewfinder.service.training import reopen


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
