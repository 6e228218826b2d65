"""The warm engine: one real process, asked by several, that dies and comes back."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import wait

import pytest
from PIL import Image

from viewfinder.errors import EngineError, InputError, OvertakenError
from viewfinder.service import warm
from viewfinder.service.warm import Warm

pytestmark = pytest.mark.slow


class Clock:
    """Seconds that pass when told to."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def engine(tmp_path, clock):
    made = Warm(tmp_path / "engine.log", clock=clock)
    yield made
    made.close()


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
        return file.read().rpartition(")")[2].split()[0] == "Z"


@pytest.fixture
def image(tmp_path):
    Image.new("RGB", (60, 40), "red").save(tmp_path / "red.png")
    return (tmp_path / "red.png").read_bytes()


def look(engine, run, image, client="page", **more):
    return engine.ask(client, "look", {"model": str(run.path / "model"), "name": "red.png"}, (image,), **more)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_it_answers_dies_comes_back_and_ends_when_idle(engine, clock, colors_run, image, monkeypatch):
    assert (engine.state, engine.process_id) == ("off", None)
    engine.start()
    assert engine.state == "warming up"
    answer = look(engine, colors_run, image).result(60)
    assert engine.state == "ready"
    assert {one["name"] for one in answer.head["classes"]} == {"red", "green", "blue"}
    assert answer.head["size"] == [60, 40]
    assert answer.blobs[0].startswith(b"\xff\xd8")

    with pytest.raises(InputError, match="It cannot be read"):
        look(engine, colors_run, b"no image").result(60)
    with pytest.raises(EngineError, match="KeyError"):  # a fault of one request is its own
        engine.ask("page", "nonsense", {}).result(60)
    first = engine.process_id

    # While one is computed, the latest of each client waits, and only that.
    os.kill(first, signal.SIGSTOP)
    busy = look(engine, colors_run, image, "busy")
    until(busy.running)
    older, other, newer = (look(engine, colors_run, image, client) for client in ("page", "other", "page"))
    with pytest.raises(OvertakenError):
        older.result(5)
    os.kill(first, signal.SIGCONT)
    wait([busy, other, newer], 60)
    assert [one.exception() for one in (busy, other, newer)] == [None] * 3

    # One that takes too long is given up with its process; who waits behind it gets a new one.
    os.kill(first, signal.SIGSTOP)
    late, behind = look(engine, colors_run, image, deadline_s=0.5), look(engine, colors_run, image, "other")
    with pytest.raises(EngineError, match=r"longer than 0\.5 s"):
        late.result(60)
    assert behind.result(60).head["classes"]
    second = engine.process_id
    assert second != first
    assert gone(first)

    # A request that kills it fails, and the next is answered.
    os.kill(second, signal.SIGSTOP)
    fatal = look(engine, colors_run, image)
    until(fatal.running)
    os.kill(second, signal.SIGKILL)
    with pytest.raises(EngineError, match="ended unexpectedly"):
        fatal.result(60)
    until(lambda: engine.state == "ready")  # at once, without being asked

    third = engine.process_id
    clock.now += warm.IDLE_S - 1
    time.sleep(2 * warm.POLL_S)
    assert engine.process_id == third
    clock.now += 1
    until(lambda: engine.state == "off")
    until(lambda: gone(third), 10)


def test_one_thread_computes_while_a_run_trains(tmp_path, colors_run, image, monkeypatch):
    trains = []
    engine = Warm(tmp_path / "engine.log", trains=lambda: bool(trains))
    try:
        threads = {}
        for now in (False, True):
            trains[:] = [now] if now else []
            threads[now] = look(engine, colors_run, image).result(60).head["threads"]
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        assert threads == {False: cores, True: 1}
    finally:
        engine.close()


def test_what_cannot_be_started_is_said_and_close_holds_up_nothing(engine, monkeypatch):
    monkeypatch.setattr(sys, "executable", sys.executable + "-gone")
    with pytest.raises(EngineError, match="cannot be started"):
        engine.ask("page", "load", {}).result(10)
    monkeypatch.undo()
    waiting = engine.ask("page", "load", {})
    started = time.monotonic()
    engine.close()
    assert time.monotonic() - started < 2
    with pytest.raises(EngineError):
        waiting.result(5)
    with pytest.raises(EngineError, match="closing"):
        engine.ask("page", "load", {}).result(5)


PARENT = """
import sys, time
from pathlib import Path
from viewfinder.service.warm import Warm
engine = Warm(Path(sys.argv[1]))
engine.start()
while engine.state != "ready":
    time.sleep(0.05)
print(engine.process_id, flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_it_ends_with_its_parent_even_when_that_is_killed(tmp_path):
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path / "log")], stdout=subprocess.PIPE, text=True)
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    until(lambda: gone(pid), 10)
