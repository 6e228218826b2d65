"""Charts as data, and their drawing."""

import json
import re
from xml.etree import ElementTree

import polars as pl
import pytest

from viewfinder.report import charts
from viewfinder.report.charts import Chart, Mark, Series
from viewfinder.report.figure import svg
from viewfinder.report.html import from_dict
from viewfinder.tasks import CLASSIFICATION


def chart(**changes):
    line = Series("training", (1.0, 2.0, 3.0), (0.5, None, 0.1))
    plain = {"id": "loss", "title": "Loss", "reading": "It should fall.", "x_label": "epoch", "y_label": "loss"}
    return Chart(**{**plain, "series": (line,), **changes})


def test_a_chart_is_plain_data():
    one = chart(marks=(Mark(2, "best epoch 2"),), y_range=(0, 1))
    assert from_dict(json.loads(json.dumps(one.as_dict()))) == one
    assert one.as_dict()["marks"] == ({"x": 2, "label": "best epoch 2"},)


def test_the_drawing_is_well_formed_and_always_the_same():
    one = chart(marks=(Mark(2, "best epoch 2"),), whole_x=True)
    drawn = svg(one)
    ElementTree.fromstring(drawn)
    assert svg(one) == drawn
    assert svg(from_dict(one.as_dict())) == drawn


def test_the_drawing_takes_its_colours_from_the_page():
    drawn = svg(
        chart(series=(Series("a", (0.0, 1.0), (0.0, 1.0), color=3), Series("b", (0.0, 1.0), (1.0, 0.0), faint=True)))
    )
    assert "var(--c3)" in drawn
    assert "var(--faint)" in drawn
    assert "currentColor" in drawn
    assert not re.search(r"#[0-9a-f]{6}\b", drawn), "no colour is fixed"


def test_text_stays_text_and_refers_to_nothing_outside():
    drawn = svg(chart(x_label="epoch"))
    assert re.search(r"<text[^>]*>epoch</text>", drawn)
    assert "http" not in drawn


@pytest.mark.parametrize("log", [False, True])
def test_one_epoch_and_gaps_can_be_drawn(log):
    svg(chart(series=(Series("a", (1.0,), (0.001,)),), log_y=log, whole_x=True, x_range=(0.5, 1.5)))
    svg(chart(series=(Series("a", (1.0, 2.0), (None, None)),), whole_x=True, x_range=(1.0, 2.0)))
    svg(chart(series=()))


def test_learning_curves_follow_epochs_csv():
    table = pl.DataFrame(
        {
            "epoch": [1, 2, 3],
            "learning_rate": [1e-3, 1e-3, 1e-4],
            "train_loss": [2.0, 1.0, 0.5],
            "validation_loss": [2.1, 1.2, 1.4],
            "validation_accuracy": [0.5, None, 0.8],
        }
    )
    loss, metric, rate = charts.learning(table, "validation", CLASSIFICATION.metrics["accuracy"], 3)
    assert [series.name for series in loss.series] == ["training", "validation split"]
    assert loss.series[1].y == (2.1, 1.2, 1.4)
    assert metric.title == "Accuracy on the validation split"
    assert metric.series[0].y == (0.5, None, 0.8)
    assert rate.log_y
    assert {mark.label for one in (loss, metric, rate) for mark in one.marks} == {"best epoch 3"}
    assert charts.learning(pl.DataFrame(), "test", CLASSIFICATION.metrics["accuracy"], None) == []


def test_of_many_classes_the_worst_are_named():
    curves = [{"class": f"k{number}", "x": [0, 1], "y": [1, 0]} for number in range(30)]
    scores = {f"k{number}": 1 - number / 100 for number in range(30)}
    lines = charts.per_class(curves, scores, "AUC")
    assert [line.name for line in lines if not line.faint] == [f"k{n} (AUC {1 - n / 100:.3f})" for n in range(25, 30)]
    assert sum(line.faint for line in lines) == 25
