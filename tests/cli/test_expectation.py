"""What a training is expected to take, in words."""

from types import SimpleNamespace

import pytest

from viewfinder.cli.training import expectation


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        ((0.01, 0.4), "less than 1 s an epoch"),
        ((0.6, 1.2), "1 s an epoch"),
        ((2.0, 6.4), "2 s to 6 s an epoch"),
        ((90.0, 400.0), "90 s to 7 min an epoch"),
    ],
)
def test_a_time_is_said_as_exactly_as_it_is_known(seconds, said):
    estimate = SimpleNamespace(
        seconds_per_epoch=seconds, seconds=(10.0, 20.0), epochs=2, may_end_early=False, memory_mb=1040.0
    )
    assert expectation(estimate) == f"{said}, 10 s to 20 s for 2 epochs, about 1.0 GB of memory"
