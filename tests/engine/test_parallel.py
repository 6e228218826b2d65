"""Training with several processes, as the product starts them: what they make together, and how they end."""

import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from runs import gone, processes_of, rows, same_tensors, told, weights
from viewfinder.engine import build, loop, parallel
from viewfinder.engine.group import Group
from viewfinder.errors import TrainingError
from viewfinder.service import launch

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="processes are looked up as on Linux and macOS"),
]
STEADY = {"training.retrained_layers": 0, "split.test_ratio": 0.3, "training.epochs": 2}  # 21 images to learn from
RANK = """
import sys
from viewfinder.engine import build
from viewfinder.engine.__main__ import main
make = build.network

def without_dropout(*arguments):
    network = make(*arguments)
    network.dropout.p = 0.0
    return network

build.network = without_dropout
sys.exit(main(["rank", sys.argv[1]]))
"""

LIMITED = """
import os, resource, sys
from pathlib import Path
from viewfinder.engine.learning import Learner
learn = Learner.learn

def learn_with_little_room(self, batch, rate, tell):
    Learner.learn = learn
    if os.environ["RANK"] == "1":
        status = Path("/proc/self/status").read_text().splitlines()
        kb = next(int(line.split()[1]) for line in status if line.startswith("VmData"))
        resource.setrlimit(resource.RLIMIT_DATA, (kb * 1024 + 400 * 2**20, resource.RLIM_INFINITY))
    return learn(self, batch, rate, tell)

Learner.learn = learn_with_little_room
from viewfinder.engine.__main__ import main
sys.exit(main(["rank", sys.argv[1]]))
"""


def ranks_of(run):
    return [pid for pid in processes_of(run.path) if b"rank" in Path(f"/proc/{pid}/cmdline").read_bytes()]


class At(launch.Silent):
    """Acts once, at the n-th event of a kind."""

    def __init__(self, kind, count, act):
        self.kind, self.left, self.act = kind, count, act

    def event(self, event):
        self.left -= event.type == self.kind
        if not self.left:
            self.left = -1
            self.act()


@pytest.mark.parametrize(("size", "count"), [(1, 5), (2, 7), (3, 7), (3, 2)])
def test_shares_are_even_and_complete(size, count):
    groups = [Group() for _ in range(size)]
    for rank, group in enumerate(groups):
        group.rank, group.size = rank, size
    shares = [group.share(range(count)) for group in groups]
    assert [one for share in shares for one in share] == list(range(count))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert sorted(one for group in groups for one in group.each_nth(range(count))) == list(range(count))


def test_two_processes_are_one_with_twice_the_batch(queued, colors, tmp_path, monkeypatch):
    """Batch norms frozen, no dropout; the last of 21 images is a step of its own, with nothing for one process."""
    script = tmp_path / "rank.py"
    script.write_text(RANK, encoding="utf-8")
    monkeypatch.setattr(parallel, "COMMAND", ("-P", str(script)))
    make = build.network

    def without_dropout(*arguments):
        network = make(*arguments)
        network.dropout.p = 0.0
        return network

    monkeypatch.setattr(build, "network", without_dropout)
    one, two = (
        queued(colors, {**STEADY, "training.batch_size": batch, "runtime.devices": devices, "runtime.views": 0})
        for batch, devices in ((10, "cpu"), (5, "cpu:2"))
    )
    loop.train(one)
    assert parallel.train(two, 2) == "finished"
    assert [event.steps for event in told(two, "started")] == [3] == [told(one, "started")[0].steps]
    for ours, theirs in zip(rows(two), rows(one), strict=True):
        assert ours.keys() == theirs.keys()
        assert list(ours.values()) == pytest.approx(list(theirs.values()), abs=1e-4)
    for name, tensor in weights(one).items():
        assert torch.allclose(weights(two)[name], tensor, atol=1e-5), name
    ours, theirs = two.predictions(), one.predictions()
    assert ours["image"].equals(theirs["image"])
    numbers = [name for name in ours.columns if name.startswith("proba_")]
    assert np.allclose(ours.select(numbers).to_numpy(), theirs.select(numbers).to_numpy(), atol=1e-4)
    info = two.info()
    assert (info.status, info.device) == ("finished", "cpu:2")
    assert "2 processes" in info.device_name
    assert gone(two)


def test_a_stopped_training_of_two_processes_goes_on_as_if_it_had_not(queued, colors):
    settings = {"training.epochs": 2, "training.batch_size": 4, "runtime.devices": "cpu:2"}
    whole, run = queued(colors, settings), queued(colors, settings)
    launch.train(whole)
    with pytest.raises(KeyboardInterrupt):
        launch.train(run, At("epoch", 1, run.request_stop))
    assert run.info().status == "stopped"
    assert run.epochs().height == 1
    assert gone(run.path)
    launch.train(run)
    assert rows(run) == rows(whole)
    assert same_tensors(weights(run), weights(whole))
    assert run.predictions().equals(whole.predictions())
    assert any("Batch norms that learn" in note.message for note in told(run, "note"))


def test_a_dying_process_ends_the_run_and_leaves_none_behind(queued, colors):
    run = queued(colors, {"training.epochs": 300, "training.batch_size": 4, "runtime.devices": "cpu:2"})

    def kill():
        os.kill(max(ranks_of(run)), signal.SIGKILL)

    with pytest.raises(TrainingError, match="processes that train together ended"):
        launch.train(run, At("epoch", 1, kill))
    assert run.info().status == "failed"
    assert gone(run.path)
    assert run.epochs().height >= 1
    assert (run.path / "checkpoint" / "state.pt").is_file()


def test_processes_end_with_their_launcher(queued, colors):
    run = queued(colors, {"training.epochs": 300, "training.batch_size": 4, "runtime.devices": "cpu:2"})

    def kill():
        launcher = next(pid for pid in processes_of(run.path) if pid not in ranks_of(run))
        os.kill(launcher, signal.SIGKILL)

    with pytest.raises(TrainingError, match="killed"):
        launch.train(run, At("epoch", 1, kill))
    assert gone(run.path)


def test_detection_with_two_processes(queued, squares, tmp_path, monkeypatch):
    monkeypatch.setenv("VIEWFINDER_HOME", str(tmp_path / "home"))
    run = queued(squares, {"training.epochs": 1, "training.batch_size": 2, "runtime.devices": "cpu:2"})
    launch.train(run)
    counts = run.info().dataset.counts
    assert run.info().status == "finished"
    assert run.predictions()["image"].n_unique() == run.predictions().height == counts["test"]
    assert told(run, "started")[0].steps == -(-counts["train"] // 4)
    kept = [np.fromfile(path, "<u8") for path in (tmp_path / "home" / "cache" / "images").glob("*/index")]
    assert sorted(map(np.count_nonzero, kept)) == sorted([counts["train"], counts["test"]]), "all are decoded once"


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are enforced on Linux")
def test_all_processes_take_parts_when_memory_lacks_in_one(queued, colors, tmp_path, monkeypatch):
    script = tmp_path / "rank.py"
    script.write_text(LIMITED, encoding="utf-8")
    monkeypatch.setattr(parallel, "COMMAND", ("-P", str(script)))
    size = {"training.input_size": 448, "training.batch_size": 32, "runtime.engine": "torch", "runtime.views": 0}
    run = queued(colors, {**size, "training.epochs": 1, "runtime.devices": "cpu:2"})
    assert parallel.train(run, 2) == "finished"
    counts, retries = run.info().dataset.counts, told(run, "retry")
    assert 1 <= retries[-1].images <= counts["train"] // 4
    assert len({event.images for event in retries}) == len(retries), "each attempt is told once"
    assert told(run, "step")[-1].step == 1, "the step is still one over all images"
    assert retries[-1].message in run.report()["notes"]
