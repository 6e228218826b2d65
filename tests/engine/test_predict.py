"""Models of finished runs, used from Python."""

import json
import shutil
import sys

import polars as pl
import pytest
from PIL import Image

import viewfinder
from runs import BOTH, same_predictions
from viewfinder.engine import predict
from viewfinder.engine.examples import Item
from viewfinder.errors import RunError


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


@pytest.mark.parametrize("engine", ["openvino", "torch"])
def test_many_images_are_predicted_faster_and_alike(finished, tmp_path, monkeypatch, engine):
    run, progress = finished("colors"), []
    monkeypatch.setenv("VIEWFINDER_HOME", str(tmp_path / "home"))
    if engine == "torch":
        monkeypatch.setitem(sys.modules, "openvino", None)  # importing it fails
    (tmp_path / "torn.png").write_bytes(b"torn")
    names = [f"{run.info().dataset.root}/{image}" for image in run.predictions()["image"]]
    items = [Item(name, name) for name in [*names[:3], str(tmp_path / "torn.png"), *names[3:]] * 60]
    few = predict.load(run.path, "cpu").judge(items)
    monkeypatch.setattr(predict, "MANY", 100)
    many = predict.load(run.path, "cpu").judge(items, lambda done, images: progress.append((done, images)))
    assert (tmp_path / "home" / "cache" / "graphs").exists() == (engine == "openvino")
    assert not (tmp_path / "home" / "cache" / "features").exists()
    assert few.predictions["image"].to_list() == many.predictions["image"].to_list() == names * 60
    same_predictions(few.predictions, many.predictions)
    assert [(bad.item.name, bad.error) for bad in many.unreadable] == [
        (bad.item.name, bad.error) for bad in few.unreadable
    ]
    assert progress[-1] == (len(items), len(items))
