"""Steps of learning: precisions, the scale of fp16, and batches made ahead."""

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn

from viewfinder.engine import optimizers
from viewfinder.engine.step import Steps
from viewfinder.engine.task import Batch
from viewfinder.engine.transfer import Ahead, send, send_padded, tensors

CPU = torch.device("cpu")


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2))


def loss_of(network, factor=1.0):
    torch.manual_seed(1)
    images, classes = torch.randn(6, 3, 8, 8) * factor, torch.tensor([0, 1] * 3)
    return lambda: nn.functional.cross_entropy(network(images).float(), classes)


def steps(network, precision, clip=None, optimizer="sgd", rate=0.1):
    made = optimizers.make(optimizer, network.parameters(), rate, 0.0, scaled=precision == "fp16")
    return Steps(made, CPU, precision, clip)


def weights(network):
    return torch.cat([p.detach().flatten() for p in network.parameters()]).clone()


@pytest.mark.parametrize("optimizer", optimizers.OPTIMIZERS)
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_every_optimizer_learns_in_half_precision_as_in_full(network, precision, optimizer):
    other = copy.deepcopy(network)
    begin = weights(network)
    ours, theirs = steps(network, precision, 1.0, optimizer), steps(other, "fp32", 1.0, optimizer)
    for number in range(4):
        half, full = ours.take(network, loss_of(network), 0.01), theirs.take(other, loss_of(other), 0.01)
        assert half == pytest.approx(full, abs=0.02), number
    moved = (weights(other) - begin).norm()
    assert (weights(network) - weights(other)).norm() < 0.25 * moved
    assert all(p.dtype == torch.float32 for p in network.parameters())


def test_a_step_in_full_precision_is_torchs(network):
    other = copy.deepcopy(network)
    ours, theirs = steps(network, "fp32", 0.5), torch.optim.SGD(other.parameters(), lr=0.1, momentum=0.9)
    for rate in (0.1, 0.02):
        value = ours.take(network, loss_of(network), rate)
        theirs.param_groups[0]["lr"] = rate
        theirs.zero_grad()
        loss = loss_of(other)()
        loss.backward()
        nn.utils.clip_grad_norm_(other.parameters(), 0.5)
        theirs.step()
        assert value == loss.item()
    assert torch.allclose(weights(network), weights(other), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("optimizer", optimizers.OPTIMIZERS)
def test_a_first_step_that_overflows_leaves_nothing_behind(optimizer, network):
    """The second one is the first of an optimizer that never saw it, whatever memory holds by chance."""
    other = copy.deepcopy(network)
    ours, theirs = steps(network, "fp16", 1.0, optimizer), steps(other, "fp16", 1.0, optimizer)
    held = [torch.full((size,), math.nan) for size in (2, 8, 16, 216) for _ in range(50)]
    del held  # what is allocated next may find it
    ours.take(network, lambda: loss_of(network)() * 1e9, 0.01)
    theirs.scaler.load_state_dict(ours.scaler.state_dict())
    assert ours.take(network, loss_of(network), 0.01) == theirs.take(other, loss_of(other), 0.01)
    assert torch.equal(weights(network), weights(other))


def test_gradients_that_overflow_change_nothing_but_the_scale(network):
    ours, before = steps(network, "fp16", 1.0), weights(network)
    large = ours.scaler.get_scale()
    value = ours.take(network, lambda: loss_of(network)() * 1e6, 0.1)
    assert math.isfinite(value)
    assert torch.equal(weights(network), before)
    assert ours.scaler.get_scale() == large / 2
    for _ in range(30):  # the scale falls until they fit
        ours.take(network, lambda: loss_of(network)() * 1e6, 0.1)
    assert not torch.equal(weights(network), before)
    assert weights(network).isfinite().all()


def test_the_clip_is_of_the_gradients_themselves(network):
    before = weights(network)
    steps(network, "fp16", 0.01, rate=1.0).take(network, loss_of(network), 1.0)
    assert float((weights(network) - before).norm()) == pytest.approx(0.01, rel=0.01)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_changes_nothing(network, precision, bad):
    before = weights(network)
    value = steps(network, precision).take(network, lambda: loss_of(network)() * bad, 0.1)
    assert not math.isfinite(value)
    assert torch.equal(weights(network), before)


def test_what_is_restored_goes_on_with_the_same_scale(network):
    ours = steps(network, "fp16", 1.0, "adam")
    for factor in (1e6, 1.0, 1.0):
        ours.take(network, lambda f=factor: loss_of(network)() * f, 0.01)
    other = copy.deepcopy(network)
    again = steps(other, "fp16", 1.0, "adam")
    again.restore(copy.deepcopy(ours.state()))
    assert again.take(other, loss_of(other), 0.01) == ours.take(network, loss_of(network), 0.01)
    assert torch.equal(weights(network), weights(other))
    assert again.scaler.get_scale() == ours.scaler.get_scale() == 2.0**15


def test_a_training_may_go_on_in_another_precision(network):
    full = steps(network, "fp32")
    full.take(network, loss_of(network), 0.1)
    state = full.state()
    half = steps(network, "fp16")
    half.restore(state)
    half.restore({"optimizer": state["optimizer"]})  # of a run that knew no scale yet
    assert math.isfinite(half.take(network, loss_of(network), 0.1))


# -- batches made ahead -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "ahead"), [(None, 0), (0, 0), (1, 1), (3, 3)])
def test_batches_are_made_ahead_and_come_in_order(count, ahead):
    made = []

    def make(number):
        made.append(number)
        return number * 10

    got = []
    for value in Ahead(CPU, count)(make, range(6)):
        got.append(value)
        assert len(made) == min(6, len(got) + ahead)
    assert got == [0, 10, 20, 30, 40, 50]
    assert list(Ahead(CPU, count)(make, [])) == []


def test_what_was_asked_for_is_dropped_with_its_source():
    closed = []

    def source():
        try:
            yield from range(10)
        finally:
            closed.append(True)

    ahead = Ahead(CPU, 1)(lambda n: n, source())
    next(ahead)
    ahead.close()
    del ahead
    assert closed == [True]


def test_the_tensors_of_a_batch_are_found():
    one, two, three = (torch.zeros(n) for n in (1, 2, 3))
    assert [len(t) for t in tensors(Batch([one, two], [{"boxes": three}], [(1, 2)]))] == [1, 2, 3]
    assert list(tensors(Batch(one, None, []))) == [one]
    assert list(tensors(None)) == []


def test_what_is_sent_is_the_callers_no_more():
    array = np.arange(6.0).reshape(2, 3)
    array.flags.writeable = False
    sent = send(array, CPU)
    assert torch.equal(sent, torch.tensor([[0.0, 1, 2], [3, 4, 5]], dtype=torch.float64))
    sent.zero_()
    assert array[1, 2] == 5


def test_images_of_several_sizes_are_sent_as_one():
    images = [np.full((h, w, 3), h, np.uint8) for h, w in ((2, 5), (4, 3))]
    sent = send_padded(images, CPU)
    assert sent.shape == (2, 4, 5, 3)
    assert (sent[0, :2, :5] == 2).all()
    assert (sent[1, :4, :3] == 4).all()
