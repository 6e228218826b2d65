"""Near copies: images that show the same, though their files differ in size, format, compression or brightness.

Each image is reduced to 16 × 16 pixels, whose mean value is taken off and whose length becomes 1; the product of two is
their correlation. From 0.995 on, one is called a near copy of the other, if their mean colours are close too; so is one
that is mirrored from left to right, which a training sees too. Turned or cropped copies are not found.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from viewfinder.data import pixels
from viewfinder.data.pixels import ImageSource

SIDE = 16
LEAST_CORRELATION = 0.995
MOST_COLOR = 16.0  # of 255, of each mean
LEAST_SPREAD = 4.0  # of 255: a flatter image shows nothing that could be compared
_AT_ONCE = 256


@dataclass(frozen=True)
class Look:
    """What an image looks like: `shape` float32 [768], of length 1, and the mean of each `color` [3], 0 to 255."""

    shape: NDArray[np.float32]
    color: NDArray[np.float32]


def look(source: ImageSource) -> Look | None:
    """Return what an image looks like; None for one that is flat or cannot be read."""
    try:
        small = pixels.square(source, SIDE).astype(np.float32)
    except pixels.UnreadableImage:
        return None
    shape = small.ravel() - small.mean()
    if float(shape.std()) < LEAST_SPREAD:
        return None
    return Look(shape / np.linalg.norm(shape), small.mean(axis=(0, 1)))


def near_copies(images: list[Look | None], others: list[Look | None]) -> list[tuple[int, int]]:
    """Return each image that has a near copy among the others, with the number of the one most like it."""
    ours, theirs = (_table(looks) for looks in (images, others))
    found: dict[int, tuple[float, int]] = {}
    for start in range(0, len(ours.number), _AT_ONCE):
        some = ours.shape[start : start + _AT_ONCE]
        like = np.maximum(some @ theirs.shape.T, _mirrored(some) @ theirs.shape.T)
        for row, column in np.argwhere(like >= LEAST_CORRELATION):
            image, other = start + int(row), int(column)
            if np.abs(ours.color[image] - theirs.color[other]).max() <= MOST_COLOR:
                candidate = float(like[row, column]), int(theirs.number[other])
                number = int(ours.number[image])
                found[number] = max(found.get(number, candidate), candidate)
    return [(number, other) for number, (_, other) in found.items()]


def _mirrored(shapes: NDArray[np.float32]) -> NDArray[np.float32]:
    return shapes.reshape(-1, SIDE, SIDE, 3)[:, :, ::-1].reshape(shapes.shape)


@dataclass(frozen=True)
class _Table:
    number: NDArray[np.int64]
    shape: NDArray[np.float32]
    color: NDArray[np.float32]


def _table(looks: list[Look | None]) -> _Table:
    kept = [(number, one) for number, one in enumerate(looks) if one is not None]
    shape = np.array([one.shape for _, one in kept], np.float32).reshape(-1, 3 * SIDE * SIDE)
    color = np.array([one.color for _, one in kept], np.float32).reshape(-1, 3)
    return _Table(np.array([number for number, _ in kept], np.int64), shape, color)
