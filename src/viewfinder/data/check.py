"""What is in a dataset, and what is wrong with it, as plain data for a page, a terminal or a JSON file."""

from collections import Counter
from pathlib import PurePosixPath
from typing import Any

import polars as pl

from viewfinder.data.dataset import Dataset
from viewfinder.data.diagnostics import SEVERITIES, grouped

_FORMATS = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jpe": "JPEG",
    ".jfif": "JPEG",
    ".png": "PNG",
    ".webp": "WebP",
    ".bmp": "BMP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".gif": "GIF",
}


def summarise(dataset: Dataset) -> dict[str, Any]:
    """Return the summary of a dataset as JSON-able data.

    `classes` has a row for each: `images` that show it, `objects` (detection: its boxes), and `splits` with the images
    in each of the source's own. `splits` counts all images in them (empty without own splits), `sizes` has the least,
    the median and the greatest width and height and the commonest sizes, `findings` counts the diagnostics by severity
    and `diagnostics` has them by kind.
    """
    objects, shown = dataset.target.is_objects, dataset.shown_column()
    severities = Counter(diagnostic.severity for diagnostic in dataset.diagnostics)
    return {
        "name": dataset.name,
        "root": dataset.root.as_posix(),
        "format": dataset.format,
        "task": dataset.task,
        "fingerprint": dataset.fingerprint,
        "images": len(dataset),
        "classes": _classes(dataset),
        "objects": int(shown.list.len().sum()) if objects else None,
        "background_images": int((shown.list.len() == 0).sum()) if objects else None,
        "splits": _counts(dataset.images["split"]),
        "groups": dataset.images["group"].drop_nulls().n_unique(),
        "distinct_images": dataset.images["sha256"].n_unique(),
        "sizes": _sizes(dataset.images),
        "formats": dict(Counter(_format(image) for image in dataset.images["image"]).most_common()),
        "findings": {severity: severities[severity] for severity in SEVERITIES},
        "diagnostics": grouped(dataset.diagnostics),
    }


def _classes(dataset: Dataset) -> list[dict[str, Any]]:
    objects: Counter[str] = Counter()
    images: Counter[str] = Counter()
    splits: dict[str, Counter[str]] = {name: Counter() for name in dataset.classes}
    for shown, split in zip(dataset.shown(), dataset.images["split"], strict=True):
        objects.update(shown)
        images.update(set(shown))
        for name in set(shown) if split else ():
            splits[name][split] += 1
    return [
        {
            "name": name,
            "images": images[name],
            "objects": objects[name] if dataset.target.is_objects else None,
            "splits": dict(sorted(splits[name].items())),
        }
        for name in dataset.classes
    ]


def _counts(values: pl.Series) -> dict[str, int]:
    return dict(sorted(Counter(value for value in values if value is not None).items()))


def _sizes(images: pl.DataFrame) -> dict[str, Any]:
    common = Counter(zip(images["width"], images["height"], strict=True)).most_common(5)
    return {
        **{side: _range(images[side]) for side in ("width", "height")},
        "commonest": [{"width": width, "height": height, "images": count} for (width, height), count in common],
    }


def _range(values: pl.Series) -> dict[str, float | None]:
    if values.is_empty():
        return {"least": None, "median": None, "greatest": None}
    numbers = sorted(values.to_list())
    middle = len(numbers) // 2
    median = numbers[middle] if len(numbers) % 2 else (numbers[middle - 1] + numbers[middle]) / 2
    return {"least": numbers[0], "median": median, "greatest": numbers[-1]}


def _format(image: str) -> str:
    suffix = PurePosixPath(image).suffix.lower()
    return _FORMATS.get(suffix, suffix.lstrip(".").upper() or "none")
