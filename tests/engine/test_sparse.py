"""Convolutions with sparse gradients against torch's own, forward and backward."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models.detection.rpn import RPNHead

from viewfinder.catalogue import get
from viewfinder.engine.faster_rcnn import Lite0, ResNet50
from viewfinder.engine.sparse import SparseGradConv2d

SEED = 5


def both(kernel, shape, places, layout=torch.channels_last, precision=torch.float32, of_map=True, bias=True):
    """Return (result, gradients of map, weights and bias) of ours and of torch's, for a loss over so many places."""
    found = []
    for make in (SparseGradConv2d.of, lambda conv: conv):
        torch.manual_seed(SEED)
        conv = make(nn.Conv2d(shape[1], 6, kernel, padding=kernel // 2, bias=bias)).to(memory_format=layout)
        x = torch.randn(shape).contiguous(memory_format=layout).requires_grad_(of_map)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
            made = conv(x)
        assert made.dtype == precision
        count = made.numel() // 6
        seen = torch.randperm(count)[: min(places, count)]
        rows = made.permute(0, 2, 3, 1).reshape(count, 6)[seen].float()
        (rows * torch.randn(rows.shape)).sum().backward()
        found.append((made.detach(), x.grad, conv.weight.grad, conv.bias.grad if bias else None))
    return found


def agree(one, other, within):
    pairs = [(a, b) for a, b in zip(one, other, strict=True) if not (a is None and b is None)]
    return all((a - b).abs().max() <= within * (1 + b.abs().max()) and a.dtype == b.dtype for a, b in pairs)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([1, 3, 5]),
    st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 9), st.integers(1, 9)),
    st.integers(0, 250),
    st.sampled_from([torch.channels_last, torch.contiguous_format]),
    st.booleans(),
    st.booleans(),
)
def test_its_gradients_are_those_of_torch(kernel, shape, places, layout, of_map, bias):
    assert agree(*both(kernel, shape, places, layout, of_map=of_map, bias=bias), within=1e-5)


@pytest.mark.parametrize("places", [0, 4, 1000])
def test_in_bfloat16_it_is_as_near_to_float32_as_torch_is(places):
    shape = (2, 8, 12, 20)
    exact = both(3, shape, places)[1]
    ours, torchs = both(3, shape, places, precision=torch.bfloat16)
    assert torch.equal(ours[0], torchs[0])
    for one, other, true in zip(ours, torchs, exact, strict=True):
        assert (one.float() - true).norm() <= 1.1 * (other.float() - true).norm() + 1e-6


def test_its_gradients_are_in_float32_wherever_they_are_asked_for():
    torch.manual_seed(SEED)
    conv, x, gradient = nn.Conv2d(64, 64, 3, padding=1), torch.randn(1, 64, 8, 8), torch.randn(1, 64, 8, 8)
    conv(x).backward(gradient)
    expected, conv.weight.grad = conv.weight.grad, None
    made = SparseGradConv2d.of(conv)(x)
    with torch.autocast("cpu", torch.bfloat16):
        made.backward(gradient)
    assert torch.allclose(conv.weight.grad, expected, atol=1e-3)


def test_without_gradients_it_is_the_convolution():
    conv = nn.Conv2d(4, 5, 3, padding=1)
    x = torch.randn(1, 4, 8, 8)
    with torch.no_grad():
        assert torch.equal(SparseGradConv2d.of(conv)(x), conv(x))


def learned_of_rpn(builder, name, own):
    """Return a detector's losses, the gradients of the RPN's, and the work of its backward pass, as torch counts it."""
    torch.manual_seed(SEED)
    network = builder.build(get(name), 2, "frozen" if builder is ResNet50 else "live").train()
    if not own:
        weights, anchors = network.rpn.head.state_dict(), network.rpn.anchor_generator.num_anchors_per_location()
        network.rpn.head = RPNHead(network.backbone.out_channels, anchors[0])
        network.rpn.head.load_state_dict(weights)
        network.rpn.head.register_forward_pre_hook(lambda head, maps: count(head, *maps))
    of_head = FlopCounterMode(display=False)

    def count(head, maps):
        with torch.no_grad(), of_head:
            for one in maps:
                hidden = head.conv(one)
                head.cls_logits(hidden), head.bbox_pred(hidden)

    boxes = torch.tensor([[8.0, 8, 60, 70], [30, 40, 120, 100]])
    targets = [{"boxes": boxes, "labels": torch.tensor([1, 2])}] * 2
    torch.manual_seed(SEED)
    losses = network([torch.rand(3, 192, 256), torch.rand(3, 192, 256)], targets)
    with FlopCounterMode(display=False) as work:
        sum(losses[name] for name in ("loss_objectness", "loss_rpn_box_reg")).backward()
    gradients = {n: p.grad for n, p in network.named_parameters()}
    return losses, gradients, work.get_total_flops(), of_head.get_total_flops()


@pytest.mark.parametrize(
    ("builder", "name"), [(ResNet50, "fasterrcnn_resnet50_fpn"), (Lite0, "fasterrcnn_efficientnet_lite0_fpn")]
)
def test_what_an_rpn_learns_is_as_with_torchvisions_head_for_less_work(builder, name):
    losses, gradients, work, _ = learned_of_rpn(builder, name, own=True)
    plain_losses, plain_gradients, plain_work, forward = learned_of_rpn(builder, name, own=False)
    for key, loss in losses.items():
        assert torch.allclose(loss, plain_losses[key], rtol=1e-5), key
    for key, gradient in gradients.items():
        plain = plain_gradients[key]
        assert (gradient is None) == (plain is None), key
        assert gradient is None or (gradient - plain).norm() <= 1e-4 * plain.norm() + 1e-7, key
    assert plain_work - work > 0.8 * 2 * forward, "a convolution's backward pass is twice the work of its forward pass"
