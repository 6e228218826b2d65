"""Predictions, evaluations and comparisons of trained models."""

import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
from PIL import Image
from sklearn.metrics import accuracy_score, f1_score

from viewfinder import lock
from viewfinder.errors import InputError, RunError, SourceError
from viewfinder.run import RunFolder
from viewfinder.service import parts
from viewfinder.service.comparing import compare
from viewfinder.service.evaluating import evaluate
from viewfinder.service.predicting import predict, predict_into, write
from viewfinder.service.preparing import prepare


@pytest.fixture
def new(colors, tmp_path):
    """A folder of pictures without labels: nested, with odd names, one of them broken, one hidden."""
    folder = tmp_path / "new"
    (folder / "déjà vu").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    shutil.copy(colors / "red" / "red 0.png", folder / "a red.PNG")
    shutil.copy(colors / "blue" / "blue 0.png", folder / "déjà vu" / "blue.png")
    shutil.copy(colors / "blue" / "blue 0.png", folder / ".hidden" / "blue.png")
    (folder / "broken.jpg").write_bytes(b"no image")
    (folder / "notes.txt").write_text("no image either")
    return folder


def test_folders_are_walked_and_unreadable_images_listed(colors_run, new, tmp_path):
    found = predict(colors_run, new)
    names = [(new / name).as_posix() for name in ("a red.PNG", "déjà vu/blue.png")]
    assert found.table.columns == ["image", "prediction", "proba_blue", "proba_green", "proba_red"]
    assert found.table["image"].to_list() == names
    assert found.table.select(pl.sum_horizontal("^proba_.*$")).to_series().to_list() == pytest.approx([1, 1])
    assert [(one.severity, one.file) for one in found.diagnostics] == [("error", (new / "broken.jpg").as_posix())]


def test_predictions_agree_with_those_of_the_training_and_are_written(colors_run, colors, tmp_path):
    known = colors_run.predictions().sort("image")
    found = predict(colors_run, [colors / image for image in known["image"]], tmp_path / "deeper" / "table.csv").table
    assert found["prediction"].to_list() == known["prediction"].to_list()
    for name in ("proba_blue", "proba_green", "proba_red"):
        assert found[name].to_list() == pytest.approx(known[name].to_list(), abs=1e-5)
    assert pl.read_csv(tmp_path / "deeper" / "table.csv").equals(found)
    for name, read in (("table.parquet", pl.read_parquet), ("table.JSONL", pl.read_ndjson)):
        write(found, tmp_path / name)
        assert read(tmp_path / name).equals(found)


@pytest.fixture(scope="module")
def many(colors, tmp_path_factory):
    """Pictures for some seconds: two thousand, the first of them broken."""
    folder = tmp_path_factory.mktemp("many")
    (folder / "0 broken.png").write_bytes(b"no image")
    for number, path in zip(range(2000), itertools.cycle(sorted(colors.rglob("*.png"))), strict=False):
        shutil.copy(path, folder / f"{number:04} {path.name}")
    return folder


def interrupted(run, images, out):
    """Predict until the first progress is told; return how much that was."""
    told = []

    def progress(done, images):
        told.append(done)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match=r"Stopped after [\d,]+ of 2,001 images. The same command goes on"):
        predict(run, images, out, progress=progress)
    assert 0 < told[0] < 2001
    assert not out.exists()
    return told[0]


def first_told(run, images, out):
    told = []
    found = predict(run, images, out, progress=lambda done, images: told.append(done))
    return told[0], found


def test_what_was_interrupted_goes_on_with_what_is_left(colors_run, many, tmp_path):
    out = tmp_path / "some" / "table.csv"
    done = interrupted(colors_run, many, out)
    began, found = first_told(colors_run, many, out)
    assert began > done
    undisturbed = predict(colors_run, many)
    assert found.table.equals(undisturbed.table)
    assert pl.read_csv(out)["image"].to_list() == found.table["image"].to_list()
    assert found.diagnostics == undisturbed.diagnostics
    assert [Path(one.file).name for one in found.diagnostics] == ["0 broken.png"]
    assert [path.name for path in out.parent.iterdir()] == ["table.csv"], "nothing is left behind"


CHANGES = ["nothing", "an image", "the model", "the images", "the threshold", "a part", "the order to delete"]


@pytest.mark.parametrize("changed", CHANGES)
def test_only_what_was_predicted_of_the_same_is_used(colors_run, many, tmp_path, monkeypatch, changed):
    shutil.copytree(colors_run.path / "model", tmp_path / "model")
    images, kept, there = [path.as_posix() for path in sorted(many.iterdir())], tmp_path / "kept", []

    def stopped(command, folder, told):
        there.append(len(list(kept.glob("part-*.parquet"))))
        for first, last in ((0, 300), (300, 500)):
            pl.DataFrame({"image": images[first:last], "error": None}).write_parquet(kept / f"part-{last:09}.parquet")
        raise KeyboardInterrupt

    monkeypatch.setattr("viewfinder.service.launch.follow", stopped)

    def ask(images, threshold=0.5):
        job = parts.Job(tmp_path / "model", images, threshold)
        with pytest.raises(KeyboardInterrupt, match="after 500 of"), parts.predicted(job, kept):
            pass

    ask(images)
    match changed:
        case "an image":
            os.utime(many / "0001 blue 1.png")
        case "the model":
            os.utime(tmp_path / "model" / "model.safetensors", (0, 0))
        case "a part":
            (kept / "part-000000300.parquet").unlink()
        case "the order to delete":
            (kept / "key").unlink()
    ask(images[1:] if changed == "the images" else images, 0.6 if changed == "the threshold" else 0.5)
    assert there == [0, 2 if changed == "nothing" else 0]


@pytest.mark.parametrize("later_s", [0, 4])
def test_a_killed_command_leaves_its_engine_time_to_keep_what_is_done(colors_run, many, tmp_path, later_s):
    """The engine, while it begins or predicts, ends by itself; the same command waits for it, and goes on."""
    words = [sys.executable, "-m", "viewfinder", "predict", colors_run.path, many, "--out", tmp_path / "table.csv"]
    command, kept, end = subprocess.Popen(words), tmp_path / ".table.csv.parts", time.monotonic() + 60
    while not (kept / "lock").exists():
        assert time.monotonic() < end
        time.sleep(0.01)
    time.sleep(later_s)
    command.kill()
    command.wait()
    assert predict_into(colors_run, many, tmp_path / "table.csv").count == 2000
    assert pl.read_csv(tmp_path / "table.csv")["image"].n_unique() == 2000
    assert not kept.exists()


def test_any_name_will_do(colors_run, colors, tmp_path):
    """What a shell or polars would expand is a name like any other."""
    folder = tmp_path / "of [2026] * {a,b}?" if os.name == "posix" else tmp_path / "of [2026] {a,b}"
    shutil.copytree(colors_run.path, folder / "run [1]")
    found = predict(folder / "run [1]", colors / "red", folder / "t[1].csv")
    assert pl.read_csv((folder / "t[1].csv").read_bytes()).height == found.table.height == 10
    assert evaluate(folder / "run [1]", colors, folder / "evaluated [1]").report["judged_on"]["images"] == 30


def test_two_threads_into_one_file_do_not_mix(colors_run, colors, tmp_path):
    """A lock on a file tells processes from one another, not threads."""
    job = parts.Job(colors_run.path, [(colors / "red" / "red 0.png").as_posix()])
    other = parts.predicted(job, tmp_path / "kept")
    with parts.predicted(job, tmp_path / "kept"), pytest.raises(InputError, match="Another prediction into"):
        other.__enter__()


def test_two_predictions_into_one_file_do_not_mix(colors_run, colors, tmp_path):
    (tmp_path / ".table.csv.parts").mkdir()
    with lock.take(tmp_path / ".table.csv.parts" / "asked.lock") as held:
        assert held is not None
        other = [
            sys.executable,
            "-m",
            "viewfinder",
            "predict",
            colors_run.path,
            colors,
            "--out",
            tmp_path / "table.csv",
        ]
        ended = subprocess.run(other, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2
    assert "Another prediction into" in ended.stderr
    assert predict_into(colors_run, colors, tmp_path / "table.csv").count == 30


def test_boxes_below_the_threshold_are_left_out(squares_run, squares, tmp_path):
    known = squares_run.predictions()
    confidences = sorted(box["confidence"] for text in known["boxes"] for box in json.loads(text))
    gaps = [(high - low, (high + low) / 2) for low, high in itertools.pairwise(confidences)]
    threshold = max(gaps)[1]
    images = [squares / image for image in known["image"]]
    table = predict(squares_run, images, tmp_path / "some.jsonl", threshold=threshold).table
    kept = [box["confidence"] for text in table["boxes"] for box in json.loads(text)]
    assert sorted(kept) == pytest.approx([value for value in confidences if value >= threshold], abs=1e-5)
    assert 0 < len(kept) < len(confidences)
    lines = (tmp_path / "some.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["boxes"] for line in lines] == [json.loads(text) for text in table["boxes"]]


def test_the_models_own_threshold_is_the_default(squares_run, squares):
    own = squares_run.info().threshold
    known = squares_run.predictions()
    found = predict(squares_run, [squares / image for image in known["image"]]).table
    boxes = [box for text in found["boxes"] for box in json.loads(text)]
    assert len(boxes) == sum(box["confidence"] >= own for text in known["boxes"] for box in json.loads(text))


@pytest.mark.parametrize(
    ("images", "options", "message"),
    [
        (["nowhere.png"], {}, r"There is no image or folder 'nowhere\.png'"),
        ([], {}, "No image was named"),
        (["x.png"], {"out": "table.xlsx"}, r"one of \.csv, \.parquet, \.jsonl"),
        (["x.png"], {"out": "file.txt/table.csv"}, r"'.*file\.txt' is a file, not a folder"),
        (["x.png"], {"out": "folder.csv"}, r"'folder\.csv' is a folder"),
        (["x.png"], {"threshold": 0.5}, "gives each image a class, not boxes"),
    ],
)
def test_wrong_requests_are_refused_before_a_process_starts(
    colors_run, tmp_path, monkeypatch, images, options, message
):
    (tmp_path / "file.txt").touch()
    (tmp_path / "folder.csv").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("viewfinder.service.launch.start", lambda *_: pytest.fail("a process was started"))
    with pytest.raises(InputError, match=message):
        predict(colors_run, images, **options)


def test_a_model_without_its_weights_is_said_before_a_process_starts(colors_run, colors, tmp_path, monkeypatch):
    monkeypatch.setattr("viewfinder.service.launch.start", lambda *_: pytest.fail("a process was started"))
    shutil.copytree(colors_run.path, tmp_path / "run")
    (tmp_path / "run" / "model" / "model.safetensors").unlink()
    for use in (lambda run: predict(run, colors), lambda run: evaluate(run, colors)):
        with pytest.raises(RunError, match=r"is not complete: '.*model\.safetensors' is missing"):
            use(tmp_path / "run")


@pytest.mark.parametrize("content", ["", "{", "[]", "{}"])
def test_a_damaged_description_of_a_model_is_said(colors_run, colors, tmp_path, content):
    shutil.copytree(colors_run.path, tmp_path / "run")
    (tmp_path / "run" / "model" / "model.json").write_text(content)
    with pytest.raises(RunError, match=r"model\.json' cannot be read as a model"):
        predict(tmp_path / "run", colors)


@pytest.mark.parametrize(
    ("name", "content"), [("epochs.csv", "a,b\n1,2\n"), ("report.json", "[]"), ("report.json", "{")]
)
def test_a_damaged_run_is_said_by_compare(colors_run, tmp_path, name, content):
    shutil.copytree(colors_run.path, tmp_path / "run")
    (tmp_path / "run" / name).write_text(content)
    with pytest.raises(RunError, match=f"{name}' is damaged"):
        compare([tmp_path / "run", colors_run])


def test_an_image_that_is_named_twice_is_predicted_once(colors_run, colors):
    folder = colors / "blue"
    found = predict(colors_run, [folder / "blue 1.png", folder, colors / "red" / ".." / "blue" / "blue 0.png"])
    assert found.table.height == len(list(folder.iterdir()))


def test_a_threshold_is_a_probability(squares_run):
    with pytest.raises(InputError, match="between 0 and 1"):
        predict(squares_run, ["x.png"], threshold=1.5)


def test_nothing_but_unreadable_images_is_an_error(colors_run, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no image")
    with pytest.raises(SourceError, match=r"None of the images can be read.*bad\.png"):
        predict(colors_run, tmp_path / "bad.png")


def test_an_empty_folder_and_a_run_without_a_model_are_said(colors_run, colors, quick, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="holds no images"):
        predict(colors_run, tmp_path / "empty")
    with pytest.raises(RunError, match="is not a run folder"):
        predict(tmp_path / "empty", colors)
    prepared = prepare(colors, settings=quick, out=tmp_path / "run")
    with pytest.raises(RunError, match="has no model yet"):
        predict(prepared.run, colors)


def test_evaluate_measures_on_other_data(colors_run, colors, tmp_path):
    shutil.copytree(colors, tmp_path / "other")
    (tmp_path / "other" / "purple").mkdir()
    Image.new("RGB", (40, 40), "purple").save(tmp_path / "other" / "purple" / "p.png")
    (tmp_path / "other" / "red" / "broken.png").write_bytes(b"no image")
    found = evaluate(colors_run, tmp_path / "other", tmp_path / "evaluation")
    table = pl.read_parquet(tmp_path / "evaluation" / "predictions.parquet")
    truth = [image.split("/")[0] for image in table["image"]]
    assert table.height == 30
    assert found.metrics["accuracy"] == pytest.approx(accuracy_score(truth, table["prediction"].to_list()))
    assert found.metrics["f1"] == pytest.approx(f1_score(truth, table["prediction"].to_list(), average="macro"))
    listed = {(group["kind"], group["count"]) for group in found.report["data"]["diagnostics"]}
    assert listed == {("unknown_class", 1), ("corrupt_image", 1)} | {
        one for one in listed if one[0] == "single_image_class"
    }
    assert (tmp_path / "evaluation" / "report.html").is_file()
    with pytest.raises(RunError, match="is not empty"):
        evaluate(colors_run, colors, tmp_path / "evaluation")


def test_evaluate_measures_boxes(squares_run, squares, tmp_path):
    found = evaluate(squares_run, squares, tmp_path / "evaluation")
    assert found.report["kind"] == "evaluation"
    assert found.report["judged_on"]["images"] == 12
    assert 0 <= found.metrics["map_50"] <= 1


def test_evaluate_warns_of_images_that_the_model_was_trained_on(colors_run, colors, tmp_path):
    def warned(source, name):
        findings = evaluate(colors_run, source, tmp_path / name).report["data"]["diagnostics"]
        return [one["examples"][0]["reason"] for one in findings if one["kind"] == "trained_on"]

    shutil.copytree(colors, tmp_path / "copy")
    for name, source in (("itself", colors), ("a copy", tmp_path / "copy")):
        assert warned(source, name) == ["The model was trained on 24 of the 30 images: the metrics are too good."]
    split = colors_run.split()
    for part, count in (("train", 24), ("test", 0)):
        rows = split.filter(pl.col("split") == part).select((f"{colors}/" + pl.col("image")).alias("image"), "label")
        rows.write_csv(tmp_path / f"{part}.csv")
        assert len(warned(tmp_path / f"{part}.csv", part)) == bool(count)


def test_evaluate_needs_a_class_that_the_model_knows(colors_run, tmp_path):
    for name in ("x", "y"):
        (tmp_path / "data" / name).mkdir(parents=True)
        Image.new("RGB", (9, 9)).save(tmp_path / "data" / name / f"{name}.png")
    with pytest.raises(SourceError, match=r"knows none of the classes.*\(x, y\).*blue, green, red"):
        evaluate(colors_run, tmp_path / "data")


def test_compare_shows_what_differs(colors_run, squares_run, colors, quick, tmp_path):
    shutil.copytree(colors_run.path, tmp_path / "same")
    prepared = prepare(colors, settings={**quick, "training.optimizer": "sgd", "split.seed": 5}, out=tmp_path / "other")
    compared = compare([colors_run, tmp_path / "same", prepared.run])
    assert compared["designs"]["training.optimizer"] == ["adam", "adam", "sgd"]
    assert compared["designs"]["split.seed"] == [0, 0, 5]
    assert "training.model" not in compared["designs"]
    accuracy = next(row for row in compared["metrics"] if row["metric"] == "accuracy")
    assert accuracy["values"][:2] == [colors_run.report()["metrics"]["accuracy"]] * 2
    assert (accuracy["values"][2], accuracy["best"]) == (None, [0, 1])
    assert compared["runs"][0]["epochs"] == colors_run.epochs().to_dicts()
    assert any("judged on different images" in warning for warning in compared["warnings"])
    assert any("is queued" in warning for warning in compared["warnings"])
    assert compare([colors_run, RunFolder(tmp_path / "same")])["warnings"] == []
    moved = RunFolder(tmp_path / "same").split().with_columns(split=pl.lit("test"))
    moved.write_parquet(tmp_path / "same" / "split.parquet")
    other = compare([colors_run, tmp_path / "same"], chance=False)
    assert (other["same_images"], [row["best"] for row in other["metrics"] if row["best"]]) == (False, [])
    with pytest.raises(RunError, match=r"different tasks.*: 'one' \(classification\), 'two' \(detection\)\.$"):
        compare([colors_run, squares_run], ["one", "two"])
    with pytest.raises(RunError, match="two or more"):
        compare([colors_run])
