"""The paired bootstrap: against scikit-learn draw by draw, an exact small case, its coverage on simulated models."""

import itertools
import time

import numpy as np
import pytest
from sklearn import metrics as reference

from viewfinder.metrics import bootstrap, detection, drawn
from viewfinder.metrics.matching import Boxes


def answers(seed, images, classes, skill=1.0, digits=6):
    """Return class numbers and the probabilities of a model that is right more often the more skill it has."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, images)
    logits = rng.normal(size=(images, classes)) + skill * np.eye(classes)[truth]
    proba = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return truth, np.round(proba, digits)  # few digits: many ties


@pytest.mark.parametrize("digits", [6, 1])
def test_each_draw_is_measured_as_scikit_learn_measures_its_images(digits):
    truth, proba = answers(1, 60, 3, digits=digits)
    weights = bootstrap.resample(np.random.default_rng(5), 8, 60)
    found = drawn.classification(truth, proba)(weights)
    assert (weights.sum(axis=1) == 60).all()
    for draw, row in enumerate(weights):
        chosen = np.repeat(np.arange(60), row.astype(int))
        actual, said = truth[chosen], proba[chosen].argmax(axis=1)
        of = {"labels": np.unique(actual), "average": "macro", "zero_division": 0}
        areas = [reference.roc_auc_score(actual == k, proba[chosen, k]) for k in np.unique(actual)]
        expected = {
            "accuracy": reference.accuracy_score(actual, said),
            "log_loss": -np.log(proba[chosen, actual].clip(np.finfo(float).eps, 1)).mean(),
            "f1": reference.f1_score(actual, said, **of),
            "precision": reference.precision_score(actual, said, **of),
            "recall": reference.recall_score(actual, said, **of),
            "roc_auc": np.mean(areas),
            "average_precision": np.mean(
                [reference.average_precision_score(actual == k, proba[chosen, k]) for k in np.unique(actual)]
            ),
        }
        assert {name: values[draw] for name, values in found.items()} == pytest.approx(expected, rel=1e-6)


def test_a_class_that_a_draw_lacks_is_left_out_of_its_means():
    truth, proba = answers(2, 6, 3)
    truth[:] = [0, 0, 1, 1, 2, 2]
    weights = np.array([[2, 2, 1, 1, 0, 0], [6, 0, 0, 0, 0, 0]], float)
    found = drawn.classification(truth, proba)(weights)
    actual, said = truth[[0, 0, 1, 1, 2, 3]], proba[[0, 0, 1, 1, 2, 3]].argmax(axis=1)
    expected = reference.recall_score(actual, said, labels=[0, 1], average="macro", zero_division=0)
    assert found["recall"][0] == pytest.approx(expected)
    assert np.isnan(found["roc_auc"][1])  # one class only


def test_the_interval_is_that_of_all_draws_where_all_can_be_drawn():
    right, other = np.array([0.0, 0.0, 1.0, 0.0]), np.array([1.0, 0.0, 1.0, 1.0])
    every = [np.mean(other[list(draw)] - right[list(draw)]) for draw in itertools.product(range(4), repeat=4)]
    first, second = (lambda weights, v=v: {"accuracy": weights @ v / 4} for v in (right, other))
    found = bootstrap.differences(first, second, 4, draws=20_000)["accuracy"]
    assert found.value == 0.5
    assert (found.low, found.high) == tuple(np.quantile(every, [0.025, 0.975])) == (0.0, 1.0)
    assert not found.is_more_than_chance


def test_equal_models_are_called_different_about_one_time_in_twenty():
    called = 0
    for trial in range(200):
        rng = np.random.default_rng(trial)
        shared = rng.random(200) < 0.5  # paired: half of the images are easy for both
        models = [np.where(shared, 1.0, rng.random(200) < 0.6) for _ in range(2)]
        first, second = (lambda weights, v=v: {"accuracy": weights @ v / 200} for v in models)
        called += bootstrap.differences(first, second, 200, draws=400, seed=trial)["accuracy"].is_more_than_chance
    assert 2 <= called <= 22  # 5 % of 200, within what chance allows


def test_a_better_model_is_found_and_its_gain_is_in_the_interval():
    truth, poor = answers(3, 1500, 4, skill=1.0)
    _, good = answers(3, 1500, 4, skill=1.5)
    found = bootstrap.differences(drawn.classification(truth, poor), drawn.classification(truth, good), 1500)
    for name, one in found.items():
        assert one.is_more_than_chance
        assert one.low < one.value < one.high
        assert (one.value < 0) == (name == "log_loss")
    again = bootstrap.differences(drawn.classification(truth, good), drawn.classification(truth, poor), 1500)
    assert again["accuracy"].value == -found["accuracy"].value
    same = bootstrap.differences(drawn.classification(truth, good), drawn.classification(truth, good), 1500)
    assert {(one.value, one.low, one.high) for one in same.values()} == {(0, 0, 0)}


def test_boxes_are_counted_by_image_as_they_are_counted_together():
    rng, classes = np.random.default_rng(0), ["a", "b"]

    def boxes(count, confidence):
        return [
            {"bbox": [*rng.integers(0, 40, 2).tolist(), 20, 20], "category": classes[rng.integers(2)]}
            | ({"confidence": float(rng.random())} if confidence else {})
            for _ in range(count)
        ]

    truth = [boxes(rng.integers(0, 4), False) for _ in range(50)]
    predicted = [boxes(rng.integers(0, 6), True) for _ in range(50)]
    columns = [Boxes.of(boxes, classes) for boxes in (truth, predicted)]
    right, said, actual = detection.image_counts(*columns, 50, 2, 0.4)
    assert right.shape == said.shape == actual.shape == (50, 2)
    assert right.sum() > 0
    expected = detection.counted(truth, predicted, classes, 0.4)["metrics"]
    found = drawn.counts(right, said, actual)
    assert {name: values[0] for name, values in found(np.ones((1, 50))).items()} == pytest.approx(expected)


def test_what_is_not_defined_is_left_out():
    truth, proba = np.zeros(40, int), np.full((40, 2), 0.5)
    found = bootstrap.differences(drawn.classification(truth, proba), drawn.classification(truth, proba), 40)
    assert "roc_auc" not in found
    assert "accuracy" in found


def test_a_thousand_draws_of_two_thousand_images_are_quick():
    truth, one = answers(4, 2000, 3)
    _, other = answers(4, 2000, 3, skill=1.2)
    start = time.process_time()
    found = bootstrap.differences(drawn.classification(truth, one), drawn.classification(truth, other), 2000)
    assert time.process_time() - start < 3  # measured: 0.4 s; the limit allows for a slow machine
    assert len(found) == 7


def test_a_thousand_draws_of_five_thousand_images_of_a_hundred_classes_are_quick():
    truth, one = answers(4, 5000, 100, skill=2.0)
    _, other = answers(4, 5000, 100, skill=2.2)
    start = time.process_time()
    found = bootstrap.differences(drawn.classification(truth, one), drawn.classification(truth, other), 5000)
    assert time.process_time() - start < 4  # measured: 0.7 s; the limit allows for a slow machine
    assert "roc_auc" in found


def test_the_same_seed_gives_the_numbers_that_dense_sums_gave():
    truth, poor = answers(11, 80, 5, digits=2)
    _, good = answers(11, 80, 5, 1.6, digits=2)
    models = drawn.classification(truth, poor), drawn.classification(truth, good)
    found = bootstrap.differences(*models, 80, draws=400, seed=3)
    expected = {  # as matrix products and cumulative sums in double precision gave them
        "f1": (0.117502529, 0.050965006, 0.199593031),
        "precision": (0.107648722, 0.046556920, 0.190312627),
        "recall": (0.118795456, 0.049832782, 0.202048069),
        "accuracy": (0.112500000, 0.050000000, 0.200000000),
        "log_loss": (-0.344086855, -0.376254013, -0.313523990),
        "roc_auc": (0.110570962, 0.080194228, 0.142768728),
    }
    assert found.keys() == {*expected, "average_precision"}
    for name, numbers in expected.items():
        one = found[name]
        assert (one.value, one.low, one.high) == pytest.approx(numbers, abs=2e-9)


def test_sums_over_groups_are_those_of_the_dense_product():
    rng = np.random.default_rng(2)
    weights, times = bootstrap.resample(rng, 7, 40), rng.integers(0, 5, (40, 6))
    turned = drawn.columns(weights)
    assert (drawn.Sums.of_counts(times)(turned) == weights @ times).all()
    image, ends = rng.integers(0, 40, 30), np.array([0, 4, 4, 29])
    parts = [image[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    expected = np.stack([weights[:, part].sum(axis=1) for part in parts], axis=1)
    assert (drawn.Sums.of_runs(image, ends, 40)(turned) == expected).all()


def test_the_interval_of_one_model_is_that_of_all_draws_where_all_can_be_drawn():
    right = np.array([0.0, 1.0, 1.0, 0.0])
    every = [np.mean(right[list(draw)]) for draw in itertools.product(range(4), repeat=4)]
    found = bootstrap.intervals(lambda weights: {"accuracy": weights @ right / 4}, 4, draws=20_000)
    assert found == {"accuracy": bootstrap.Interval(0.5, *np.quantile(every, [0.025, 0.975]))}


def test_the_interval_of_one_model_holds_the_true_value_about_nineteen_times_in_twenty():
    held = 0
    for trial in range(200):
        rng = np.random.default_rng(trial)
        truth = rng.integers(0, 2, 200)
        said = np.where(rng.random(200) < 0.7, truth, 1 - truth)
        found = bootstrap.intervals(drawn.classification(truth, np.eye(2)[said]), 200, draws=400, seed=trial)
        held += found["accuracy"].low <= 0.7 <= found["accuracy"].high
    assert 178 <= held <= 198  # 95 % of 200, within what chance allows


def test_each_metric_of_one_model_lies_in_its_interval():
    truth, proba = answers(3, 1500, 4)
    found = bootstrap.intervals(drawn.classification(truth, proba), 1500)
    assert found.keys() == {"f1", "precision", "recall", "accuracy", "log_loss", "roc_auc", "average_precision"}
    expected = reference.f1_score(truth, proba.argmax(axis=1), average="macro")
    assert found["f1"].value == pytest.approx(expected)
    for one in found.values():
        assert one.low < one.value < one.high
        assert one.high - one.low < 0.1
