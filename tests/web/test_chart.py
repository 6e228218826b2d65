"""Charts of the report as the pages draw them."""

import polars as pl

from viewfinder.report import charts
from viewfinder.tasks import CLASSIFICATION
from viewfinder.web import chart


def learning(epochs, best, **options):
    numbers = list(range(1, epochs + 1))
    table = pl.DataFrame({"epoch": numbers, **dict.fromkeys(("learning_rate", "train_loss"), [1e-3] * epochs)})
    made = charts.learning(table, "test", CLASSIFICATION.metrics["accuracy"], best, **options)
    return [one.as_dict() for one in made if one.series]


def test_epochs_are_whole_numbers():
    for epochs, ends in ((1, (0, 2)), (2, (1, 2)), (10, (1, 10))):
        for one in map(chart.across, learning(epochs, 1)):
            assert (one["minInterval"], one["min"], one["max"]) == (1, *ends)


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
