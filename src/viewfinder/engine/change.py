"""Changes: what is drawn at random for a training image, and what it does to the image's boxes. No pixels, no torch.

Boxes are float arrays [n, 4] of xmin, ymin, xmax, ymax in pixels. What is drawn depends on the generator alone.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from viewfinder.design import Affine, Augmentation, Color, Crop

Boxes = NDArray[np.float64]
Indices = NDArray[np.intp]
Size = tuple[int, int]  # width, height
Corners = tuple[int, int, int, int]  # left, top, right, bottom

MIN_VISIBLE = 0.1  # a box that keeps less than this share of its area was cropped away
CROP_ATTEMPTS = 10
LUMA = (0.299, 0.587, 0.114)  # of ITU-R BT.601, as in YIQ
TO_YIQ = np.array([LUMA, (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112)])
FROM_YIQ = np.linalg.inv(TO_YIQ)
QUARTER_TURN = np.array([(0, 0, 0), (0, 0, -1), (0, 1, 0)])
GREY, CHROMA, TURNED_CHROMA = (
    FROM_YIQ @ part @ TO_YIQ for part in (np.diag((1, 0, 0)), np.diag((0, 1, 1)), QUARTER_TURN)
)
"""What of a colour stays when hues turn; the rest, which turns; and that rest after a quarter turn."""


@dataclass(frozen=True)
class Tint:
    """New colours: brightness and contrast are factors, `hue` is a share of the colour circle."""

    brightness: float
    contrast: float
    hue: float

    @property
    def matrix(self) -> NDArray[np.float64]:
        """What colours (R, G, B) are multiplied by."""
        return self.brightness * self.contrast * hue_matrix(self.hue)

    @property
    def offset(self) -> float:
        """How much of the image's mean grey is added then, so that contrast leaves it as it is."""
        return self.brightness * (1 - self.contrast)


@dataclass(frozen=True)
class Change:
    """What is done to an image, in this order: cut at `corners`, resized, mirrored, upended, turned, tinted.

    It is turned counter-clockwise about its centre, and only if that leaves it a box (see `placed`).
    """

    corners: Corners | None = None
    mirrored: bool = False
    upended: bool = False
    degrees: float = 0.0
    tint: Tint | None = None


@dataclass(frozen=True)
class Placed:
    """A change as it is made, and where it puts the boxes: those with the indices `kept` are still there."""

    change: Change
    boxes: Boxes
    kept: Indices


@dataclass(frozen=True)
class Pending:
    """What a device still has to do to an image: a change that makes it as large as `size`."""

    change: Change
    size: Size


# -- what is drawn ----------------------------------------------------------------------------------------------------


def draw(size: Size, boxes: Boxes, augmentation: Augmentation, rng: np.random.Generator) -> Change:
    """Return a change of an image with these boxes; each category is drawn on its own."""
    color, affine, crop = (_drawn(c, rng) for c in (augmentation.color, augmentation.affine, augmentation.crop))
    corners = draw_corners(size, boxes, crop, rng) if isinstance(crop, Crop) else None
    turn = draw_turn(affine, rng) if isinstance(affine, Affine) else Change()
    tint = draw_tint(color, rng) if isinstance(color, Color) else None
    return replace(turn, corners=corners, tint=tint)


def _drawn(category: Color | Affine | Crop, rng: np.random.Generator) -> Color | Affine | Crop | None:
    """Return the category, or None, by its probability; one that is off still draws, not to disturb the others."""
    return category if rng.random() < category.probability and category.enabled else None


def draw_corners(size: Size, boxes: Boxes, crop: Crop, rng: np.random.Generator) -> Corners | None:
    """Return a part with the image's own aspect and at least `min_kept_ratio` of its area.

    None: no part was found in which an image with boxes keeps one.
    """
    width, height = size
    for _ in range(CROP_ATTEMPTS):
        side = math.sqrt(rng.uniform(crop.min_kept_ratio, 1.0))
        w, h = max(1, round(width * side)), max(1, round(height * side))
        x, y = int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1))
        corners = (x, y, x + w, y + h)
        if not len(boxes) or len(cut_boxes(boxes, corners)[1]):
            return corners
    return None


def draw_turn(affine: Affine, rng: np.random.Generator) -> Change:
    """Return flips, each way every other time, and a random angle."""
    mirror, upend, angle = (
        rng.random() < 0.5,
        rng.random() < 0.5,
        rng.uniform(-affine.max_rotation, affine.max_rotation),
    )
    return Change(
        mirrored=mirror and affine.horizontal_flip,
        upended=upend and affine.vertical_flip,
        degrees=angle if affine.rotate else 0.0,
    )


def draw_tint(color: Color, rng: np.random.Generator) -> Tint:
    """Return random brightness, contrast and hue."""
    brightness = rng.uniform(1 - color.brightness, 1 + color.brightness)
    contrast = rng.uniform(1 - color.contrast, 1 + color.contrast)
    return Tint(brightness, contrast, rng.uniform(-color.hue, color.hue))


def hue_matrix(turn: float) -> NDArray[np.float64]:
    """Return the RGB matrix that turns hues by a share of the colour circle: a rotation of YIQ's chroma plane."""
    angle = 2 * math.pi * turn
    result: NDArray[np.float64] = GREY + math.cos(angle) * CHROMA + math.sin(angle) * TURNED_CHROMA
    return result


# -- what it does to boxes --------------------------------------------------------------------------------------------


def placed(change: Change, size: Size, boxes: Boxes, final: Size) -> Placed:
    """Return where a change of an image of `size` puts its boxes, in pixels of the result, which is of size `final`.

    Objects cropped away are removed, cut ones clipped. A turn that would push every box out of the image is not made.
    """
    kept = np.arange(len(boxes))
    if change.corners:
        boxes, kept = cut_boxes(boxes, change.corners)
        size = change.corners[2] - change.corners[0], change.corners[3] - change.corners[1]
    boxes = resized_boxes(boxes, size, final)
    for axis, flip in enumerate((change.mirrored, change.upended)):
        boxes = flipped_boxes(boxes, axis, final[axis]) if flip else boxes
    if change.degrees:
        inside, still = turned_boxes(boxes, final, change.degrees)
        if len(boxes) and not len(still):
            change = replace(change, degrees=0.0)
        else:
            boxes, kept = inside, kept[still]
    return Placed(change, boxes, kept)


def cut_boxes(boxes: Boxes, corners: Corners) -> tuple[Boxes, Indices]:
    """Return the boxes in the part between the corners, and which are still there."""
    x, y, right, bottom = corners
    return clipped(boxes - np.array([x, y, x, y], dtype=np.float64), right - x, bottom - y)


def resized_boxes(boxes: Boxes, size: Size, final: Size) -> Boxes:
    """Return the boxes of an image that is resized."""
    resized: Boxes = boxes * np.array([final[0] / size[0], final[1] / size[1]] * 2)
    return resized


def flipped_boxes(boxes: Boxes, axis: int, length: int) -> Boxes:
    """Return the boxes of the mirror image, left-right (axis 0) or top-bottom (1); `length`: the image's, that way."""
    flipped = boxes.copy()
    flipped[:, [axis, axis + 2]] = length - boxes[:, [axis + 2, axis]]
    return flipped


def turned_boxes(boxes: Boxes, size: Size, degrees: float) -> tuple[Boxes, Indices]:
    """Return the upright hulls of the boxes of an image that is turned, and which of them are still in it."""
    radians = math.radians(degrees)
    turn = np.array([[math.cos(radians), -math.sin(radians)], [math.sin(radians), math.cos(radians)]])
    centre = np.array(size) / 2
    corners = boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2)
    moved = (corners - centre) @ turn + centre
    hull = np.concatenate([moved.min(axis=1), moved.max(axis=1)], axis=1).reshape(-1, 4)
    return clipped(hull, *size)


def clipped(boxes: Boxes, width: float, height: float) -> tuple[Boxes, Indices]:
    """Return the boxes cut at the image's border, without those of which under a tenth is left, and which remain."""
    inside = boxes.copy()
    inside[:, 0::2] = inside[:, 0::2].clip(0, width)
    inside[:, 1::2] = inside[:, 1::2].clip(0, height)
    kept = np.flatnonzero((_area(inside) >= MIN_VISIBLE * _area(boxes)) & (_area(inside) > 0))
    return inside[kept], kept


def _area(boxes: Boxes) -> NDArray[np.float64]:
    sides: NDArray[np.float64] = (boxes[:, 2:] - boxes[:, :2]).clip(0)
    return sides[:, 0] * sides[:, 1]
