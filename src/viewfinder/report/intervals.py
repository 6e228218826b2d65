"""How far the metrics of a report can be trusted: their intervals, by drawing the judged images again and again."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from viewfinder.metrics import bootstrap, drawn
from viewfinder.metrics.bootstrap import Interval
from viewfinder.metrics.detection import DEFAULT_THRESHOLD, image_counts
from viewfinder.metrics.drawn import Measure
from viewfinder.metrics.drawn_boxes import average_precisions
from viewfinder.metrics.matching import Boxes

LEAST_DRAWS, MOST_VALUES = 200, 40_000_000  # images times classes times draws: seconds, whatever the data
_BOXES = pl.List(pl.Struct({"bbox": pl.List(pl.Float64), "category": pl.String, "confidence": pl.Float64}))


def intervals(answers: pl.DataFrame, classes: Sequence[str], threshold: float | None) -> dict[str, Interval]:
    """Return each metric of answers (truth joined with predictions) with its 95 % interval.

    Images of classes that are not among `classes` are left out, as in the metrics. Empty where there are too few images
    (under 30) or outputs are no numbers.
    """
    if "label" in answers.columns:
        answers = answers.filter(pl.col("label").is_in(list(classes)))
    images = answers.height
    if images < bootstrap.LEAST_IMAGES:
        return {}
    draws = max(LEAST_DRAWS, min(bootstrap.DRAWS, MOST_VALUES // (images * len(classes))))
    return bootstrap.intervals(measure(answers, classes, threshold), images, draws=draws)


def measure(answers: pl.DataFrame, classes: Sequence[str], threshold: float | None) -> Measure:
    """Return the metrics that can be measured anew in each draw of the answers; none where outputs are no numbers.

    Those of boxes are F1, precision and recall at the threshold, and the average precisions over all boxes.
    """
    number = {name: index for index, name in enumerate(classes)}
    if "boxes_predicted" in answers.columns:
        shape = answers.height, len(classes)
        truth, found = (_boxes(answers[name], number) for name in ("boxes", "boxes_predicted"))
        counts = image_counts(truth, found, *shape, DEFAULT_THRESHOLD if threshold is None else threshold)
        return drawn.together(drawn.counts(*counts), average_precisions(truth, found, *shape))
    truth_numbers = np.array([number[label] for label in answers["label"]], np.int64)
    proba = answers.select(f"proba_{name}" for name in classes).to_numpy()
    return drawn.classification(truth_numbers, proba) if np.isfinite(proba).all() else drawn.together()


def _boxes(texts: pl.Series, number: dict[str, int]) -> Boxes:
    """Return the boxes of each image, given as JSON; without lists and dicts, which would take much more memory."""
    table = pl.DataFrame({"image": range(len(texts)), "box": texts.str.json_decode(_BOXES)})
    rows = table.explode("box").drop_nulls("box").unnest("box")
    numbered = pl.col("category").replace_strict(number, default=None, return_dtype=pl.Int64)
    rows = rows.with_columns(numbered.alias("class"), pl.col("confidence").fill_null(1.0)).drop_nulls("class")
    xywh = np.column_stack([rows["bbox"].list.get(side).to_numpy() for side in range(4)])
    image, category, confidence = (rows[name].to_numpy() for name in ("image", "class", "confidence"))
    return Boxes(xywh, image, category, confidence)
