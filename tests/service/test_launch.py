"""Signals while a process is watched."""

import os
import signal
import sys
import threading

import pytest

from viewfinder.service.launch import interrupts

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are sent by os.kill")


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_requests_to_stop_are_counted_and_handlers_put_back(name):
    number = getattr(signal, name)
    before = signal.signal(number, signal.default_int_handler)  # under nohup, SIGHUP would be ignored
    try:
        with interrupts() as seen:
            os.kill(os.getpid(), number)
            os.kill(os.getpid(), number)
        assert seen.count == 2
        assert signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, before)


def test_what_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interrupts() as seen:
            os.kill(os.getpid(), signal.SIGHUP)
        assert seen.count == 0
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_thread_watches_without_signals():
    counts = []

    def watch():
        with interrupts() as seen:
            counts.append(seen.count)

    thread = threading.Thread(target=watch)
    thread.start()
    thread.join()
    assert counts == [0]
