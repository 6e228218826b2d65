"""Pooling within boxes against torchvision's own, forward and backward."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.ops import FrozenBatchNorm2d, MultiScaleRoIAlign

from viewfinder.engine.faster_rcnn import FrozenNorm
from viewfinder.engine.pooling import PyramidPool

NAMES, SIZE = ["0", "1", "2", "3"], (96, 160)


def both(boxes, ratio=2, size=SIZE, seed=0, images=2, side=7):
    """Return (pooled, gradients of the maps) of ours and of torchvision's."""
    found = []
    for kind in (PyramidPool, MultiScaleRoIAlign):
        torch.manual_seed(seed)
        maps = {
            n: torch.randn(images, 5, size[0] // s, size[1] // s) for n, s in zip(NAMES, (4, 8, 16, 32), strict=True)
        }
        for one in maps.values():
            one.requires_grad_()
        unused = {"pool": torch.randn(images, 5, 1, 1)}
        pooled = kind(NAMES, side, ratio)({**maps, **unused}, boxes, [size] * (images - 1) + [(size[0] - 9, size[1])])
        weights = torch.randn(pooled.shape, generator=torch.Generator().manual_seed(1))
        (pooled * weights).sum().backward()
        found.append((pooled.detach(), [m.grad if m.grad is not None else torch.zeros_like(m) for m in maps.values()]))
    return found


def agree(one, other):
    return torch.allclose(one[0], other[0], atol=2e-4) and all(
        torch.allclose(a, b, atol=2e-3) for a, b in zip(one[1], other[1], strict=True)
    )


def a_box(width=SIZE[1], height=SIZE[0]):
    edge = st.floats(-20, 180, width=32)
    return st.tuples(edge, edge, edge, edge).map(
        lambda e: [min(e[0], e[2]), min(e[1], e[3]), max(e[0], e[2]), max(e[1], e[3])]
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(a_box(), max_size=6), st.lists(a_box(), max_size=6), st.integers(1, 3))
def test_it_pools_like_torchvision(first, second, ratio):
    boxes = [torch.tensor(found, dtype=torch.float32).reshape(-1, 4) for found in (first, second)]
    assert agree(*both(boxes, ratio))


@pytest.mark.parametrize("scale", [0.1, 1, 8])
def test_boxes_of_every_size_have_the_map_that_torchvision_takes(scale):
    torch.manual_seed(3)
    size = (608, 800)
    centre, extent = torch.rand(200, 2) * torch.tensor([800.0, 608]), torch.rand(200, 2) * 90 * scale + 1
    boxes = torch.cat([centre - extent / 2, centre + extent / 2], dim=1)
    assert agree(*both([boxes[:150], boxes[150:]], size=size))


def test_without_boxes_there_is_nothing():
    pooled = PyramidPool(NAMES, 7, 2)({n: torch.rand(1, 3, 8, 8) for n in NAMES}, [torch.zeros(0, 4)], [(32, 32)])
    assert pooled.shape == (0, 3, 7, 7)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_a_box_that_is_no_number_disturbs_no_other(bad):
    maps = {n: torch.rand(1, 3, 64 // s, 64 // s) for n, s in zip(NAMES, (1, 2, 4, 8), strict=True)}
    good = torch.tensor([[1.0, 1, 20, 20]])
    pooled = PyramidPool(NAMES, 7, 2)(maps, [torch.cat([torch.tensor([[0.0, 0, bad, 10]]), good])], [(256, 256)])
    assert torch.equal(pooled[1:], PyramidPool(NAMES, 7, 2)(maps, [good], [(256, 256)]))


def test_it_repeats_to_the_bit():
    boxes = [torch.rand(300, 4).sort(dim=1).values * 90 for _ in range(2)]
    one, other = (both(boxes)[0] for _ in range(2))
    assert torch.equal(one[0], other[0])
    assert all(torch.equal(a, b) for a, b in zip(one[1], other[1], strict=True))


def test_a_frozen_norm_is_torchvisions_in_one_pass():
    torch.manual_seed(0)
    ours, theirs = FrozenNorm(6, eps=0.0), FrozenBatchNorm2d(6, eps=0.0)
    state = {name: torch.rand(6) + 0.5 for name in ("weight", "bias", "running_mean", "running_var")}
    ours.load_state_dict(state)
    theirs.load_state_dict(state)
    x = torch.randn(2, 6, 5, 5)
    grads = []
    for module in (ours.train(), theirs):
        given = x.clone().requires_grad_()
        module(given).square().sum().backward()
        grads.append(given.grad)
    assert torch.allclose(ours(x), theirs(x), atol=1e-6)
    assert torch.allclose(*grads, rtol=1e-4, atol=1e-5)
    assert ours(x.bfloat16()).dtype == torch.bfloat16
    assert {n: t.clone() for n, t in ours.state_dict().items()}.keys() == theirs.state_dict().keys()
    assert torch.equal(ours.running_mean, state["running_mean"])  # a pass in train mode leaves it
