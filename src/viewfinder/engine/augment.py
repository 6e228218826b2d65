"""Augmentation: random changes of a training image, and what they do to its boxes. No torch.

Boxes are float arrays [n, 4] of xmin, ymin, xmax, ymax in pixels. What is drawn depends on the generator alone.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from viewfinder.design import Affine, Augmentation, Color, Crop

Boxes = NDArray[np.float64]
Pixels = NDArray[np.uint8]

MIN_VISIBLE = 0.1  # a box that keeps less than this share of its area was cropped away
CROP_ATTEMPTS = 10
LUMA = (0.299, 0.587, 0.114)  # of ITU-R BT.601, as in YIQ
TO_YIQ = np.array([LUMA, (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112)])


@dataclass(frozen=True)
class View:
    """An image with its boxes; `kept` holds the indices, in the original list, of the boxes that are still there."""

    image: Image.Image
    boxes: Boxes
    kept: NDArray[np.intp]


def augment(
    image: Image.Image,
    boxes: Boxes,
    augmentation: Augmentation,
    rng: np.random.Generator,
    resize: Callable[[Image.Image], Pixels],
    fill: tuple[int, int, int],
) -> View:
    """Return an augmented view, resized by `resize`.

    Each category is drawn on its own. Objects cropped away are removed, cut ones clipped; an image that had a box keeps
    at least one. `fill` colours the corners that a rotation opens.
    """
    color, affine, crop = (_drawn(c, rng) for c in (augmentation.color, augmentation.affine, augmentation.crop))
    view = View(image, boxes, np.arange(len(boxes)))
    if isinstance(crop, Crop):
        view = cropped(view, crop, rng)
    view = resized(view, resize)
    if isinstance(affine, Affine):
        view = turned(view, affine, rng, fill)
    if isinstance(color, Color):
        view = View(recolored(view.image, color, rng), view.boxes, view.kept)
    return view


def _drawn(category: Color | Affine | Crop, rng: np.random.Generator) -> Color | Affine | Crop | None:
    """Return the category, or None, by its probability; one that is off still draws, not to disturb the others."""
    return category if rng.random() < category.probability and category.enabled else None


def cropped(view: View, crop: Crop, rng: np.random.Generator) -> View:
    """Return a random part with the image's own aspect and at least `min_kept_ratio` of its area."""
    width, height = view.image.size
    for _ in range(CROP_ATTEMPTS):
        side = math.sqrt(rng.uniform(crop.min_kept_ratio, 1.0))
        w, h = max(1, round(width * side)), max(1, round(height * side))
        x, y = int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1))
        part = cut(view, (x, y, x + w, y + h))
        if len(part.boxes) or not len(view.boxes):
            return part
    return view


def cut(view: View, corners: tuple[int, int, int, int]) -> View:
    """Return the part of the view between `corners`: left, top, right, bottom."""
    x, y, right, bottom = corners
    boxes, kept = clipped(view.boxes - np.array([x, y, x, y], dtype=np.float64), right - x, bottom - y)
    return View(view.image.crop(corners), boxes, view.kept[kept])


def clipped(boxes: Boxes, width: float, height: float) -> tuple[Boxes, NDArray[np.intp]]:
    """Return the boxes cut at the image's border, without those of which under a tenth is left, and which remain."""
    inside = boxes.copy()
    inside[:, 0::2] = inside[:, 0::2].clip(0, width)
    inside[:, 1::2] = inside[:, 1::2].clip(0, height)
    kept = np.flatnonzero((_area(inside) >= MIN_VISIBLE * _area(boxes)) & (_area(inside) > 0))
    return inside[kept], kept


def _area(boxes: Boxes) -> NDArray[np.float64]:
    sides: NDArray[np.float64] = (boxes[:, 2:] - boxes[:, :2]).clip(0)
    return sides[:, 0] * sides[:, 1]


def resized(view: View, resize: Callable[[Image.Image], Pixels]) -> View:
    """Return the view at its final size."""
    pixels = resize(view.image)
    scale = np.array([pixels.shape[1] / view.image.width, pixels.shape[0] / view.image.height] * 2)
    return View(Image.fromarray(pixels), view.boxes * scale, view.kept)


def turned(view: View, affine: Affine, rng: np.random.Generator, fill: tuple[int, int, int]) -> View:
    """Return the view flipped, each way every other time, and turned by a random angle."""
    mirror, upend, angle = (
        rng.random() < 0.5,
        rng.random() < 0.5,
        rng.uniform(-affine.max_rotation, affine.max_rotation),
    )
    if mirror and affine.horizontal_flip:
        view = flipped(view, horizontal=True)
    if upend and affine.vertical_flip:
        view = flipped(view, horizontal=False)
    return rotated(view, angle, fill) if affine.rotate and angle else view


def flipped(view: View, horizontal: bool) -> View:
    """Return the mirror image, left-right or top-bottom."""
    axis, size = (0, view.image.width) if horizontal else (1, view.image.height)
    boxes = view.boxes.copy()
    boxes[:, [axis, axis + 2]] = size - view.boxes[:, [axis + 2, axis]]
    way = Image.Transpose.FLIP_LEFT_RIGHT if horizontal else Image.Transpose.FLIP_TOP_BOTTOM
    return View(view.image.transpose(way), boxes, view.kept)


def rotated(view: View, degrees: float, fill: tuple[int, int, int]) -> View:
    """Return the view turned counter-clockwise about its centre; boxes become the upright hull of their turned corners.

    A turn that would push every box out of the image is not made.
    """
    width, height = view.image.size
    radians = math.radians(degrees)
    turn = np.array([[math.cos(radians), -math.sin(radians)], [math.sin(radians), math.cos(radians)]])
    centre = np.array([width, height]) / 2
    corners = view.boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2)
    moved = (corners - centre) @ turn + centre
    hull = np.concatenate([moved.min(axis=1), moved.max(axis=1)], axis=1).reshape(-1, 4)
    boxes, kept = clipped(hull, width, height)
    if len(view.boxes) and not len(kept):
        return view
    image = view.image.rotate(degrees, Image.Resampling.BILINEAR, fillcolor=fill)
    return View(image, boxes, view.kept[kept])


def recolored(image: Image.Image, color: Color, rng: np.random.Generator) -> Image.Image:
    """Return the image with its brightness, contrast and hue changed at random."""
    brightness = rng.uniform(1 - color.brightness, 1 + color.brightness)
    contrast = rng.uniform(1 - color.contrast, 1 + color.contrast)
    return tinted(image, brightness, contrast, rng.uniform(-color.hue, color.hue))


def tinted(image: Image.Image, brightness: float, contrast: float, hue: float) -> Image.Image:
    """Return the image with brightness and contrast multiplied and hues turned, in one matrix product."""
    matrix = brightness * contrast * hue_matrix(hue)
    columns = np.asarray(image).sum(axis=0, dtype=np.uint32)  # row by row: many times faster than the mean over both
    grey = float(np.dot(columns.mean(axis=0) / image.height, LUMA))
    offset = brightness * (1 - contrast) * grey
    rows = np.concatenate([matrix, np.full((3, 1), offset)], axis=1)
    return image.convert("RGB", tuple(float(v) for v in rows.ravel()))


def hue_matrix(turn: float) -> NDArray[np.float64]:
    """Return the RGB matrix that turns hues by a share of the colour circle: a rotation of YIQ's chroma plane."""
    angle = 2 * math.pi * turn
    rotation = np.array(
        [[1, 0, 0], [0, math.cos(angle), -math.sin(angle)], [0, math.sin(angle), math.cos(angle)]], dtype=np.float64
    )
    result: NDArray[np.float64] = np.linalg.inv(TO_YIQ) @ rotation @ TO_YIQ
    return result
