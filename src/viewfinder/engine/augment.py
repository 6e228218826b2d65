"""Augmentation: changes of a training image made by Pillow, and of its boxes. No torch."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from viewfinder.design import Augmentation, Color, Crop
from viewfinder.engine.change import (
    LUMA,
    Boxes,
    Change,
    Corners,
    Indices,
    Tint,
    clipped,
    cut_boxes,
    draw,
    draw_corners,
    draw_tint,
    flipped_boxes,
    hue_matrix,
    resized_boxes,
    turned_boxes,
)

__all__ = [
    "Boxes", "Pixels", "View", "augment", "changed", "clipped", "cropped", "cut", "flipped", "hue_matrix", "recolored",
    "resized", "rotated", "tinted",
]  # fmt: skip

Pixels = NDArray[np.uint8]
Resize = Callable[[Image.Image], Pixels]
Fill = tuple[int, int, int]


@dataclass(frozen=True)
class View:
    """An image with its boxes; `kept` holds the indices, in the original list, of the boxes that are still there."""

    image: Image.Image
    boxes: Boxes
    kept: Indices


def augment(
    image: Image.Image,
    boxes: Boxes,
    augmentation: Augmentation,
    rng: np.random.Generator,
    resize: Resize,
    fill: Fill,
) -> View:
    """Return an augmented view, resized by `resize`.

    Each category is drawn on its own. Objects cropped away are removed, cut ones clipped; an image that had a box keeps
    at least one. `fill` colours the corners that a rotation opens.
    """
    change = draw(image.size, boxes, augmentation, rng)
    return changed(View(image, boxes, np.arange(len(boxes))), change, resize, fill)


def changed(view: View, change: Change, resize: Resize, fill: Fill) -> View:
    """Return the view with a change, resized by `resize`."""
    if change.corners:
        view = cut(view, change.corners)
    view = resized(view, resize)
    if change.mirrored:
        view = flipped(view, horizontal=True)
    if change.upended:
        view = flipped(view, horizontal=False)
    if change.degrees:
        view = rotated(view, change.degrees, fill)
    if change.tint:
        tint = change.tint
        view = View(tinted(view.image, tint.brightness, tint.contrast, tint.hue), view.boxes, view.kept)
    return view


def cropped(view: View, crop: Crop, rng: np.random.Generator) -> View:
    """Return a random part with the image's own aspect and at least `min_kept_ratio` of its area."""
    corners = draw_corners(view.image.size, view.boxes, crop, rng)
    return cut(view, corners) if corners else view


def cut(view: View, corners: Corners) -> View:
    """Return the part of the view between `corners`: left, top, right, bottom."""
    boxes, kept = cut_boxes(view.boxes, corners)
    return View(view.image.crop(corners), boxes, view.kept[kept])


def resized(view: View, resize: Resize) -> View:
    """Return the view at its final size."""
    image = Image.fromarray(resize(view.image))
    return View(image, resized_boxes(view.boxes, view.image.size, image.size), view.kept)


def flipped(view: View, horizontal: bool) -> View:
    """Return the mirror image, left-right or top-bottom."""
    axis = 0 if horizontal else 1
    way = Image.Transpose.FLIP_LEFT_RIGHT if horizontal else Image.Transpose.FLIP_TOP_BOTTOM
    boxes = flipped_boxes(view.boxes, axis, view.image.size[axis])
    return View(view.image.transpose(way), boxes, view.kept)


def rotated(view: View, degrees: float, fill: Fill) -> View:
    """Return the view turned counter-clockwise about its centre; boxes become the upright hull of their turned corners.

    A turn that would push every box out of the image is not made.
    """
    boxes, kept = turned_boxes(view.boxes, view.image.size, degrees)
    if len(view.boxes) and not len(kept):
        return view
    image = view.image.rotate(degrees, Image.Resampling.BILINEAR, fillcolor=fill)
    return View(image, boxes, view.kept[kept])


def recolored(image: Image.Image, color: Color, rng: np.random.Generator) -> Image.Image:
    """Return the image with its brightness, contrast and hue changed at random."""
    tint = draw_tint(color, rng)
    return tinted(image, tint.brightness, tint.contrast, tint.hue)


def tinted(image: Image.Image, brightness: float, contrast: float, hue: float) -> Image.Image:
    """Return the image with brightness and contrast multiplied and hues turned, in one matrix product."""
    tint = Tint(brightness, contrast, hue)
    columns = np.asarray(image).sum(axis=0, dtype=np.uint32)  # row by row: many times faster than the mean over both
    grey = float(np.dot(columns.mean(axis=0) / image.height, LUMA))
    rows = np.concatenate([tint.matrix, np.full((3, 1), tint.offset * grey)], axis=1)
    return image.convert("RGB", tuple(float(v) for v in rows.ravel()))
