"""Classification metrics against scikit-learn and cases worked out by hand."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference
from sklearn.calibration import calibration_curve

from viewfinder.metrics.classification import measure
from viewfinder.tasks import CLASSIFICATION


def answers(seed, images, classes, digits=None):
    random = np.random.default_rng(seed)
    truth = random.integers(0, classes, images)
    scores = random.normal(size=(images, classes)) + 1.5 * np.eye(classes)[truth]
    proba = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    return truth, proba if digits is None else proba.round(digits)


@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("digits", [None, 1], ids=["distinct", "many ties"])
def test_agrees_with_scikit_learn(classes, digits):
    truth, proba = answers(classes, 200, classes, digits)
    names = [f"class {number}" for number in range(classes)]
    result = measure(truth, proba, names)
    got, one_hot, predicted = result["metrics"], np.eye(classes)[truth], proba.argmax(axis=1)

    assert got["accuracy"] == pytest.approx(reference.accuracy_score(truth, predicted))
    precision, recall, f1, _ = reference.precision_recall_fscore_support(
        truth, predicted, average="macro", zero_division=0
    )
    assert (got["precision"], got["recall"], got["f1"]) == pytest.approx((precision, recall, f1))
    assert got["average_precision"] == pytest.approx(reference.average_precision_score(one_hot, proba, average="macro"))
    assert got["roc_auc"] == pytest.approx(reference.roc_auc_score(one_hot, proba, average="macro"))
    assert result["confusion"]["counts"] == reference.confusion_matrix(truth, predicted).tolist()
    each = reference.precision_recall_fscore_support(truth, predicted, zero_division=0)
    for number, row in enumerate(result["per_class"]):
        assert row["class"] == names[number]
        expected = [column[number] for column in each]
        assert [row["precision"], row["recall"], row["f1"], row["support"]] == pytest.approx(expected)
        assert row["roc_auc"] == pytest.approx(reference.roc_auc_score(one_hot[:, number], proba[:, number]))
        expected = reference.average_precision_score(one_hot[:, number], proba[:, number])
        assert row["average_precision"] == pytest.approx(expected)


@pytest.mark.parametrize("classes", [2, 5])
def test_log_loss_agrees_with_scikit_learn(classes):
    truth, proba = answers(1, 100, classes)
    proba[3] = np.eye(classes)[(truth[3] + 1) % classes]  # certain, and wrong
    expected = reference.log_loss(truth, proba, labels=range(classes))
    assert measure(truth, proba, list("abcde"[:classes]))["metrics"]["log_loss"] == pytest.approx(expected)


def test_two_classes_give_the_binary_roc_auc():
    truth, proba = answers(5, 300, 2)
    expected = reference.roc_auc_score(truth, proba[:, 1])
    assert measure(truth, proba, ["no", "yes"])["metrics"]["roc_auc"] == pytest.approx(expected)


def test_a_case_worked_out_by_hand():
    truth = [0, 0, 1, 1]
    proba = [[0.9, 0.1], [0.4, 0.6], [0.3, 0.7], [0.2, 0.8]]
    result = measure(truth, proba, ["cat", "dog"])
    assert result["confusion"] == {
        "labels": ["cat", "dog"],
        "predicted_labels": ["cat", "dog"],
        "counts": [[1, 1], [0, 2]],
    }
    cat, dog = result["per_class"]
    assert (cat["precision"], cat["recall"], cat["f1"]) == pytest.approx((1.0, 0.5, 2 / 3))
    assert (dog["precision"], dog["recall"], dog["f1"]) == pytest.approx((2 / 3, 1.0, 0.8))
    assert result["metrics"]["accuracy"] == 0.75
    assert result["metrics"]["roc_auc"] == 1.0
    assert result["metrics"]["log_loss"] == pytest.approx(-np.log([0.9, 0.4, 0.7, 0.8]).mean())
    assert result["notes"] == []


def test_a_class_that_the_truth_lacks_is_left_out_and_said():
    truth, proba = answers(2, 60, 3)
    kept = truth != 1
    truth, proba = truth[kept], proba[kept]
    result = measure(truth, proba, ["a", "b", "c"])
    got, predicted = result["metrics"], proba.argmax(axis=1)
    of = {"labels": [0, 2], "average": "macro", "zero_division": 0}
    assert got["f1"] == pytest.approx(reference.f1_score(truth, predicted, **of))
    assert got["precision"] == pytest.approx(reference.precision_score(truth, predicted, **of))
    expected = np.mean([reference.roc_auc_score(truth == number, proba[:, number]) for number in (0, 2)])
    assert got["roc_auc"] == pytest.approx(expected)
    absent = result["per_class"][1]
    assert absent["support"] == 0
    assert absent["recall"] is absent["precision"] is absent["roc_auc"] is absent["average_precision"] is None
    assert any("b" in note and "leave" in note for note in result["notes"])
    assert {curve["class"] for curve in result["curves"]["roc"]} == {"a", "c"}


def test_one_class_only_has_no_roc_auc():
    result = measure([0, 0], [[0.9, 0.1], [0.2, 0.8]], ["a", "b"])
    assert result["metrics"]["roc_auc"] is None
    assert result["metrics"]["accuracy"] == 0.5
    assert any("ROC AUC" in note for note in result["notes"])


def test_outputs_that_are_no_numbers_are_said():
    result = measure([0, 1], [[np.nan, np.nan], [0.5, 0.5]], ["a", "b"])
    assert set(result["metrics"].values()) == {None}
    assert any("not all numbers" in note for note in result["notes"])


def test_no_images_at_all():
    result = measure([], np.zeros((0, 2)), ["a", "b"])
    assert set(result["metrics"].values()) == {None}
    assert result["confusion"]["counts"] == [[0, 0], [0, 0]]
    assert result["notes"] == ["There are no images to measure on."]


def test_names_are_those_of_the_task():
    truth, proba = answers(0, 20, 3)
    assert set(measure(truth, proba, list("abc"))["metrics"]) == set(CLASSIFICATION.metrics)


@pytest.mark.parametrize("images", [30, 5000])
def test_curves_keep_their_area_in_at_most_200_points(images):
    truth, proba = answers(3, images, 3)
    result = measure(truth, proba, list("abc"))
    for curve, row in zip(result["curves"]["roc"], result["per_class"], strict=True):
        assert len(curve["x"]) == len(curve["y"]) <= 200
        assert (curve["x"][0], curve["y"][0], curve["x"][-1], curve["y"][-1]) == (0, 0, 1, 1)
        assert np.trapezoid(curve["y"], curve["x"]) == pytest.approx(row["roc_auc"], abs=2e-3)
    for number, curve in enumerate(result["curves"]["precision_recall"]):
        assert len(curve["x"]) <= 200
        assert (curve["x"][0], curve["x"][-1]) == (0, 1)
        precision, recall, _ = reference.precision_recall_curve(truth == number, proba[:, number])
        points = set(zip(recall.round(5), precision.round(5), strict=True))
        assert points.issuperset(zip(curve["x"][1:], curve["y"][1:], strict=True))
    assert measure(truth, proba, list("abc"), curves=False)["curves"] == {}


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 40), st.integers(2, 6), st.sampled_from([0, 1, 6]))
def test_any_answers_give_json_within_bounds(seed, images, classes, digits):
    truth, proba = answers(seed, images, classes, digits)
    result = measure(truth, proba, [f"<{number}>" for number in range(classes)])
    json.dumps(result, allow_nan=False)
    assert all(0 <= value <= 1 for name, value in result["metrics"].items() if value is not None and name != "log_loss")
    assert result["metrics"]["log_loss"] >= 0
    assert np.sum(result["confusion"]["counts"]) == images
    shuffled = np.random.default_rng(seed).permutation(images)
    again = measure(truth[shuffled], proba[shuffled], [f"<{number}>" for number in range(classes)])
    for name, value in result["metrics"].items():
        assert again["metrics"][name] == pytest.approx(value)


def test_calibration_is_scikit_learns():
    truth, proba = answers(4, 400, 3)
    for number, curve in enumerate(measure(truth, proba, list("abc"))["curves"]["calibration"]):
        right, sure = calibration_curve(truth == number, proba[:, number], n_bins=10)
        assert curve["class"] == "abc"[number]
        assert (curve["x"], curve["y"]) == (pytest.approx(sure, abs=1e-5), pytest.approx(right, abs=1e-5))


def test_density_by_hand():
    truth, proba = [0, 0, 0, 1], [[0.98, 0.02], [0.96, 0.04], [0.13, 0.87], [0.4, 0.6]]
    curves = measure(truth, proba, ["cat", "dog"])["curves"]
    cat = dict(zip(curves["density"][0]["x"], curves["density"][0]["y"], strict=True))
    others = dict(zip(curves["density_of_others"][0]["x"], curves["density_of_others"][0]["y"], strict=True))
    assert {x: y for x, y in cat.items() if y} == {
        0.975: pytest.approx(2 / 3, abs=1e-5),
        0.125: pytest.approx(1 / 3, abs=1e-5),
    }
    assert {x: y for x, y in others.items() if y} == {0.375: 1.0}
