"""What a report says of a classification."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from viewfinder.metrics import classification as metrics
from viewfinder.report.charts import Chart, Series, diagonal, many_note, per_class
from viewfinder.words import plural

PROBA = "proba_"


def measure(answers: pl.DataFrame, classes: Sequence[str], threshold: float | None) -> dict[str, Any]:
    """Judge the answers; images of classes that the model does not know are left out, and noted."""
    known = answers.filter(pl.col("label").is_in(list(classes)))
    number = {name: index for index, name in enumerate(classes)}
    truth = [number[label] for label in known["label"]]
    judged = metrics.measure(truth, known.select([PROBA + name for name in classes]).to_numpy(), classes)
    if known.height < answers.height:
        others = sorted(set(answers["label"]) - set(classes))
        judged["notes"].append(
            f"Left out, because the model does not know their classes: {answers.height - known.height:,} of "
            f"{plural(answers.height, 'image')} ({', '.join(others[:10])})."
        )
    return judged | {"images": known.height}


def guessing(answers: pl.DataFrame, train: pl.DataFrame) -> dict[str, Any] | None:
    """Return the accuracy of always naming the class that is commonest in training."""
    if not answers.height or not train.height:
        return None
    counts = train.group_by("label").len().sort(["len", "label"], descending=[True, False])
    commonest = counts["label"][0]
    return {"class": commonest, "metric": "accuracy", "value": float((answers["label"] == commonest).mean())}


def sentences(judged: Mapping[str, Any], split: str, guessing: Mapping[str, Any] | None) -> list[str]:
    """Return in plain words how good the model is."""
    counts, images = judged["confusion"]["counts"], judged["images"]
    accuracy = judged["metrics"]["accuracy"]
    if accuracy is None:
        return []
    right = sum(counts[i][i] for i in range(len(counts)))
    said = [f"On {split} it names the right class for {right:,} of {images:,}: accuracy {accuracy:.1%}."]
    if guessing:
        verdict = "Better" if accuracy > guessing["value"] else "No better"
        said.append(
            f"{verdict} than guessing the commonest class ({guessing['class']}) every time: "
            f"{accuracy:.1%} against {guessing['value']:.1%}."
        )
    return said


def headlines() -> tuple[str, ...]:
    """Return the metrics shown large."""
    return ("accuracy", "f1")


def titles() -> Mapping[str, tuple[str, str]]:
    """Return nothing: all measures are those of the task."""
    return {}


def charts(judged: Mapping[str, Any]) -> list[Chart]:
    """Return precision-recall, ROC, calibration and density curves."""
    return [
        *_of_ranking(judged["curves"], judged["per_class"]),
        *_of_probabilities(judged["curves"], judged["per_class"]),
    ]


def _of_ranking(curves: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> list[Chart]:
    """Return what depends on the order of the images by confidence alone."""
    average = {row["class"]: row["average_precision"] for row in rows}
    area = {row["class"]: row["roc_auc"] for row in rows}
    return [
        Chart(
            "precision_recall",
            "Precision and recall",
            "How many of the images named as a class are right, as more of that class are found; the nearer to the top "
            "right, the better." + many_note(curves["precision_recall"]),
            "recall",
            "precision",
            per_class(curves["precision_recall"], average, "AP"),
            (0, 1),
            (0, 1),
        ),
        Chart(
            "roc",
            "ROC",
            "How many of a class are found, against how many others are wrongly taken for it; the nearer to the top "
            "left, the better." + many_note(curves["roc"]),
            "false positive rate",
            "true positive rate",
            (diagonal("guessing"), *per_class(curves["roc"], area, "AUC")),
            (0, 1),
            (0, 1),
        ),
    ]


def _of_probabilities(curves: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> list[Chart]:
    """Return what shows the confidences themselves."""
    area = {row["class"]: row["roc_auc"] for row in rows}
    return [
        Chart(
            "calibration",
            "Calibration",
            "How often an image is of a class, against how sure the model is of it; on the dashed line its "
            "probabilities can be taken at their word." + many_note(curves["calibration"]),
            "probability of the class",
            "share that is of the class",
            (diagonal("as sure as right"), *per_class(curves["calibration"], area)),
            (0, 1),
            (0, 1),
        ),
        Chart(
            "density",
            "Density of the probabilities",
            "How sure the model is of a class: solid on images of that class, dashed on all others. The farther apart, "
            "the better." + many_note(curves["density"]),
            "probability of the class",
            "share of images",
            _density(curves, area),
            (0, 1),
            (0, 1),
        ),
    ]


def _density(curves: Mapping[str, Any], area: Mapping[str, float | None]) -> tuple[Series, ...]:
    own = per_class(curves["density"], area)
    color = {series.name: series.color for series in own if not series.faint}
    others = (
        Series(curve["class"], tuple(curve["x"]), tuple(curve["y"]), color[curve["class"]], dashed=True)
        for curve in curves["density_of_others"]
        if curve["class"] in color
    )
    return (*own, *others)


def tables(judged: Mapping[str, Any], answers: pl.DataFrame) -> list[dict[str, Any]]:
    """Return the table of classes."""
    titles = {"support": "Images", "precision": "Precision", "recall": "Recall", "f1": "F1", "roc_auc": "ROC AUC"}
    columns = [
        {"key": key, "title": title, "kind": "count" if key == "support" else "score"} for key, title in titles.items()
    ]
    return [
        {
            "id": "per_class",
            "title": "Class by class",
            "reading": "Precision: of the images predicted as this class, the share that are of it. "
            "Recall: of the images of this class, the share that were found.",
            "columns": [
                {"key": "class", "title": "Class", "kind": "name"},
                *columns,
                {"key": "average_precision", "title": "Average precision", "kind": "score"},
            ],
            "rows": list(judged["per_class"]),
        }
    ]


def mistakes(judged: Mapping[str, Any], answers: pl.DataFrame, limit: int) -> list[dict[str, Any]]:
    """Return the wrong answers, the most confident first."""
    names = [column for column in answers.columns if column.startswith(PROBA)]
    wrong = answers.filter(pl.col("label") != pl.col("prediction")).with_columns(
        confidence=pl.max_horizontal(names) if names else pl.lit(0.0)
    )
    worst = wrong.sort(["confidence", "image"], descending=[True, False]).head(limit)
    return [
        {
            "image": row["image"],
            "title": f"{row['label']}, taken for {row['prediction']}",
            "text": f"Sure to {row['confidence']:.1%}" + _truth_share(row),
            "boxes": [],
        }
        for row in worst.iter_rows(named=True)
    ]


def _truth_share(row: Mapping[str, Any]) -> str:
    share = row.get(PROBA + row["label"])
    return f"; the true class got {share:.1%}." if share is not None else "; the model does not know the true class."


def contents(table: pl.DataFrame, classes: Sequence[str]) -> dict[str, Any]:
    """Count the images of each class."""
    counts = dict(table.group_by("label").len().iter_rows())
    return {"things": "images", "counts": {name: int(counts.get(name, 0)) for name in classes}, "empty": 0}
