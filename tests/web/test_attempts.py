"""How often somebody may try a password."""

from viewfinder.web.attempts import Attempts


def test_attempts_are_counted_by_address_for_a_minute():
    now = [0.0]
    attempts = Attempts(lambda: now[0])
    assert [attempts.begin("10.0.0.1") for _ in range(6)] == [0, 0, 0, 0, 0, 60]
    assert attempts.begin("10.0.0.2") == 0
    now[0] = 59.0
    assert attempts.begin("10.0.0.1") == 1
    now[0] = 60.0
    assert attempts.begin("10.0.0.1") == 0
    attempts.forget("10.0.0.1")
    assert [attempts.begin("10.0.0.1") for _ in range(5)] == [0] * 5
    same = [attempts.begin(f"2001:db8::{number}") for number in range(6)]  # one household has all of these
    assert same == [0, 0, 0, 0, 0, 60]


def test_addresses_are_forgotten():
    now = [0.0]
    attempts = Attempts(lambda: now[0])
    for number in range(1001):
        attempts.begin(f"10.0.{number // 250}.{number % 250}")
    now[0] = 100.0
    attempts.begin("10.9.9.9")
    assert len(attempts._times) == 1
