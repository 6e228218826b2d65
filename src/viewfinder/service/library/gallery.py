"""The images of a dataset, a page at a time, and small pictures of them."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from viewfinder.data import boxes as box_values
from viewfinder.data.dataset import Dataset as Index
from viewfinder.errors import NotFoundError
from viewfinder.report.pictures import jpeg
from viewfinder.service.library import datasets
from viewfinder.service.library.library import Library
from viewfinder.store import Dataset

PAGE = 48
THUMBNAIL_PX = 220


@dataclass(frozen=True)
class Page:
    """Some images of a dataset: rows of the index, and how many there are in all."""

    rows: list[dict[str, str | None]]
    found: int
    number: int

    @property
    def pages(self) -> int:
        """How many pages there are."""
        return max(1, -(-self.found // PAGE))


def page(library: Library, dataset: Dataset, shows: str | None = None, number: int = 1) -> Page:
    """Return a page of images, counted from 1, of those that show a class if one is named."""
    images = _showing(datasets.index(library, dataset), shows)
    number = min(max(1, number), max(1, -(-images.height // PAGE)))
    return Page(images.slice((number - 1) * PAGE, PAGE).to_dicts(), images.height, number)


def part(
    library: Library, dataset: Dataset, shows: str | None = None, start: int = 0, most: int = PAGE
) -> tuple[list[dict[str, str | None]], int]:
    """Return at most so many images from `start` on, as `page` has them, and how many there are in all."""
    images = _showing(datasets.index(library, dataset), shows)
    return images.slice(start, most).to_dicts(), images.height


def _showing(index: Index, shows: str | None) -> pl.DataFrame:
    images = index.images
    if shows is not None:
        images = images.filter(pl.Series([shows in classes for classes in index.shown()], dtype=pl.Boolean))
    return images.select("image", "sha256", index.target.column)


def thumbnail(library: Library, dataset: Dataset, sha256: str) -> bytes:
    """Return a small JPEG of the image with these bytes, its boxes drawn; made once, then kept.

    Raises StoreError when the dataset has no such image, or it cannot be read any more.
    """
    if not re.fullmatch("[0-9a-f]{64}", sha256):
        raise NotFoundError(f"'{sha256}' is no SHA-256.")
    kept = library.home / "datasets" / dataset.id / "thumbnails" / f"{sha256}.jpg"
    if kept.is_file():
        return kept.read_bytes()
    index = datasets.index(library, dataset)
    found = index.images.filter(pl.col("sha256") == sha256)
    row = found.row(0, named=True) if found.height else None
    drawn = [{**box, "kind": "right", "label": box["category"]} for box in _boxes(row)]
    content = jpeg(index.path(row["image"]), drawn, THUMBNAIL_PX) if row else None
    if content is None:
        raise NotFoundError(f"'{dataset.name}' has no such image, or it cannot be read any more.")
    _keep(kept, content)
    return content


def _boxes(row: dict[str, str] | None) -> list[dict[str, object]]:
    return box_values.from_json(row["boxes"]) if row and row.get("boxes") else []


def _keep(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_bytes(content)
    beside.replace(path)
