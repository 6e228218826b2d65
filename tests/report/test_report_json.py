"""report.json: its numbers are those of predictions.parquet, at every moment of a run."""

import json

import numpy as np
import polars as pl
import pytest
from faster_coco_eval import COCO, COCOeval_faster
from sklearn import metrics as reference

from viewfinder import report
from viewfinder.report import Evaluation, build

HOSTILE = "<img src=x onerror=alert(1)>"
CLASSES = ("01", HOSTILE, "no")


def test_classification_numbers_are_those_of_the_predictions(classification):
    content = build(classification)
    both = classification.split().join(classification.predictions(), on="image")
    truth, predicted = both["label"].to_list(), both["prediction"].to_list()
    assert content["judged_on"] == {"split": "test", "images": 15, "words": "the test split (15 images)"}
    assert content["metrics"]["accuracy"] == pytest.approx(reference.accuracy_score(truth, predicted))
    assert content["metrics"]["f1"] == pytest.approx(reference.f1_score(truth, predicted, average="macro"))
    proba = both.select([f"proba_{name}" for name in CLASSES]).to_numpy()
    one_hot = np.array([[label == name for name in CLASSES] for label in truth])
    assert content["metrics"]["roc_auc"] == pytest.approx(reference.roc_auc_score(one_hot, proba, average="macro"))
    expected = reference.confusion_matrix(truth, predicted, labels=CLASSES).tolist()
    assert content["confusion"]["counts"] == expected
    assert content["optimized"] == "roc_auc"
    assert 0 < content["metrics"]["accuracy"] < 1


def test_the_summary_compares_with_guessing(classification):
    content = build(classification)
    train = classification.split().filter(pl.col("split") == "train")["label"]
    test = classification.split().filter(pl.col("split") == "test")["label"]
    guess = content["guessing"]
    assert train.value_counts().filter(pl.col("label") == guess["class"])["count"][0] == max(
        train.value_counts()["count"]
    )
    assert guess["value"] == pytest.approx((test == guess["class"]).mean())
    accuracy = content["metrics"]["accuracy"]
    assert any(f"{accuracy:.1%} against {guess['value']:.1%}" in sentence for sentence in content["summary"])
    assert any("Epoch 3 was the best" in sentence for sentence in content["summary"])
    assert any("did not improve for 5 epochs" in sentence for sentence in content["summary"])


def test_detection_numbers_are_those_of_the_predictions(detection):
    content = build(detection)
    both = detection.split().join(detection.predictions(), on="image", suffix="_found").sort("image")
    assert content["threshold"] == 0.35
    evaluation = coco(both)
    assert content["metrics"]["map"] == pytest.approx(evaluation.stats[0])
    assert content["metrics"]["map_50"] == pytest.approx(evaluation.stats[1])
    reported = [box for row in both["boxes_found"] for box in json.loads(row) if box["confidence"] >= 0.35]
    objects = [box for row in both["boxes"] for box in json.loads(row)]
    counts = np.array(content["confusion"]["counts"])
    assert counts[:, :-1].sum() == len(reported)
    assert counts[:-1].sum() == len(objects)
    assert any(f"of {len(objects)} objects" in sentence for sentence in content["summary"])
    sizes = {row["size"].split()[0]: row["objects"] for row in content["tables"][1]["rows"]}
    areas = [box["bbox"][2] * box["bbox"][3] for box in objects]
    assert sizes["medium"] == sum(32**2 <= area < 96**2 for area in areas) > 0


def coco(both):
    header = {
        "images": [{"id": number} for number in range(both.height)],
        "categories": [{"id": number, "name": name} for number, name in enumerate(CLASSES)],
    }

    def gathered(column, score):
        return [
            {
                "id": 0,
                "image_id": number,
                "category_id": CLASSES.index(box["category"]),
                "bbox": box["bbox"],
                "area": box["bbox"][2] * box["bbox"][3],
                "iscrowd": 0,
                **({"score": box["confidence"]} if score else {}),
            }
            for number, text in enumerate(both[column])
            for box in json.loads(text)
        ]

    truth = [{**row, "id": number} for number, row in enumerate(gathered("boxes", score=False), 1)]
    reference = COCO({**header, "annotations": truth})
    evaluation = COCOeval_faster(reference, reference.loadRes(gathered("boxes_found", score=True)), "bbox")
    evaluation.run()
    return evaluation


def test_the_worst_classification_mistakes_are_the_most_confident(classification):
    mistakes = build(classification)["mistakes"]
    both = classification.split().join(classification.predictions(), on="image")
    wrong = both.filter(pl.col("label") != pl.col("prediction")).with_columns(
        sure=pl.max_horizontal([f"proba_{name}" for name in CLASSES])
    )
    assert [m["image"] for m in mistakes] == wrong.sort("sure", descending=True)["image"].to_list()[:12]
    first = wrong.sort("sure", descending=True).row(0, named=True)
    assert mistakes[0]["title"] == f"{first['label']}, taken for {first['prediction']}"


def test_the_worst_detection_mistakes_have_the_most_errors(detection):
    mistakes = build(detection)["mistakes"]
    errors = [sum(box["kind"] in ("wrong", "missed") for box in m["boxes"]) for m in mistakes]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 0
    both = detection.split().join(detection.predictions(), on="image", suffix="_found")
    for mistake in mistakes:
        row = both.filter(pl.col("image") == mistake["image"]).row(0, named=True)
        kinds = [box["kind"] for box in mistake["boxes"]]
        assert kinds.count("missed") + kinds.count("found") == len(json.loads(row["boxes"]))
        kept = [box for box in json.loads(row["boxes_found"]) if box["confidence"] >= 0.35]
        assert kinds.count("right") + kinds.count("wrong") == len(kept)
        assert kinds.count("right") == kinds.count("found")


def test_a_run_without_an_epoch_says_so(runs, tmp_path):
    table, _ = runs.classified(tmp_path)
    run = runs.make(
        tmp_path, "classification", table, settings=["training.weights=none", "training.model=efficientnet_b0"]
    )
    run.update(status="failed", error="The loss is not a number")
    content = build(run)
    assert content["metrics"] == {}
    assert content["judged_on"] is None
    assert any("No epoch is finished" in sentence for sentence in content["summary"])
    assert any("The loss is not a number." in sentence for sentence in content["summary"])
    assert any("random weights" in note for note in content["notes"])
    report.write(run)


def test_a_run_stopped_before_its_test_split_was_judged(runs, tmp_path):
    table, _ = runs.classified(tmp_path)
    table = table.with_columns(
        split=pl.when(pl.col("split") == "test").then(pl.lit("validation")).otherwise(pl.col("split"))
    )
    run = runs.make(tmp_path, "classification", table, monitored="validation", settings=["split.validation_ratio=0.2"])
    runs.write_epochs(run, ["roc_auc"], split="validation", epochs=1)
    run.update(status="stopped", best_epoch=1, epochs_done=1)
    content = build(run)
    said = " ".join(content["summary"])
    assert "On the validation split (15 images), ROC AUC was 0.6000 in the best epoch" in said
    assert "the test split has not been judged yet" in said
    assert "stopped before its end" in said
    assert content["learning"][1]["title"] == "ROC AUC on the validation split"
    report.write(run)


def test_numbers_of_the_monitored_split_are_called_flattering(classification):
    assert any("slightly flattering" in note for note in build(classification)["notes"])
    info = classification.info()
    dataset = info.dataset.model_copy(update={"monitored_split": "validation"})
    classification.write_info(info.model_copy(update={"dataset": dataset}))
    assert not any("flattering" in note for note in build(classification)["notes"])


def test_undefined_and_endless_numbers_become_null(classification):
    rows = classification.epochs().to_dicts()
    rows[0]["test_roc_auc"], rows[1]["train_loss"] = float("nan"), float("inf")
    classification.write_epochs(rows)
    content = build(classification)
    json.dumps(content, allow_nan=False)
    assert content["learning"][1]["series"][0]["y"][0] is None
    assert content["epochs"][1]["train_loss"] is None
    report.write(classification)


def test_a_substitution_is_said(classification):
    classification.update(substituted="efficientnet_lite0 was trained instead of efficientnet_b4.")
    assert build(classification)["notes"][0] == "efficientnet_lite0 was trained instead of efficientnet_b4."


def test_the_design_marks_what_differs(runs, tmp_path):
    table, _ = runs.classified(tmp_path)
    chosen = ["training.optimizer=sgd", "training.schedule.kind=step", "training.batch_size=7", "runtime.seed=5"]
    content = build(runs.make(tmp_path, "classification", table, settings=chosen))
    marked = {row["name"]: (row["default"], row["value"]) for row in content["design"] if row["differs"]}
    assert marked["training.optimizer"] == ("adam", "sgd")
    assert marked["training.schedule.kind"] == ("plateau", "step")
    assert marked["training.batch_size"] == (32, 7)
    assert marked["runtime.seed"] == (0, 5)
    assert "training.learning_rate" not in marked  # it follows from the optimizer
    assert "training.input_size" not in marked


def test_a_default_design_differs_in_nothing(runs, tmp_path):
    table, _ = runs.classified(tmp_path)
    content = build(runs.make(tmp_path, "classification", table))
    assert [row["name"] for row in content["design"] if row["differs"]] == []


def test_data_and_diagnostics(detection):
    data = build(detection)["data"]
    assert data["images"] == {"train": 6, "test": 6}
    assert data["empty"] == {"train": 0, "test": 1}
    assert sum(row["train"] for row in data["classes"]) == 18
    [group] = data["diagnostics"]
    assert (group["kind"], group["count"]) == ("corrupt_image", 1)
    assert HOSTILE in group["examples"][0]["file"]


def test_an_evaluation_on_other_data(runs, classification, tmp_path):
    other = tmp_path / "other"
    table, predictions = runs.classified(other, images=4)
    table = table.filter(pl.col("split") == "test").drop("split")
    strange = table.with_columns(
        label=pl.when(pl.int_range(pl.len()) == 0).then(pl.lit("elk")).otherwise(pl.col("label"))
    )
    content = build(classification, Evaluation("holiday", other / "source", strange, predictions, "e" * 64))
    assert content["kind"] == "evaluation"
    assert content["judged_on"]["words"] == "holiday (5 images)"
    assert any("1 of 6 images (elk)" in note for note in content["notes"])
    assert not any("flattering" in note for note in content["notes"])
    assert content["data"]["fingerprint"] == "e" * 64
    assert content["data"]["images"] == {"train": 15, "holiday": 6}
    report.write(classification, Evaluation("holiday", other / "source", strange, predictions), folder=other)
    assert json.loads((other / "report.json").read_text(encoding="utf-8"))["kind"] == "evaluation"
    assert not (classification.path / "report.json").exists()


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        (["runtime.views=0"], "a fresh augmented view of each in every epoch"),
        (["runtime.views=1"], "1 augmented view of each, drawn once"),
        (["runtime.views=4"], "4 augmented views of each, drawn once and used in turn"),
        (
            [f"augmentation.{name}.enabled=false" for name in ("color", "affine", "crop")],
            "as they are, without augmentation",
        ),
    ],
)
def test_what_was_learned_from_is_said(chosen, words, runs, tmp_path):
    table, _ = runs.classified(tmp_path)
    content = build(runs.make(tmp_path, "classification", table, settings=chosen))
    assert content["environment"]["training_images"] == words
