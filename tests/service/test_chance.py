"""Whether two runs differ by more than chance: on the images both were judged on, said in words."""

import json
import re
import shutil

import numpy as np
import polars as pl
import pytest

from viewfinder.run import RunFolder
from viewfinder.service.chance import against, intervals
from viewfinder.service.comparing import compare

IMAGES = 200


@pytest.fixture
def judged(colors_run, tmp_path):
    """judged(name, skill): a run with the predictions of a model that is right with that probability."""
    classes = list(colors_run.info().dataset.classes)
    truth = [classes[number % 3] for number in range(IMAGES)]
    images = [f"{number:03}.png" for number in range(IMAGES)]

    def make(name, skill, first=0, seed=7):
        folder = tmp_path / name
        shutil.copytree(colors_run.path, folder)
        rng = np.random.default_rng(seed)
        said = [label if rng.random() < skill else classes[(classes.index(label) + 1) % 3] for label in truth]
        proba = np.full((IMAGES, 3), 0.1) + 0.7 * np.eye(3)[[classes.index(one) for one in said]]
        columns = {f"proba_{one}": proba[:, number] for number, one in enumerate(classes)}
        table = pl.DataFrame({"image": images, "prediction": said, **columns})[first:]
        split = pl.DataFrame({"image": images, "split": ["test"] * IMAGES, "label": truth})
        split.write_parquet(folder / "split.parquet")
        table.sample(fraction=1.0, shuffle=True, seed=3).write_parquet(folder / "predictions.parquet")
        return RunFolder(folder)

    return make


def test_a_clear_difference_is_more_than_chance_and_names_the_better_one(judged):
    found = against(judged("poor", 0.5), judged("good", 0.9))
    assert (found["images"], found["reason"]) == (IMAGES, None)
    accuracy = next(one for one in found["metrics"] if one["metric"] == "accuracy")
    assert accuracy["difference"] == pytest.approx(0.4, abs=0.08)
    assert accuracy["low"] < accuracy["difference"] < accuracy["high"]
    assert accuracy["sentence"].startswith("Accuracy: B is better by 0.")
    assert accuracy["sentence"].endswith("more than chance.")
    loss = next(one for one in found["metrics"] if one["metric"] == "log_loss")
    assert loss["difference"] < 0
    assert loss["sentence"].startswith("Log loss: B is better by 0.")  # lower is better
    turned = against(judged("good2", 0.9), judged("poor2", 0.5))["metrics"]
    assert all("A is better" in one["sentence"] for one in turned)


def test_a_small_difference_could_be_chance_and_none_is_the_same(judged):
    one, other = judged("one", 0.70), judged("other", 0.72, seed=8)
    verdicts = {row["metric"]: row["verdict"] for row in against(one, other)["metrics"]}
    assert verdicts["accuracy"] == "could be chance"
    same = against(one, one)["metrics"]
    assert {row["verdict"] for row in same} == {"the same"}
    assert same[0]["sentence"].endswith("A and B are the same.")


@pytest.mark.parametrize("wrong", [1, 3])
def test_no_number_reads_as_zero_that_is_not_zero(judged, wrong):
    """Two models that differ in their probabilities by very little, and in a few labels."""
    one, other = judged("one", 0.97), judged("other", 0.97)
    table = other.predictions()
    slightly = [f"proba_{name}" for name in one.info().dataset.classes]
    factor = pl.when(pl.int_range(pl.len()) < wrong).then(1.0005).otherwise(1.00001)
    other.write_predictions(table.with_columns(pl.col(slightly) * factor))
    rows = {row["metric"]: row for row in against(one, other)["metrics"]}
    loss = rows["log_loss"]
    assert 0 < abs(loss["difference"]) < 0.0005
    better, low, high = re.search(r"by ([\d.]+) \(95 %: (.+) to (.+)\)", loss["sentence"]).groups()
    for text, value in ((better, loss["difference"]), (low, loss["low"]), (high, loss["high"])):
        assert (float(text.replace("−", "-")) == 0) == (value == 0)
    assert (low.startswith("−") == high.startswith("−")) == (loss["verdict"] == "more than chance")


def test_a_bound_of_zero_reads_as_zero(judged):
    one, other = judged("one", 1.0), judged("other", 1.0)
    table = other.predictions().sort("image")
    other.write_predictions(
        table.with_columns(
            pl.when(pl.col("image") == "000.png").then(proba).otherwise(pl.col(name)).alias(name)
            for name, proba in zip((f"proba_{one}" for one in one.info().dataset.classes), (0.1, 0.8, 0.1), strict=True)
        )
    )
    accuracy = next(row for row in against(one, other)["metrics"] if row["metric"] == "accuracy")
    assert accuracy["sentence"] == "Accuracy: A is better by 0.005 (95 %: 0 to 0.015): could be chance."


def test_only_shared_images_count_and_few_are_too_few(judged):
    whole = judged("whole", 0.8)
    assert against(whole, judged("half", 0.8, first=100))["images"] == 100
    same = next(iter(against(whole, judged("again", 0.8, first=100))["metrics"]))
    assert same["sentence"].endswith("A and B are the same on the 100 shared test images.")
    assert (
        "on the 100 shared test images: " in against(whole, judged("other", 0.5, first=100))["metrics"][0]["sentence"]
    )
    found = against(whole, judged("rest", 0.8, first=IMAGES - 29))
    assert (found["metrics"], found["reason"]) == ([], "29 shared test images: too few to tell (30 at least).")


def test_other_data_or_other_classes_are_not_compared(judged):
    one, other = judged("one", 0.8), judged("other", 0.8)
    dataset = other.info().dataset
    other.update(dataset=dataset.model_copy(update={"classes": ("blue", "green")}).model_dump())
    assert against(one, other)["reason"] == "They tell different classes apart."
    other.update(dataset=dataset.model_copy(update={"fingerprint": "0" * 64}).model_dump())
    assert against(one, other)["reason"] == "They were trained on different data."


@pytest.fixture
def boxed(squares_run, tmp_path):
    """boxed(name, shift, threshold): a run whose model finds the one box of each image so many pixels beside it."""

    def make(name, shift=0, threshold=0.5):
        folder = tmp_path / name
        shutil.copytree(squares_run.path, folder)
        images = [f"{number}.png" for number in range(40)]
        truth = [{"bbox": [5, 5, 20, 20], "category": "red"}, {"bbox": [5, 5, 9, 9], "category": "no class of it"}]
        said = [{"bbox": [5 + shift, 5, 20, 20.0], "category": "red", "confidence": 0.8}]
        texts = [json.dumps(truth)] * 39 + ["[]"], [json.dumps(said)] * 38 + ["[]"] * 2
        pl.DataFrame({"image": images, "split": "test", "boxes": texts[0]}).write_parquet(folder / "split.parquet")
        pl.DataFrame({"image": images, "boxes": texts[1]}).write_parquet(folder / "predictions.parquet")
        RunFolder(folder).update(threshold=threshold)
        return RunFolder(folder)

    return make


def test_boxes_are_compared_at_each_runs_own_threshold(boxed):
    found = against(boxed("strict", threshold=0.99), boxed("right"))
    differences = {one["metric"]: one["difference"] for one in found["metrics"]}
    expected = {"f1": 2 * 38 / (38 + 39), "precision": 1, "recall": 38 / 39, "map": 0, "map_50": 0}
    assert differences == pytest.approx(expected)
    assert "own threshold" in found["basis"]


def test_average_precisions_are_compared_over_all_boxes(boxed):
    found = against(boxed("beside", shift=4), boxed("exact"))  # 16 of 24 pixels: found up to IoU 0.65
    rows = {one["metric"]: one for one in found["metrics"]}
    of_recalls = 98 / 101  # 38 of 39 objects reach the recalls 0 to 0.97
    assert rows["map"]["difference"] == pytest.approx(0.6 * of_recalls)
    assert rows["map"]["sentence"].startswith("AP 0.50:0.95: B is better by 0.5")
    assert (rows["map"]["verdict"], rows["map_50"]["verdict"]) == ("more than chance", "the same")


def test_one_runs_metrics_have_intervals(judged, boxed):
    found = intervals(judged("one", 0.8))
    assert found["accuracy"].low < found["accuracy"].value < found["accuracy"].high
    assert found["accuracy"].value == pytest.approx(0.8, abs=0.08)
    assert intervals(judged("few", 0.8, first=IMAGES - 29)) == {}
    exact = intervals(boxed("exact"))
    assert [exact[name].value for name in ("map", "map_50")] == pytest.approx([98 / 101] * 2)
    assert exact["map_50"].low < 98 / 101 < exact["map_50"].high <= 1.0


def test_compare_says_it_for_each_run_after_the_first(judged, colors_run):
    compared = compare([judged("poor", 0.5), judged("good", 0.9), colors_run])
    assert [(one["run"], one["reason"] is None) for one in compared["chance"]] == [(1, True), (2, False)]
    json.dumps(compared["chance"], allow_nan=False)
