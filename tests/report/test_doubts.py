"""How far the numbers of a report can be trusted, and what it says where they cannot."""

import numpy as np
import polars as pl
import pytest
from scipy.stats import norm
from sklearn import metrics as reference

from viewfinder.cli.output import metrics as printed
from viewfinder.metrics import bootstrap
from viewfinder.report.build import build
from viewfinder.report.doubts import doubts

ENOUGH = [{"class": "cat", "support": 60}, {"class": "dog", "support": 60}]


@pytest.fixture
def many(runs, tmp_path):
    """A classification with 60 test images."""
    table, predictions = runs.classified(tmp_path, images=40)
    run = runs.make(tmp_path, "classification", table, settings=["training.model=efficientnet_lite0"])
    run.write_predictions(predictions)
    runs.write_epochs(run, ["roc_auc", "accuracy"])
    run.update(status="finished", best_epoch=3, epochs_done=4)
    return run


def test_each_metric_has_the_interval_of_its_draws(many):
    """Against scikit-learn, draw by draw, with the bias-corrected ends computed here from their definition."""
    content, answers = build(many), many.split().join(many.predictions(), on="image").sort("image")
    truth, said = answers["label"].to_numpy(), answers["prediction"].to_numpy()
    assert len(truth) == 60
    weights = bootstrap.resample(np.random.default_rng(0), bootstrap.DRAWS, 60)
    drawn = np.array([reference.accuracy_score(truth, said, sample_weight=row) for row in weights]).round(9)
    value = reference.accuracy_score(truth, said)
    bias = norm.ppf(np.mean(drawn < round(value, 9)) / 2 + np.mean(drawn <= round(value, 9)) / 2)
    ends = np.quantile(drawn, norm.cdf(2 * bias + np.array([-1, 1]) * norm.ppf(0.975)))
    assert content["intervals"]["accuracy"] == pytest.approx(list(ends), abs=1e-6)
    rows = {row["name"]: row for row in content["metric_rows"]}
    assert content["intervals"].keys() == rows.keys() == content["metrics"].keys()
    for name, (low, high) in content["intervals"].items():
        assert low <= content["metrics"][name] <= high
        assert (rows[name]["low"], rows[name]["high"]) == (low, high)
    line = next(line for line in printed(content).splitlines() if "Accuracy" in line)
    assert f"{value:.4f}" in line
    assert f"{rows['accuracy']['low']:.4f} – {rows['accuracy']['high']:.4f}" in line


def test_too_few_images_have_no_interval_but_a_warning(classification):
    content = build(classification)
    assert content["judged_on"]["images"] == 15
    assert content["intervals"] == {}
    assert all(row["low"] is None for row in content["metric_rows"])
    assert any("too few for an interval" in doubt for doubt in content["doubts"])
    assert set(content["doubts"]) <= set(content["notes"])


def test_detection_has_intervals_of_its_own(runs, tmp_path):
    run = runs.finished["detection"](tmp_path)
    split, found = run.split(), run.predictions()
    copies = [
        split.filter(pl.col("split") == "test").with_columns(image=pl.format("{}.{}", pl.lit(k), "image"))
        for k in range(8)
    ]
    answers = [found.with_columns(image=pl.format("{}.{}", pl.lit(k), "image")) for k in range(8)]
    pl.concat(copies).write_parquet(run.path / "split.parquet")
    run.write_predictions(pl.concat(answers))
    content = build(run)
    for name in ("f1", "precision", "recall", "map", "map_50"):
        low, high = content["intervals"][name]
        assert low < content["metrics"][name] < high


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, []),
        ({"images": 40}, ["a single one is 2.5%", "intervals are wide"]),
        ({"images": 20}, ["a single one is 5.0%", "too few for an interval"]),
        ({"per_class": [*ENOUGH, {"class": "owl", "support": 3}]}, ["1 class with fewer than 10 images", "owl (3)"]),
        ({"per_class": [{"class": "owl", "objects": 9}]}, ["fewer than 10 objects", "owl (9)"]),
        ({"near_copies": 1}, ["1 test image of 120 is nearly the same"]),
        ({"near_copies": 30}, ["30 test images of 120 are nearly the same", "group_column"]),
        ({"accuracy": 0.5}, ["not better than guessing", "cat", "50.0%"]),
    ],
)
def test_each_reason_for_doubt_is_said(given, said):
    guessing = {"class": "cat", "metric": "accuracy", "value": 0.5}
    facts = {"images": 120, "per_class": ENOUGH, "accuracy": 0.8, "guessing": guessing, "near_copies": 0, **given}
    found = doubts("the test split (120 images)", **facts)
    assert len(found) == bool(said)
    for part in said:
        assert part in found[0]
