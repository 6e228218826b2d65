"""What a report says of a detection."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from viewfinder.metrics import detection as metrics
from viewfinder.metrics.matching import IOU, Boxes, match
from viewfinder.report.charts import Chart, Mark, Series, many_note, per_class
from viewfinder.report.threshold import words as threshold_words

SIZES = (("small", "under 32 × 32 px", 0.0, 32.0**2), ("medium", "to 96 × 96 px", 32.0**2, 96.0**2),
         ("large", "above", 96.0**2, float("inf")))  # fmt: skip


def measure(answers: pl.DataFrame, classes: Sequence[str], threshold: float | None) -> dict[str, Any]:
    """Judge the answers."""
    judged = metrics.measure(_truth(answers), _found(answers), classes, threshold)
    return judged | {"images": answers.height}


def _truth(answers: pl.DataFrame) -> list[list[dict[str, Any]]]:
    return [json.loads(boxes) for boxes in answers["boxes"]]


def _found(answers: pl.DataFrame) -> list[list[dict[str, Any]]]:
    return [json.loads(boxes) for boxes in answers["boxes_predicted"]]


def guessing(answers: pl.DataFrame, train: pl.DataFrame) -> dict[str, Any] | None:
    """Return None: there is no box that one could always guess."""
    return None


def sentences(judged: Mapping[str, Any], split: str, guessing: Mapping[str, Any] | None) -> list[str]:
    """Return in plain words how good the model is."""
    rows, counts, got = judged["per_class"], judged["confusion"]["counts"], judged["metrics"]
    objects = sum(row["objects"] for row in rows)
    if got["f1"] is None:
        return []
    right = sum(counts[i][i] for i in range(len(rows)))
    reported = sum(row["predictions"] for row in rows)
    boxes = "1 box" if reported == 1 else f"{reported:,} boxes"
    wrong = "none of them wrong" if right == reported else f"{reported - right:,} of them wrong"
    return [
        f"On {split} it finds {right:,} of {objects:,} objects (class right, overlap at least one half).",
        f"It reports {boxes}, {wrong}, {threshold_words(judged['threshold'], judged.get('threshold_in_use'))}",
        f"COCO average precision: {got['map_50']:.3f} at overlap 0.50, {got['map']:.3f} over 0.50 to 0.95.",
    ]


def headlines() -> tuple[str, ...]:
    """Return the metrics shown large."""
    return ("f1", "map_50", "map")


def titles() -> Mapping[str, tuple[str, str]]:
    """Return the measures that cannot be optimised."""
    return {"map_75": ("AP 0.75", "COCO average precision where a box counts from IoU 0.75; mean of classes.")} | {
        f"map_{size}": (f"AP {size}", f"AP 0.50:0.95 of {size} objects ({words}).") for size, words, *_ in SIZES
    }


def charts(judged: Mapping[str, Any]) -> list[Chart]:
    """Return precision-recall, F1 against confidence, and average precision at each overlap."""
    curves, rows = judged["curves"], judged["per_class"]
    average = {row["class"]: row["ap_50"] for row in rows}
    f1 = {row["class"]: row["f1"] for row in rows}
    mean = [Series("mean of classes", tuple(c["x"]), tuple(c["y"]), 0) for c in curves["mean_f1_confidence"]]
    classes = per_class(curves["f1_confidence"], f1, "F1")
    return [
        Chart(
            "precision_recall",
            "Precision and recall at IoU 0.5",
            "How many of the reported boxes are right, as more of the objects are found; the nearer to the top right, "
            "the better." + many_note(curves["precision_recall"]),
            "recall",
            "precision",
            per_class(curves["precision_recall"], average, "AP 0.50"),
            (0, 1),
            (0, 1),
        ),
        Chart(
            "f1_confidence",
            "F1 against confidence",
            "What F1 would be with another threshold; a flat top means that the threshold matters little."
            + many_note(curves["f1_confidence"]),
            "threshold",
            "F1",
            classes if len(rows) == 1 else (*(Series(**{**vars(s), "color": s.color + 1}) for s in classes), *mean),
            (0, 1),
            (0, 1),
            marks=(Mark(judged["threshold"], f"judged at {judged['threshold']:.3g}"),),
        ),
        Chart(
            "ap_by_iou",
            "Average precision at each overlap",
            "How good the boxes are when they have to fit better and better; a steep fall to the right means that "
            "objects are found but not well outlined." + many_note(curves["ap_by_iou"]),
            "overlap (IoU) from which a box counts",
            "average precision",
            per_class(curves["ap_by_iou"], {row["class"]: row["ap"] for row in rows}, "AP"),
            (0.5, 0.95),
            (0, 1),
        ),
    ]


def tables(judged: Mapping[str, Any], answers: pl.DataFrame) -> list[dict[str, Any]]:
    """Return the table of classes and the table of sizes."""
    return [_class_table(judged), _size_table(judged, answers)]


def _class_table(judged: Mapping[str, Any]) -> dict[str, Any]:
    scores = {"precision": "Precision", "recall": "Recall", "f1": "F1", "ap_50": "AP 0.50", "ap_75": "AP 0.75",
              "ap": "AP 0.50:0.95"}  # fmt: skip
    return {
        "id": "per_class",
        "title": "Class by class",
        "reading": f"Precision, recall and F1 at IoU 0.5 and confidence ≥ {judged['threshold']:.3g}; AP over all "
        "confidences.",
        "columns": [
            {"key": "class", "title": "Class", "kind": "name"},
            {"key": "objects", "title": "Objects", "kind": "count"},
            {"key": "predictions", "title": "Reported", "kind": "count"},
            *({"key": key, "title": title, "kind": "score"} for key, title in scores.items()),
        ],
        "rows": list(judged["per_class"]),
    }


def _size_table(judged: Mapping[str, Any], answers: pl.DataFrame) -> dict[str, Any]:
    areas = [box["bbox"][2] * box["bbox"][3] for boxes in _truth(answers) for box in boxes]
    return {
        "id": "by_size",
        "title": "By object size",
        "reading": "Size in pixels of the original image, AP at IoU 0.50:0.95, as COCO counts them.",
        "columns": [
            {"key": "size", "title": "Size", "kind": "name"},
            {"key": "objects", "title": "Objects", "kind": "count"},
            {"key": "ap", "title": "AP 0.50:0.95", "kind": "score"},
        ],
        "rows": [
            {
                "size": f"{size} ({words})",
                "objects": sum(low <= area < high for area in areas),
                "ap": judged["metrics"][f"map_{size}"],
            }
            for size, words, low, high in SIZES
        ],
    }


def mistakes(judged: Mapping[str, Any], answers: pl.DataFrame, limit: int) -> list[dict[str, Any]]:
    """Return the images with the most wrong and missed boxes; of equals the more confidently wrong first."""
    truth = _truth(answers)
    found = [[box for box in boxes if box["confidence"] >= judged["threshold"]] for boxes in _found(answers)]
    rows = [_mistake(image, things, boxes) for image, things, boxes in zip(answers["image"], truth, found, strict=True)]
    wrong = [row for row in rows if row["errors"]]
    return sorted(wrong, key=lambda row: (-row["errors"], -row["confidence"], row["image"]))[:limit]


def drawn(things: list[dict[str, Any]], boxes: list[dict[str, Any]], least_iou: float = IOU) -> list[dict[str, Any]]:
    """Return the boxes of an image as pictures show them: found or missed things, right or wrong boxes."""
    matched = _matched(things, boxes, least_iou)
    missed = [number not in set(matched) for number in range(len(things))]
    return [
        *(_drawn(thing, "missed" if lost else "found", f"missed {thing['category']}" if lost else "")
          for thing, lost in zip(things, missed, strict=True)),
        *(_drawn(box, "wrong" if thing < 0 else "right", f"{box['category']} {box['confidence']:.2f}")
          for box, thing in zip(boxes, matched, strict=True)),
    ]  # fmt: skip


def _matched(things: list[dict[str, Any]], boxes: list[dict[str, Any]], least_iou: float = IOU) -> list[int]:
    classes = sorted({box["category"] for box in [*things, *boxes]})
    if not boxes:
        return []
    return [int(n) for n in match(Boxes.of([things], classes), Boxes.of([boxes], classes), least_iou=least_iou)]


def _mistake(image: str, things: list[dict[str, Any]], boxes: list[dict[str, Any]]) -> dict[str, Any]:
    matched = _matched(things, boxes)
    missed = [number not in set(matched) for number in range(len(things))]
    wrong = [box for box, thing in zip(boxes, matched, strict=True) if thing < 0]
    lost = [thing for thing, lost in zip(things, missed, strict=True) if lost]
    return {
        "image": image,
        "title": f"{len(wrong)} wrong, {len(lost)} missed, of {len(boxes)} reported and {len(things)} real",
        "text": " ".join(filter(None, [_listed("Wrong", wrong), _listed("Missed", lost)])),
        "boxes": drawn(things, boxes),
        "errors": len(wrong) + len(lost),
        "confidence": sum(box["confidence"] for box in wrong),
    }


def _drawn(box: Mapping[str, Any], kind: str, label: str) -> dict[str, Any]:
    return {"bbox": box["bbox"], "kind": kind, "label": label}


def _listed(title: str, boxes: list[dict[str, Any]]) -> str:
    if not boxes:
        return ""
    counts = Counter(box["category"] for box in boxes)
    return f"{title}: " + ", ".join(f"{n} × {name}" if n > 1 else name for name, n in counts.most_common()) + "."


def contents(table: pl.DataFrame, classes: Sequence[str]) -> dict[str, Any]:
    """Count the objects of each class, and the images without any."""
    boxes = [json.loads(text) for text in table["boxes"]]
    counts = Counter(box["category"] for image in boxes for box in image)
    return {
        "things": "objects",
        "counts": {name: counts[name] for name in classes},
        "empty": sum(not image for image in boxes),
    }
