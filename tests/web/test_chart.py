"""Charts of the report as the pages draw them."""

import polars as pl

from viewfinder.report import charts
from viewfinder.tasks import CLASSIFICATION
from viewfinder.web import chart


def learning(epochs, best, **options):
    table = pl.DataFrame({"epoch": list(range(1, epochs + 1)), "learning_rate": [1e-3] * epochs})
    made = charts.learning(table, "test", CLASSIFICATION.metrics["accuracy"], best, **options)
    return [one.as_dict() for one in made]


def test_epochs_are_whole_numbers():
    assert all(chart.across(one)["minInterval"] == 1 for one in learning(2, 2))


def test_the_label_of_the_best_epoch_stands_inside():
    for best, align in ((1, "left"), (5, "center"), (10, "right")):
        [mark] = chart.marks(learning(10, best)[0])
        assert (mark["xAxis"], mark["label"]["align"], mark["label"]["formatter"]) == (
            best,
            align,
            f"best epoch {best}",
        )


def test_the_warm_up_is_said_as_what_is_not_drawn():
    rate = learning(3, 3, warmup=True)[-1]
    assert "near zero, which is not drawn" in rate["reading"]
    assert rate["y_range"] == (0, 1e-3)
    assert "near zero" not in learning(3, 3)[-1]["reading"]
