"""Learning rate, early stopping and best epoch, against torch's own schedulers and cases computed by hand."""

import math
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from viewfinder.design import EarlyStopping, ExponentialSchedule, NoSchedule, PlateauSchedule, StepSchedule
from viewfinder.schedule import best_epoch, learning_rate, patience_left, scheduled_rate

NAN = math.nan
METRICS = st.lists(
    st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.5, 0.5 * (1 + 1e-4), 0.5 * (1 - 1e-4), 1.0, NAN])),
    max_size=25,
)
RATES = st.floats(1e-6, 10)


def torch_rate(make, rate, metrics, takes_metric):
    """Return the rate that one of torch's schedulers arrives at after epochs with these metrics."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=rate)
    scheduler = make(optimizer)
    for metric in metrics:
        optimizer.step()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scheduler.step(*([metric] if takes_metric else []))
    return optimizer.param_groups[0]["lr"]


@settings(max_examples=300, deadline=None)
@given(RATES, st.floats(0.01, 0.99), st.integers(0, 4), METRICS, st.booleans())
def test_plateau_is_torchs(rate, factor, patience, metrics, higher):
    mode = "max" if higher else "min"
    expected = torch_rate(
        lambda o: torch.optim.lr_scheduler.ReduceLROnPlateau(o, mode, factor, patience), rate, metrics, True
    )
    got = scheduled_rate(rate, PlateauSchedule(factor=factor, patience=patience), metrics, higher)
    assert got == pytest.approx(expected, rel=1e-12)


@settings(max_examples=100, deadline=None)
@given(RATES, st.floats(0.01, 1), st.integers(1, 7), METRICS)
def test_step_is_torchs(rate, gamma, size, metrics):
    expected = torch_rate(lambda o: torch.optim.lr_scheduler.StepLR(o, size, gamma), rate, metrics, False)
    got = scheduled_rate(rate, StepSchedule(kind="step", step_size=size, gamma=gamma), metrics)
    assert got == pytest.approx(expected, rel=1e-9)


@settings(max_examples=100, deadline=None)
@given(RATES, st.floats(0.5, 1), METRICS)
def test_exponential_is_torchs(rate, gamma, metrics):
    expected = torch_rate(lambda o: torch.optim.lr_scheduler.ExponentialLR(o, gamma), rate, metrics, False)
    got = scheduled_rate(rate, ExponentialSchedule(kind="exponential", gamma=gamma), metrics)
    assert got == pytest.approx(expected, rel=1e-9)


@given(RATES, METRICS)
def test_no_schedule_keeps_the_rate(rate, metrics):
    assert scheduled_rate(rate, NoSchedule(kind="none"), metrics) == rate


def test_the_first_epoch_counts_for_the_schedule():
    """It is applied at the end of every epoch, the first too."""
    halving = ExponentialSchedule(kind="exponential", gamma=0.5)
    assert [scheduled_rate(8.0, halving, [0.1] * n) for n in range(4)] == [8.0, 4.0, 2.0, 1.0]
    steps = StepSchedule(kind="step", step_size=2, gamma=0.1)
    assert [scheduled_rate(1.0, steps, [0.1] * n) for n in range(5)] == pytest.approx([1, 1, 0.1, 0.1, 0.01])


def test_plateau_by_hand():
    schedule = PlateauSchedule(factor=0.1, patience=2)
    rates = [scheduled_rate(1.0, schedule, [0.5, 0.5, NAN, 0.4, 0.6][:n]) for n in range(6)]
    assert rates == pytest.approx([1, 1, 1, 1, 0.1, 0.1])  # three bad epochs are more than a patience of two


# -- warm-up ----------------------------------------------------------------------------------------------------------


def test_warmup_by_hand():
    rates = [learning_rate(2.0, PlateauSchedule(), True, i, 5, []) for i in range(5)]
    assert rates == pytest.approx([0.002, 0.5015, 1.001, 1.5005, 2.0], rel=1e-12)
    assert rates[-1] == 2.0


def test_warmup_of_a_single_step_is_the_whole_rate():
    assert learning_rate(0.3, PlateauSchedule(), True, 0, 1, []) == 0.3


def test_without_warmup_the_first_epoch_has_the_whole_rate():
    assert [learning_rate(0.3, NoSchedule(kind="none"), False, i, 9, []) for i in range(9)] == [0.3] * 9


def test_warmup_is_of_the_first_epoch_only():
    halving = ExponentialSchedule(kind="exponential", gamma=0.5)
    assert [learning_rate(1.0, halving, True, i, 3, [0.9]) for i in range(3)] == [0.5] * 3


def test_the_rate_follows_a_loss_downwards():
    schedule = PlateauSchedule(factor=0.1, patience=0)
    assert learning_rate(1.0, schedule, False, 0, 1, [0.9, 0.5, 0.2], higher=False) == 1.0
    assert learning_rate(1.0, schedule, False, 0, 1, [0.9, 0.5, 0.2], higher=True) == pytest.approx(0.01)


# -- early stopping ---------------------------------------------------------------------------------------------------


def left(metrics, min_delta=0.0, patience=3, higher=True, since=0, enabled=True):
    stopping = EarlyStopping(enabled=enabled, min_delta=min_delta, patience=patience)
    return patience_left(stopping, metrics, higher, since)


@pytest.mark.parametrize(
    ("metrics", "min_delta", "expected"),
    [
        ([], 0.0, 3),
        ([0.5], 0.0, 3),  # the first number is an improvement on nothing
        ([0.5, 0.5], 0.0, 2),  # an exact tie beats nothing
        ([0.5, 0.6, 0.6, 0.6], 0.0, 1),
        ([0.5, 0.5, 0.5, 0.5], 0.0, 0),
        ([0.5, 0.4, 0.45, 0.49, 0.7], 0.0, 0),  # it was over before the 0.7
        ([0.5, 0.75], 0.25, 3),  # by exactly min_delta: at least
        ([0.5, 0.74], 0.25, 2),
        ([0.6, 0.7], 0.1, 3),  # 0.7 - 0.6 is less than 0.1 in floating point
        ([0.1, 0.101], 0.001, 3),
        ([0.5, 0.6, 0.7, 0.8], 0.25, 3),  # the reference stays 0.5 until 0.8 beats it by 0.25
        ([0.5, 0.6, 0.7], 0.25, 1),
        ([NAN, 0.1], 0.0, 3),
        ([NAN, NAN], 0.0, 1),
        ([0.5, NAN, 0.6], 0.0, 3),
        ([0.5, NAN, 0.4], 0.0, 1),
        ([0.5, 0.9, 0.6, 0.7, 0.8], 0.0, 0),  # rising is not improving: the reference is 0.9
    ],
)
def test_patience_by_hand(metrics, min_delta, expected):
    for length in range(len(metrics)):  # patience that ran out once stays out: training stops there
        if left(metrics[:length], min_delta) == 0:
            assert expected == 0
            return
    assert left(metrics, min_delta) == expected


def test_log_loss_improves_downwards():
    assert left([0.9, 0.5], 0.25, higher=False) == 3
    assert left([0.9, 0.7], 0.25, higher=False) == 2
    assert left([0.5, 0.9], 0.25, higher=False) == 2
    assert left([0.5, 0.5], higher=False) == 2


def test_early_stopping_can_be_off():
    assert left([0.5] * 50, enabled=False) is None


def test_bad_epochs_are_counted_from_since_on():
    stuck = [0.5, 0.4, 0.4, 0.4]
    assert left(stuck) == 0
    assert left(stuck, since=4) == 3
    assert left([*stuck, 0.3], since=4) == 2
    assert left([*stuck, 0.45, 0.49], since=4) == 1  # the reference is still the 0.5 of the first epoch


# -- the best epoch ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metrics", "losses", "higher", "expected"),
    [
        ([], [], True, None),
        ([0.5], [1.0], True, 1),
        ([0.5, 0.7, 0.6], [1, 2, 0], True, 2),
        ([0.5, 0.7, 0.7], [1, 2, 1], True, 3),  # ties by lower loss
        ([0.7, 0.7, 0.7], [1, 1, 1], True, 1),  # then the earlier
        ([0.7, 0.7], [NAN, 3], True, 2),
        ([NAN, 0.0], [0, 9], True, 2),
        ([NAN, NAN], [2, 1], True, 2),
        ([0.7, 0.5, 0.6], [1, 2, 0], False, 2),
        ([0.5, 0.5001], [1, 0], True, 2),  # strictly: min_delta has no say in it
    ],
)
def test_best_epoch_by_hand(metrics, losses, higher, expected):
    assert best_epoch(metrics, losses, higher) == expected
