"""Warps: changes of a whole batch of images, made where torch computes. They agree with what `augment` makes by Pillow.

Cutting, resizing and flipping are one product with a matrix for each direction, which holds the weights of Pillow's own
filter; turning is one more sampling, and colours are a product with a 3 × 3 matrix. The same code runs on any device.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from viewfinder.engine.augment import Pixels
from viewfinder.engine.change import LUMA, Pending
from viewfinder.engine.transfer import send, send_padded


class Plan(NamedTuple):
    """What is done to each image of a batch, as float32 tensors of [n, columns]."""

    begin: Tensor  # [n, 2]: left and top of what is cut out
    end: Tensor  # [n, 2]: right and bottom of it
    size: Tensor  # [n, 2]: width and height in the end
    flip: Tensor  # [n, 2]: 1 where it is mirrored and upended
    turn: Tensor  # [n, 2]: cosine and sine of the angle
    matrix: Tensor  # [n, 9]: that colours are multiplied by
    offset: Tensor  # [n, 1]: how much of the mean grey is added

    @classmethod
    def of(cls, pixels: Sequence[Pixels], pending: Sequence[Pending], device: torch.device) -> "Plan":
        """Return the plan for images with what is pending for each, in one piece sent to the device."""
        rows = [_row(one, image) for one, image in zip(pending, pixels, strict=True)]
        return cls(*send(np.array(rows, np.float32), device).tensor_split((2, 4, 6, 8, 10, 19), dim=1))


def _row(pending: Pending, image: Pixels) -> list[float]:
    change, angle = pending.change, np.deg2rad(pending.change.degrees)
    left, top, right, bottom = change.corners or (0, 0, image.shape[1], image.shape[0])
    matrix, offset = (change.tint.matrix, change.tint.offset) if change.tint else (np.eye(3), 0.0)
    flips = change.mirrored, change.upended
    return [left, top, right, bottom, *pending.size, *flips, np.cos(angle), np.sin(angle), *matrix.ravel(), offset]


@torch.no_grad()
def warped(pixels: Sequence[Pixels], pending: Sequence[Pending], fill: Sequence[float], device: torch.device) -> Tensor:
    """Return the images, uint8 [H, W, 3] each, as they are when nothing is pending: float [n, 3, H, W] in 0 … 255.

    The result is as large as the largest of them: each has its own size at the top left; what is beyond has no meaning.
    `fill` colours the corners that a turn opens.
    """
    plan = Plan.of(pixels, pending, device)
    width, height = (max(one.size[axis] for one in pending) for axis in (0, 1))
    images = _resized(send_padded(pixels, device).float(), plan, width, height)
    if any(one.change.degrees for one in pending):
        images = _turned(images, plan, send(np.array(fill, np.float32), device))
    if any(one.change.tint for one in pending):
        images = _tinted(images, plan)
    return images


def _resized(images: Tensor, plan: Plan, width: int, height: int) -> Tensor:
    """Return images [n, H, W, 3] cut, resized and flipped: [n, 3, height, width], channels last in memory."""
    rows = _weights(plan, 1, images.shape[1], height)
    columns = _weights(plan, 0, images.shape[2], width)
    return torch.einsum("nxw,nywc->nyxc", columns, torch.einsum("nyh,nhwc->nywc", rows, images)).permute(0, 3, 1, 2)


def _weights(plan: Plan, axis: int, given: int, wanted: int) -> Tensor:
    """Return how much of each given place goes into each wanted one along an axis: [n, wanted, given].

    A triangle around the place it comes from, as wide as two places of either line, whichever are larger: of those are
    Pillow's bilinear resizing, too. Rows beyond the image's own size are zero.
    """
    begin, end, size, flip = (values[:, axis, None] for values in (plan.begin, plan.end, plan.size, plan.flip))
    place = torch.arange(wanted, dtype=torch.float32, device=begin.device)
    source = torch.arange(given, dtype=torch.float32, device=begin.device)
    scale = (end - begin) / size
    middle = begin + (torch.where(flip > 0, size - 1 - place, place) + 0.5) * scale
    distance = (source + 0.5 - middle[:, :, None]).abs() / scale.clamp(min=1)[:, :, None]
    weights = (1 - distance).clamp(min=0) * ((source >= begin) & (source < end))[:, None, :]
    weights = weights / weights.sum(dim=2, keepdim=True).clamp(min=1e-6)
    return weights * (place < size)[:, :, None]


def _turned(images: Tensor, plan: Plan, fill: Tensor) -> Tensor:
    """Return images turned about their centres; what comes from outside of an image has the colour `fill`."""
    width, height = (axis[:, None, None] for axis in plan.size.unbind(1))
    cosine, sine = (value[:, None, None] for value in plan.turn.unbind(1))
    x, y = _places(images)
    x, y = x - width / 2, y - height / 2
    from_x, from_y = cosine * x - sine * y + width / 2, sine * x + cosine * y + height / 2
    inside = (from_x >= 0) & (from_x < width) & (from_y >= 0) & (from_y < height)
    across = from_x.clamp(min=0.5).minimum(width - 0.5) * (2 / images.shape[3]) - 1
    down = from_y.clamp(min=0.5).minimum(height - 0.5) * (2 / images.shape[2]) - 1
    grid = torch.stack([across, down], dim=3)
    turned = functional.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return torch.where(inside[:, None], turned, fill[None, :, None, None])


def _tinted(images: Tensor, plan: Plan) -> Tensor:
    """Return images in their new colours."""
    width, height = (axis[:, None, None] for axis in plan.size.unbind(1))
    x, y = _places(images)
    own = ((x < width) & (y < height))[:, None]
    means = (images * own).sum(dim=(2, 3)) / plan.size.prod(dim=1, keepdim=True)
    grey = sum(share * channel for share, channel in zip(LUMA, means.unbind(1), strict=True))
    tinted = torch.einsum("ndc,nchw->ndhw", plan.matrix.view(-1, 3, 3), images)
    return (tinted + (plan.offset[:, 0] * grey)[:, None, None, None]).clamp(0, 255)


def _places(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return the middles of pixels along x [1, 1, W] and y [1, H, 1]."""
    x, y = (torch.arange(images.shape[axis], dtype=torch.float32, device=images.device) + 0.5 for axis in (3, 2))
    return x[None, None, :], y[None, :, None]
