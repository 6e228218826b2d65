"""What a training survives: lack of memory, losses that are not finite, a disk that is full, processes that end."""

import math
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from runs import rows, same_tensors, told, weights
from viewfinder.engine import loop, memory
from viewfinder.engine.judge import judge
from viewfinder.engine.loop import Trainer
from viewfinder.errors import TrainingError

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are enforced on Linux")
ONE_STEP = {"training.epochs": 1, "training.batch_size": 64, "runtime.engine": "torch", "runtime.views": 0}
STILL = {f"augmentation.{name}.enabled": False for name in ("color", "affine", "crop")}


def a_batch(trainer):
    """Return the first batch of a run as the trainer would make it."""
    load = trainer.feed.training(trainer.items)
    (batch,) = [trainer._batch(examples) for examples in load(trainer.order.batches(1)[:1], 1)]
    return batch


LIMITED = """
import resource, sys
from pathlib import Path
from viewfinder.engine.learning import Learner
learn = Learner.learn

def learn_with_little_room(self, batch, rate, tell):
    Learner.learn = learn_and_have_room
    status = Path("/proc/self/status").read_text().splitlines()
    kb = next(int(line.split()[1]) for line in status if line.startswith("VmData"))
    room = float(sys.argv[2]) * 2**20
    resource.setrlimit(resource.RLIMIT_DATA, (int(kb * 1024 + room), resource.RLIM_INFINITY))
    return learn(self, batch, rate, tell)

def learn_and_have_room(self, batch, rate, tell):
    learned = learn(self, batch, rate, tell)
    resource.setrlimit(resource.RLIMIT_DATA, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return learned

Learner.learn = learn_with_little_room
from viewfinder.engine.__main__ import main
sys.exit(main(["train", sys.argv[1]]))
"""


def limited(run, mb):
    """Train a run in a process that, until it has taken its first step, is given no more than `mb` more than it has."""
    return subprocess.run(
        [sys.executable, "-c", LIMITED, str(run.path), str(mb)], capture_output=True, text=True, check=False
    )


@LINUX
def test_a_step_that_does_not_fit_is_taken_in_parts(queued, colors):
    """Under a limit that the system enforces: the run finishes, and says what it did."""
    run = queued(colors, {**ONE_STEP, "training.input_size": 448})
    ended = limited(run, 800)  # all 24 images need more
    assert ended.returncode == 0, (ended.stderr, run.info().error)
    retries = told(run, "retry")
    images = run.info().dataset.counts["train"]
    assert 1 <= retries[-1].images < images
    assert "did not fit into memory" in retries[-1].message
    assert retries[-1].message in run.report()["notes"]
    assert told(run, "step")[-1].step == 1, "the step is still one over all images"
    assert math.isfinite(run.epochs()["train_loss"][0])


SAVED = """
import resource, sys
from pathlib import Path
from torch import nn
from viewfinder.engine import saved
from viewfinder.run import RunFolder, read_model_info
network = nn.Sequential(nn.Linear(2000, 2000), nn.BatchNorm1d(2000), nn.Linear(3, 1))
status = Path("/proc/self/status").read_text()
used = int(status[status.index("VmData:") :].split()[1]) * 1024
resource.setrlimit(resource.RLIMIT_DATA, (used + 4 * 2**20, resource.RLIM_INFINITY))
saved.write(RunFolder.open(Path(sys.argv[1])), network, read_model_info(Path(sys.argv[2])))
"""


@LINUX
def test_a_model_is_saved_without_room_for_a_second_one(queued, colors, colors_run):
    """Here 16 MB of weights, in a process that gets 4 MB more; the library that defines the format reads them."""
    run = queued(colors, ONE_STEP)
    ended = subprocess.run(
        [sys.executable, "-c", SAVED, str(run.path), str(colors_run.model_path())],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    tensors = load_file(run.path / "model" / "model.safetensors")
    assert {name: (tuple(t.shape), t.dtype) for name, t in tensors.items()} == {
        "0.weight": ((2000, 2000), torch.float32), "0.bias": ((2000,), torch.float32),
        "1.weight": ((2000,), torch.float32), "1.bias": ((2000,), torch.float32),
        "1.running_mean": ((2000,), torch.float32), "1.running_var": ((2000,), torch.float32),
        "1.num_batches_tracked": ((), torch.int64),
        "2.weight": ((1, 3), torch.float32), "2.bias": ((1,), torch.float32),
    }  # fmt: skip
    assert torch.equal(tensors["1.running_var"], torch.ones(2000))
    assert 0 < tensors["0.weight"].abs().max() <= 2000**-0.5


@LINUX
def test_a_training_without_room_for_one_image_fails_with_advice(queued, colors):
    run = queued(colors, {**ONE_STEP, "training.input_size": 224})
    ended = limited(run, 1)
    assert ended.returncode == 1, ended.stderr
    info = run.info()
    assert info.status == "failed"
    assert "not enough memory" in info.error
    assert "input_size" in info.error
    assert loop.train(run) == "finished", "where there is memory it goes on"


@pytest.mark.parametrize("weighted", ["none", "balanced"])
@pytest.mark.parametrize("together", [1, 3, 7])
def test_parts_learn_what_the_whole_step_does(together, weighted, queued, colors):
    """Frozen batch norms and no dropout: gradients that are added up are those of the whole batch."""
    settings = {**ONE_STEP, **STILL, "training.class_weights": weighted, "training.retrained_layers": 0}
    results = []
    for count in (0, together):
        trainer = Trainer(queued(colors, settings), lambda: 0.0)
        if weighted == "balanced":
            trainer.task.balance(trainer.items[:-3])  # so that the weights of two parts differ
        trainer.network.dropout.p = 0.0
        trainer.progress.together = count
        with trainer.feed:
            loss = trainer.learner.learn(a_batch(trainer), 0.1, trainer.tell)
        results.append((loss, {name: t.clone() for name, t in trainer.network.state_dict().items()}))
    (loss, whole), (other, parts) = results
    assert other == pytest.approx(loss, rel=1e-5)
    for name, tensor in whole.items():
        assert torch.allclose(parts[name].double(), tensor.double(), atol=2e-6), name


@pytest.mark.parametrize(
    ("error", "lack"),
    [
        (MemoryError(), True),
        (RuntimeError("std::bad_alloc"), True),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp:118] err == 0. DefaultCPUAllocator: can't allocate memory"),
            True,
        ),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (
            RuntimeError("Exception from src/plugins/intel_cpu/src/node.cpp:823:\n[CPU] Transpose node can't alloc"),
            True,
        ),
        (RuntimeError("[CPU] Transpose node with name 'x' std::future_error: Broken promise"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_lack_of_memory_is_known(error, lack):
    assert memory.is_lack(error) == lack


def test_what_lacks_memory_when_judged_is_judged_in_halves(trained, colors):
    run = trained(colors, {**ONE_STEP, **STILL})
    trainer = Trainer(run, lambda: 0.0)
    items = trainer._items("test")
    asked = []

    class Small(type(trainer.task)):
        def judge(self, network, batch):
            asked.append(len(batch.sizes))
            if len(batch.sizes) > 3:
                raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
            return super().judge(network, batch)

    small = Small(trainer.row, 32, run.info().dataset.classes, trainer.device)
    with trainer.feed:
        load = trainer.feed.judging("test", items)
        whole, halves = (judge(trainer.network, task, items, load) for task in (trainer.task, small))
    assert max(asked) > 3
    assert halves.loss == pytest.approx(whole.loss, rel=1e-6)
    assert halves.predictions["image"].equals(whole.predictions["image"])
    assert halves.predictions["prediction"].equals(whole.predictions["prediction"])


# -- losses that are not finite ---------------------------------------------------------------------------------------


class Poisoned:
    """A loss that is not finite in some steps of an epoch (counted from 1), of a task that is otherwise as it was."""

    def __init__(self, task, progress, steps, epoch=1):
        self.loss_of, self.progress, self.steps, self.epoch = task.loss, progress, steps, epoch
        task.loss = self

    def __call__(self, network, batch):
        found = self.loss_of(network, batch)
        bad = self.progress.epoch == self.epoch and self.progress.step + 1 in self.steps
        return {**found, "loss": found["loss"] * math.nan} if bad else found


def test_a_few_steps_without_a_finite_loss_are_left_out_and_counted(queued, colors):
    run = queued(colors, {"training.epochs": 2, "training.batch_size": 4})
    trainer = Trainer(run, lambda: 0.0)
    Poisoned(trainer.task, trainer.progress, {2, 4})
    with run.locked():
        assert trainer.train() == "finished"
    skipped = told(run, "skipped")
    assert [(event.epoch, event.step, event.skipped) for event in skipped] == [(1, 2, 1), (1, 4, 2)]
    assert run.epochs()["train_loss"].is_finite().all()
    assert any("2 steps left out" in note for note in run.report()["notes"])


def test_more_than_a_few_end_the_training(queued, colors):
    """In the second epoch: the first one's model is kept, and the message says what, where and what to try."""
    run = queued(colors, {"training.epochs": 3, "training.batch_size": 4})
    trainer = Trainer(run, lambda: 0.0)
    Poisoned(trainer.task, trainer.progress, {1, 2, 4, 5}, epoch=2)
    with run.locked(), pytest.raises(TrainingError) as caught:
        trainer.train()
    message = str(caught.value)
    for part in ("nan", "epoch 2", "step 5", "learning rate of 0.001", "epoch 1, the best so far", "learning_rate"):
        assert part in message
    assert run.model_info().epoch == 1
    assert len(told(run, "skipped")) == 3


# -- checkpoints within an epoch --------------------------------------------------------------------------------------


class Killed(BaseException):
    """The process ends here."""


class KillAfter:
    """A clock that runs fast, and ends the training at its n-th reading."""

    def __init__(self, count):
        self.left, self.now = count, 0.0

    def __call__(self):
        self.left -= 1
        self.now += 20.0
        if self.left == 0:
            raise Killed
        return self.now


@pytest.mark.parametrize("count", [40, 75, 130])
def test_a_training_goes_on_from_within_an_epoch(count, finished, queued, colors, monkeypatch):
    whole = finished("colors")
    run = queued(colors, {"training.epochs": 3, "training.batch_size": 4})
    monkeypatch.setattr("viewfinder.engine.checkpoint.MOST_S", 30.0)
    with pytest.raises(Killed):
        loop.train(run, KillAfter(count))
    began = len(told(run, "step"))
    assert loop.train(run, lambda: 0.0) == "finished"
    assert rows(run) == rows(whole)
    assert same_tensors(weights(run), weights(whole))
    assert run.predictions().equals(whole.predictions())
    assert len(told(run, "step")) > began


def test_what_a_killed_writer_left_is_deleted(queued, colors):
    run = queued(colors, {"training.epochs": 1})
    left = [
        run.path / ".run.json.123",
        run.path / "checkpoint" / ".state.pt.4711",
        run.path / "model" / ".model.json.9",
    ]
    for path in left:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"half")
    mine = run.path / ".notes.txt"
    mine.write_text("mine", encoding="utf-8")
    loop.train(run)
    assert not any(path.exists() for path in left)
    assert mine.exists()
