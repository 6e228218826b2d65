"""How the sizes of images and of boxes, and the numbers of objects, are distributed: small enough to draw."""

from typing import Any

import polars as pl

from viewfinder.data.dataset import Dataset

MOST_POINTS = 400
_BOXES = pl.List(pl.Struct({"bbox": pl.List(pl.Float64)}))


def distributions(dataset: Dataset) -> dict[str, Any]:
    """Return what there is to draw, as JSON-able data.

    `image_sizes` has (width, height, images), near sizes taken together where there are too many; for detection
    `objects_per_image` has (objects, images), and `box_sides` has (from, to, objects): the square root of a box's area
    in pixels, each range twice as wide as the last.
    """
    found: dict[str, Any] = {"image_sizes": _image_sizes(dataset.images)}
    if dataset.target.is_objects:
        found["objects_per_image"] = _objects_per_image(dataset)
        found["box_sides"] = _box_sides(dataset.images)
    return found


def _image_sizes(images: pl.DataFrame) -> list[tuple[int, int, int]]:
    if images.is_empty():
        return []
    longest = max(images.select(pl.max("width", "height")).row(0))
    step = 1
    while (counted := _counted_sizes(images, step)).height > MOST_POINTS:
        step = max(2 * step, longest // 200)
    return counted.rows()


def _counted_sizes(images: pl.DataFrame, step: int) -> pl.DataFrame:
    near = [((pl.col(side) / step).round() * step).clip(1).cast(pl.Int64) for side in ("width", "height")]
    return images.group_by(near).len().sort("len", "width", "height", descending=True)


def _objects_per_image(dataset: Dataset) -> list[tuple[int, int]]:
    numbers = pl.DataFrame({"objects": dataset.shown_column().list.len()})
    return numbers.group_by("objects").len().sort("objects").head(MOST_POINTS).rows()


def _box_sides(images: pl.DataFrame) -> list[tuple[int, int, int]]:
    box = pl.col("boxes").struct.field("bbox")
    boxes = images.select(pl.col("boxes").str.json_decode(_BOXES)).explode("boxes").drop_nulls()
    sides = boxes.select((box.list.get(2) * box.list.get(3)).sqrt().alias("side"))
    power = pl.col("side").clip(1).log(2).floor().cast(pl.Int32).alias("power")
    counts = dict(sides.group_by(power).len().rows())
    powers = range(min(counts), max(counts) + 1) if counts else ()
    return [(2**power if power else 0, 2 ** (power + 1), counts.get(power, 0)) for power in powers]
