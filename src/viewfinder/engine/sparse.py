"""Convolutions of whose results the loss sees few: their backward pass computes those alone.

The RPN of a Faster R-CNN learns from at most 256 anchors of an image, of some hundred thousand. The gradient of what it
says of the others is zero, and torch's backward pass multiplies those zeros too: twice the work of the forward pass.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class SparseGradConv2d(nn.Conv2d):
    """A convolution that keeps the size of a map, for gradients that are zero in nearly all of its places.

    On a CPU its backward pass leaves those places out: the same sums as always, less the zeros, in float32.
    """

    @classmethod
    def of(cls, other: nn.Conv2d) -> "SparseGradConv2d":
        """Return one that shares the weights of another, of stride 1 and padded by half its kernel of odd sides."""
        side = other.kernel_size[0]
        made = cls(other.in_channels, other.out_channels, side, padding=side // 2, device="meta")
        made.weight, made.bias = other.weight, other.bias
        return made

    def forward(self, x: Tensor) -> Tensor:
        """Return float [n, C', H, W] for float [n, C, H, W]."""
        if x.device.type != "cpu" or not torch.is_grad_enabled():
            return super().forward(x)
        kind = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
        bias = None if self.bias is None else self.bias.to(kind)
        made: Tensor = _Convolution.apply(x.to(kind), self.weight.to(kind), bias)
        return made


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return functional.conv2d(x, weight, bias, padding=weight.shape[2] // 2)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        with torch.autocast("cpu", enabled=False):
            return _gradients(x, weight, gradient, ctx.needs_input_grad)


def _gradients(x: Tensor, weight: Tensor, gradient: Tensor, wanted: Sequence[bool]) -> tuple[Tensor | None, ...]:
    """Return the gradients of map, weight and bias that are wanted, for that of the result."""
    rows = _rows(gradient)
    counting = rows.ne(0).any(1).nonzero()[:, 0]
    rows = rows[counting].float()
    places, inside = _seen(counting, x.shape, weight.shape)
    of_x = of_weight = of_bias = None
    if wanted[0]:
        shares = (rows @ _rows(weight).float().view(len(weight), -1)).view(*places.shape, x.shape[1])
        of_x = _summed(places[inside], shares[inside], x)
    if wanted[1]:
        seen = _rows(x)[places].float().masked_fill(~inside[..., None], 0)
        of_weight = _map(rows.t() @ seen.flatten(1), weight)
    if wanted[2]:
        of_bias = rows.sum(0).to(weight.dtype)
    return of_x, of_weight, of_bias


def _rows(tensor: Tensor) -> Tensor:
    """Return [n, C, H, W] as a row of C values for each place: [n × H × W, C]."""
    return tensor.permute(0, 2, 3, 1).flatten(0, 2)


def _map(rows: Tensor, like: Tensor) -> Tensor:
    """Return such rows, in whatever shape, as a tensor like another, with channels last."""
    count, channels, height, width = like.shape
    return rows.to(like.dtype).view(count, height, width, channels).permute(0, 3, 1, 2)


def _seen(counting: Tensor, shape: Sequence[int], kernel: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Return the rows of the map that a kernel sees from each place that counts, and which of them exist: [n, taps]."""
    height, width = shape[2:]
    taps = torch.arange(kernel[2]) - kernel[2] // 2
    down, right = taps.repeat_interleave(len(taps)), taps.repeat(len(taps))
    y, x = (counting // width % height)[:, None] + down, (counting % width)[:, None] + right
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    return (counting[:, None] + down * width + right).where(inside, 0), inside


def _summed(places: Tensor, shares: Tensor, like: Tensor) -> Tensor:
    """Return a map that holds in each place the sum of its shares, and zero in all others."""
    touched, of = torch.unique(places, return_inverse=True)
    sums = shares.new_zeros(len(touched), like.shape[1]).index_add_(0, of, shares)
    rows = like.new_zeros(like.numel() // like.shape[1], like.shape[1])
    rows[touched] = sums.to(like.dtype)
    return _map(rows, like)
