"""Trainings that are killed: as processes, with the signals that a system sends, at random moments."""

import contextlib
import math
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from runs import rows, same_tensors, told, weights
from viewfinder.errors import TrainingError
from viewfinder.service import launch
from viewfinder.service.training import reopen

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX"),
]
KILLS = int(os.environ.get("VIEWFINDER_KILLS", "2"))
LONGER = {"colors": 6, "squares": 2}


ENDS = {
    "in its report": "trainer.report.write = lambda *_, **__: kill()",
    "after its last word": "trainer.events.Finished = lambda **_: kill()",
}
KILLED_AT_THE_END = """
import os, signal, sys
from viewfinder.engine import trainer
from viewfinder.engine.__main__ import main
kill = lambda: os.kill(os.getpid(), signal.SIGKILL)
{end}
sys.exit(main(["train", sys.argv[1]]))
"""


class Kill:
    """A watcher that kills the trainer some seconds after it told of the first event of a kind."""

    def __init__(self, after_s, with_signal=signal.SIGKILL, since="started"):
        self.after_s, self.signal, self.since, self.began, self.sent = after_s, with_signal, since, None, None

    def event(self, event):
        if event.type == self.since and self.began is None:
            self.began = time.monotonic()

    def tick(self):
        if self.sent is None and self.began is not None and time.monotonic() - self.began >= self.after_s:
            self.sent = time.monotonic()
            os.kill(self.process().pid, self.signal)

    def stopping(self, times):
        pass


@pytest.fixture
def watched(monkeypatch):
    """Let a watcher know the process that is started for it."""
    start, holder = launch.start, {}

    def started(command, folder):
        holder["process"] = start(command, folder)
        return holder["process"]

    monkeypatch.setattr(launch, "start", started)

    def train(run, watcher):
        watcher.process = lambda: holder["process"]
        launch.train(run, watcher)

    return train


@pytest.mark.parametrize("name", ["colors", "squares"])
def test_a_killed_training_ends_as_if_it_had_not_been(name, watched, queued, colors, squares):
    """With -9, again and again, each time somewhere else; nothing that was finished is lost."""
    source = {"colors": colors, "squares": squares}[name]
    settings = {"training.epochs": LONGER[name], "training.batch_size": 4, "runtime.workers": 1}
    whole, chance, kills = queued(source, settings), random.Random(name), 0
    launch.train(whole)
    seconds = whole.info().ended - told(whole, "started")[0].time
    while kills < KILLS:
        run, done = queued(source, settings), 0
        while run.info().status != "finished":
            with contextlib.suppress(TrainingError):
                watched(run, Kill(chance.uniform(0, seconds / 2) if kills < KILLS else math.inf))
            if run.info().status != "finished":
                assert "killed" in run.info().error
                kills += 1
            assert run.epochs().height >= done, f"kill {kills} lost an epoch"
            done = run.epochs().height
        assert rows(run) == rows(whole)
        assert same_tensors(weights(run), weights(whole))
        assert run.predictions().equals(whole.predictions())
        assert not list(run.path.rglob(".*.[0-9]*")), "half written files are left"


def test_a_signal_stops_a_training_cleanly(watched, queued, colors, finished):
    """It ends within 10 seconds, says that it was stopped, and goes on to the same end."""
    settings = {"training.epochs": 200, "training.batch_size": 4, "runtime.workers": 1}
    run, watcher = queued(colors, settings), Kill(0.5, signal.SIGTERM, since="step")
    with pytest.raises(KeyboardInterrupt):
        watched(run, watcher)
    assert time.monotonic() - watcher.sent < 10
    info = run.info()
    assert (info.status, info.error) == ("stopped", None)
    assert "stopped on request" in info.reason
    assert not run.stop_requested
    assert (run.path / "checkpoint" / "state.pt").is_file()
    done = run.epochs().height
    assert told(run, "step"), "it was stopped while it learned"
    reopen(run, epochs=max(done, 1) + 1)
    launch.train(run)
    told_so, whole = rows(run), rows(finished("colors"))
    shared = min(len(told_so), len(whole))
    assert told_so[:shared] == whole[:shared]


def test_a_signal_to_all_processes_of_a_training_stops_it_cleanly(watched, queued, colors):
    """Also to those that load images, as when a container or a service is stopped."""
    run, watcher = queued(colors, {"training.epochs": 200, "runtime.workers": 2, "runtime.engine": "torch"}), Kill(1.0)
    watcher.tick = lambda: to_all(watcher)
    with pytest.raises(KeyboardInterrupt):
        watched(run, watcher)
    assert run.info().status == "stopped"


def to_all(watcher):
    """Send SIGTERM to the trainer's whole process group, once."""
    if watcher.sent is None and watcher.began is not None and time.monotonic() - watcher.began >= watcher.after_s:
        watcher.sent = time.monotonic()
        os.killpg(os.getpgid(watcher.process().pid), signal.SIGTERM)


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_what_is_killed_at_the_very_end_has_its_report_or_goes_on(end, queued, colors, finished, monkeypatch):
    def start(command, folder):
        return subprocess.Popen([sys.executable, "-c", KILLED_AT_THE_END.format(end=end), str(folder)])

    run = queued(colors, {"training.epochs": 3, "training.batch_size": 4})
    with monkeypatch.context() as patch:
        patch.setattr(launch, "start", start)
        told_so = pytest.raises(TrainingError, match="killed") if "report" in end else contextlib.nullcontext()
        with told_so:
            launch.train(run)
    assert (run.info().status == "finished") == (run.path / "report.html").is_file()
    if "report" in end:
        reopen(run)
        launch.train(run)
    assert run.info().status == "finished"
    assert run.report()["status"] == "finished"
    assert rows(run) == rows(finished("colors"))
    assert same_tensors(weights(run), weights(finished("colors")))
