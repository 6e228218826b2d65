"""The pre-flight report: what is in a source, and what is wrong with it."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from viewfinder.data import boxes
from viewfinder.data.dataset import Dataset
from viewfinder.data.diagnostics import Diagnostic, grouped
from viewfinder.service.source import Progress, Source, load


@dataclass(frozen=True)
class Check:
    """What was found in a source."""

    dataset: Dataset

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """Everything that was left out or deserves a look."""
        return self.dataset.diagnostics

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain data."""
        data = self.dataset
        return {
            "name": data.name,
            "source": str(data.root),
            "format": data.format,
            "task": data.task,
            "images": data.images.height,
            "classes": _classes(data),
            "without_objects": _background(data),
            "sizes": _sizes(data.images),
            "splits": _splits(data.images),
            "duplicates": data.images.height - data.images["sha256"].n_unique(),
            "findings": grouped(data.diagnostics),
            "diagnostics": [diagnostic.as_dict() for diagnostic in data.diagnostics],
            "fingerprint": data.fingerprint,
        }


def check(source: Source | Path | str, *, group_column: str | None = None, progress: Progress | None = None) -> Check:
    """Read a source, open every image, and return what is in it; raise SourceError when it cannot be read."""
    return Check(load(Source.of(source), group_column=group_column, progress=progress))


def _classes(data: Dataset) -> list[dict[str, Any]]:
    """Return, for each class, in how many images it is and, for boxes, how many objects are of it."""
    if data.target == "label":
        counts = Counter(data.images["label"].to_list())
        return [{"class": name, "images": counts[name]} for name in data.classes]
    found = [[box["category"] for box in boxes.from_json(text)] for text in data.images["boxes"]]
    objects = Counter(name for names in found for name in names)
    images = Counter(name for names in found for name in set(names))
    return [{"class": name, "images": images[name], "objects": objects[name]} for name in data.classes]


def _background(data: Dataset) -> int | None:
    """Return how many images have no objects; None where images have one class each."""
    return None if data.target == "label" else int((data.images["boxes"] == "[]").sum())


def _sizes(images: pl.DataFrame) -> dict[str, list[int]]:
    """Return the least, middle and largest [width, height] by area."""
    ordered = images.sort(pl.col("width").cast(pl.Int64) * pl.col("height"), "image")
    rows = {"smallest": 0, "median": images.height // 2, "largest": images.height - 1}
    return {name: [int(ordered["width"][row]), int(ordered["height"][row])] for name, row in rows.items()}


def _splits(images: pl.DataFrame) -> dict[str, int]:
    """Return the images of each split of the source's own; empty when it has none."""
    counts = Counter(name for name in images["split"] if name is not None)
    return {name: counts[name] for name in ("train", "validation", "test") if counts[name]}
