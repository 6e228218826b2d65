"""Numbers in sentences."""

import pytest

from viewfinder.words import score


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "–"), (0.5, "0.5000"), (1, "1.0000"), (0, "0.0000"), (0.99988, "0.9999"), (0.99996, "0.99996"),
        (0.99999996, "0.99999996"), (0.00004, "0.00004"), (-0.00004, "-0.00004"), (1 - 1e-12, "1.000000000"),
    ],
)  # fmt: skip
def test_a_metric_never_reads_as_zero_or_one_when_it_is_neither(value, said):
    assert score(value) == said
