"""The images of a dataset: chosen, in an order, a page at a time or one by one, and pictures of them."""

import functools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from viewfinder.data import boxes as box_values
from viewfinder.data.dataset import Dataset as Index
from viewfinder.data.sources.files import is_image
from viewfinder.errors import NotFoundError
from viewfinder.report.pictures import jpeg
from viewfinder.service.library import datasets
from viewfinder.service.library.library import Library, write
from viewfinder.store import Dataset

PAGE = 48
THUMBNAIL_PX = 220
FULL_PX, LEAST_FULL_PX = 1600, 800
SORTS = {"name": "name", "name_last": "name, last first", "largest": "largest first", "smallest": "smallest first"}


@dataclass(frozen=True)
class Asked:
    """Which images, all conditions together, and in which order.

    `shows` is a class, `split` one of the source's own, `problem` the severity and kind of a finding ("error.no_class")
    and `find` a part of the file's name in any letter case. None and "" ask for nothing.
    """

    shows: str | None = None
    split: str | None = None
    problem: str | None = None
    find: str = ""
    sort: str = "name"


@dataclass(frozen=True)
class Picture:
    """An image by its name. `sha256` is None where it is no part of the dataset, only the subject of a finding."""

    image: str
    sha256: str | None
    classes: tuple[str, ...] = ()

    @property
    def is_image(self) -> bool:
        """Whether there may be something to show."""
        return self.sha256 is not None or is_image(self.image)

    def counted(self) -> str:
        """Return what is in it, in words: "cat", or "cat ×2, dog"."""
        counts = Counter(self.classes).items()
        return ", ".join(name if count == 1 else f"{name} ×{count}" for name, count in counts)


@dataclass(frozen=True)
class Page:
    """Some images of a dataset, and how many there are in all."""

    rows: list[Picture]
    found: int
    number: int

    @property
    def pages(self) -> int:
        """How many pages there are."""
        return max(1, -(-self.found // PAGE))


@dataclass(frozen=True)
class One:
    """An image in full, and its place among those that were asked for: `number` of `found`, the names beside it.

    `size` is (width, height), and None where it is no part of the dataset; `file_bytes` is None where the file is gone.
    """

    picture: Picture
    number: int
    found: int
    before: str | None
    after: str | None
    size: tuple[int, int] | None
    file_bytes: int | None
    split: str | None
    boxes: list[dict[str, Any]] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Content:
    """An index, ready to be searched: its images with the list of classes that each `shows`, and its findings."""

    index: Index
    images: pl.DataFrame
    findings: pl.DataFrame


def page(library: Library, dataset: Dataset, asked: Asked | None = None, number: int = 1) -> Page:
    """Return a page, counted from 1, of the images that were asked for."""
    images = _selected(_content(library, dataset), asked or Asked())
    number = min(max(1, number), max(1, -(-images.height // PAGE)))
    return Page([_picture(row) for row in images.slice((number - 1) * PAGE, PAGE).to_dicts()], images.height, number)


def part(
    library: Library, dataset: Dataset, asked: Asked | None = None, start: int = 0, most: int = PAGE
) -> tuple[list[dict[str, str | None]], int]:
    """Return at most so many rows of the images that were asked for, from `start` on, and how many there are in all."""
    images = _selected(_content(library, dataset), asked or Asked())
    target = datasets.index(library, dataset).target.column
    return images.slice(start, most).select("image", "sha256", target).to_dicts(), images.height


def pictures(library: Library, dataset: Dataset, images: Sequence[str]) -> dict[str, Picture]:
    """Return images by their names, also those that are no part of the dataset."""
    content = _content(library, dataset)
    found = content.images.filter(pl.col("image").is_in(list(images)))
    return {name: Picture(name, None) for name in images} | {row["image"]: _picture(row) for row in found.to_dicts()}


def one(library: Library, dataset: Dataset, image: str, asked: Asked | None = None) -> One:
    """Return an image in full; raise NotFoundError when it is not among those that were asked for."""
    content = _content(library, dataset)
    images = _selected(content, asked or Asked())
    place = images["image"].index_of(image)
    if place is None:
        raise NotFoundError(f"'{dataset.name}' has no image '{image}' among those that were asked for.")
    row = images.row(place, named=True)
    names = images["image"]
    return One(
        picture=_picture(row),
        number=place + 1,
        found=images.height,
        before=names[place - 1] if place else None,
        after=names[place + 1] if place + 1 < images.height else None,
        size=(row["width"], row["height"]) if row["sha256"] else None,
        file_bytes=_file_bytes(content.index.path(image)),
        split=row["split"],
        boxes=_boxes(row),
        findings=content.findings.filter(pl.col("file") == image)["reason"].to_list(),
    )


def thumbnail(library: Library, dataset: Dataset, sha256: str) -> bytes:
    """Return a small JPEG of the image with these bytes, its boxes drawn; made once, then kept.

    Raises NotFoundError when the dataset has no such image, or it cannot be read any more.
    """
    kept = library.home / "datasets" / dataset.id / "thumbnails" / f"{sha256}.jpg"
    if re.fullmatch("[0-9a-f]{64}", sha256) and kept.is_file():
        return kept.read_bytes()
    content = _drawn(library, dataset, sha256, THUMBNAIL_PX, THUMBNAIL_PX)
    write(kept, content)
    return content


def full(library: Library, dataset: Dataset, sha256: str) -> bytes:
    """Return a JPEG of the image with these bytes, large, its boxes drawn; raises as `thumbnail` does."""
    return _drawn(library, dataset, sha256, LEAST_FULL_PX, FULL_PX)


def _drawn(library: Library, dataset: Dataset, sha256: str, least: int, most: int) -> bytes:
    index = datasets.index(library, dataset)
    place = index.images["sha256"].index_of(sha256)
    row = None if place is None else index.images.row(place, named=True)
    content = None
    if row:
        drawn = [{**box, "kind": "right", "label": box["category"]} for box in _boxes(row)]
        longest = min(most, max(least, row["width"], row["height"]))
        content = jpeg(index.path(row["image"]), drawn, longest)
    if content is None:
        raise NotFoundError(f"'{dataset.name}' has no such image, or it cannot be read any more.")
    return content


def left_out(library: Library, dataset: Dataset, image: str, longest: int = THUMBNAIL_PX) -> bytes:
    """Return a JPEG of an image that only a finding names; raise NotFoundError when there is nothing to show.

    Only files inside of the dataset's root are looked at.
    """
    content = _content(library, dataset)
    found = None
    if is_image(image) and image in content.findings["file"]:
        path = content.index.path(image).resolve()
        inside = path.is_relative_to(content.index.root.resolve())
        found = jpeg(path, (), longest) if inside else None
    if found is None:
        raise NotFoundError(f"'{image}' cannot be shown.")
    return found


def _content(library: Library, dataset: Dataset) -> _Content:
    return _prepared(datasets.index(library, dataset))


@functools.lru_cache(maxsize=datasets.KEPT)
def _prepared(index: Index) -> _Content:
    findings = [(one.severity, one.kind, one.file, one.reason) for one in index.diagnostics]
    schema = dict.fromkeys(("severity", "kind", "file", "reason"), pl.String)
    images = index.images.with_columns(index.shown_column())
    return _Content(index, images, pl.DataFrame(findings, schema, orient="row"))


def _selected(content: _Content, asked: Asked) -> pl.DataFrame:
    """Return the rows of the images that were asked for; what is no part of the dataset has null but for its name."""
    images = _of_problem(content, asked.problem) if asked.problem else content.images
    if asked.shows:
        images = images.filter(pl.col("shown").list.contains(asked.shows))
    if asked.split:
        images = images.filter(pl.col("split") == asked.split)
    if asked.find:
        images = images.filter(pl.col("image").str.to_lowercase().str.contains(asked.find.lower(), literal=True))
    if asked.sort in ("largest", "smallest"):
        pixels = pl.col("width").cast(pl.Int64) * pl.col("height")
        return images.sort(pixels, descending=asked.sort == "largest", nulls_last=True, maintain_order=True)
    return images.reverse() if asked.sort == "name_last" else images


def _of_problem(content: _Content, problem: str) -> pl.DataFrame:
    severity, _, kind = problem.partition(".")
    named = (pl.col("severity") == severity) & (pl.col("kind") == kind) & (pl.col("file") != "")
    files = content.findings.filter(named).select(image="file").unique().sort("image")
    return files.join(content.images, on="image", how="left", maintain_order="left")


def _picture(row: dict[str, Any]) -> Picture:
    return Picture(row["image"], row["sha256"], tuple(row["shown"] or ()))


def _boxes(row: dict[str, Any]) -> list[dict[str, Any]]:
    return box_values.from_json(row["boxes"]) if row.get("boxes") else []


def _file_bytes(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
