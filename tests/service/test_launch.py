"""Signals while a process is watched."""

import os
import shutil
import signal
import sys
import threading

import pytest

from viewfinder.run import RunFolder
from viewfinder.service.launch import Ended, interrupts, memory_kills, record_end

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


def test_processes_that_the_system_ended_for_memory_are_counted(tmp_path):
    (tmp_path / "events").write_text("low 0\noom 2\noom_kill 3\noom_group_kill 0\n")
    (tmp_path / "vmstat").write_text("nr_free_pages 5\noom_kill 7\n")
    assert memory_kills([tmp_path / "none", tmp_path / "events", tmp_path / "vmstat"]) == 3
    assert memory_kills([tmp_path / "none"]) == 0


@pytest.mark.parametrize(("memory", "words"), [(True, "killed by the system for memory"), (False, "was killed.")])
def test_memory_is_blamed_only_where_the_system_says_so(memory, words, squares_run, tmp_path):
    shutil.copytree(squares_run.path, tmp_path / "run")
    run = RunFolder.open(tmp_path / "run")
    run.update(status="running")
    record_end(run, Ended(-signal.SIGKILL, 0, memory))
    assert words in run.info().error


@pytest.mark.parametrize(
    ("words", "memory"),
    [
        ("OpenBLAS error: Memory allocation still failed after 10 retries, giving up.", True),
        ("memory allocation of 16000304 bytes failed\nstack backtrace:\n   0: std::alloc::rust_oom", True),
        ("terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc", True),
        ("IndexError: no memory", False),
    ],
)
def test_a_library_that_ends_the_trainer_for_lack_of_memory_is_understood(words, memory, squares_run, tmp_path):
    shutil.copytree(squares_run.path, tmp_path / "run")
    run = RunFolder.open(tmp_path / "run")
    run.update(status="running")
    (run.path / "log.txt").write_text(f"earlier\n{words}\n  File 'x', line 1 in y\n")
    record_end(run, Ended(1, 0))
    assert ("There is not enough memory" in run.info().error) == memory
