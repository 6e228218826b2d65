"""Disks that are full or closed, and images that go away or are replaced: each for real."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import mounts
from runs import rows, same_tensors, told, weights
from viewfinder.engine import loop
from viewfinder.errors import RunError, TrainingError
from viewfinder.run import RunFolder
from viewfinder.service.preparing import prepare

QUICK = "--set training.model=efficientnet_lite0 --set training.input_size=32 --set training.epochs=2 " + (
    "--set training.retrained_layers=0 --set runtime.workers={workers}"
)
FULL_THEN_LARGER = """
mount -t tmpfs -o size=16m tmpfs "$1"
{train} train "$2" --out "$1/run" {quick}
echo "ended $?"
cat "$1/run/run.json"
echo "end of run.json"
mount -o remount,size=300m "$1"
{train} resume "$1/run" --json
echo "ended $?"
"""
NO_SHARED_MEMORY = """
mount -t tmpfs -o size=4k,nr_inodes=1 tmpfs /dev/shm
{train} train "$2" --out "$1/run" {quick}
echo "ended $?"
"""


def with_mounts(script, *arguments, workers=0):
    """Run a script where it may mount; skip where this system lets nobody."""
    mounts.need()
    made = script.format(train=f"'{sys.executable}' -m viewfinder", quick=QUICK.format(workers=workers))
    command = [*mounts.APART, "sh", "-c", made, "sh", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_a_full_disk_is_told_and_the_run_goes_on_when_there_is_room(colors, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    done = with_mounts(FULL_THEN_LARGER, disk, colors)
    first, _, second = done.stdout.partition("end of run.json")
    assert "ended 1" in first, done.stderr
    info = json.loads(first[first.index("{") :])
    assert info["status"] == "failed"
    for text in (info["error"], done.stderr):
        assert "is full" in text
        assert "viewfinder resume" in text
    assert "Traceback" not in done.stderr
    assert "ended 0" in second, done.stderr
    assert json.loads(second[: second.index("ended 0")])["status"] == "finished"


@pytest.mark.slow
def test_without_room_in_shared_memory_the_trainer_loads_images_itself(colors, tmp_path):
    done = with_mounts(NO_SHARED_MEMORY, tmp_path, colors, workers=2)
    assert "ended 0" in done.stdout, done.stderr
    assert "Images are loaded by the trainer itself" in done.stderr


def test_a_closed_folder_is_told(queued, colors, monkeypatch):
    """As on a disk that the system made read-only: nobody can write, not even root."""
    run = queued(colors, {"training.epochs": 1})

    def closed(path, write):
        raise OSError(30, "Read-only file system", str(path))

    monkeypatch.setattr("viewfinder.engine.checkpoint.replace", closed)
    with pytest.raises(TrainingError, match=r"cannot be written.*Read-only file system.*viewfinder resume"):
        loop.train(run)
    assert run.info().status == "failed"
    monkeypatch.undo()
    assert loop.train(run) == "finished"


def test_two_trainings_of_one_run_are_refused(queued, colors):
    """The second is another process: a lock is a process's own."""
    run = queued(colors)
    code = "import sys; from viewfinder.engine.__main__ import main; sys.exit(main(['train', sys.argv[1]]))"
    with run.locked():
        second = subprocess.run(
            [sys.executable, "-c", code, str(run.path)], capture_output=True, text=True, check=False
        )
    assert second.returncode == 2
    assert "is being trained by another process" in second.stderr
    assert run.info().status == "queued"
    with pytest.raises(RunError):
        RunFolder.open(run.path / "nowhere")


@pytest.fixture
def own(colors, tmp_path):
    """The colours, to be changed."""
    return shutil.copytree(colors, tmp_path / "own")


def test_replaced_and_vanished_images_are_left_out_and_told(own, tmp_path, monkeypatch):
    """After the data was read: another picture under the same name is not learned as what it no longer is."""
    monkeypatch.setenv("VIEWFINDER_HOME", str(tmp_path / "home"))  # nothing is kept yet
    settings = {
        "training.model": "efficientnet_lite0", "training.input_size": 32, "training.epochs": 1, "runtime.workers": 0,
    }  # fmt: skip
    run = prepare(own, settings=settings, out=tmp_path / "run").run
    train = [Path(run.info().dataset.root) / name for name in run.split().filter(split="train")["image"]]
    Image.new("RGB", (64, 64), "white").save(train[0])
    train[1].unlink()
    assert loop.train(run) == "finished"
    found = {event.file: event.reason for event in told(run, "diagnostic") if event.kind == "unreadable_image"}
    assert set(found) == {path.relative_to(run.info().dataset.root).as_posix() for path in train[:2]}
    reasons = " ".join(found.values())
    assert "not the one that was imported" in reasons
    assert "no such file" in reasons
    (note,) = [note.message for note in told(run, "note") if "2 images could not be read" in note.message]
    assert train[0].name in note


def test_a_cache_deleted_in_mid_run_changes_nothing(finished, queued, colors, tmp_path, monkeypatch):
    home = tmp_path / "home"
    monkeypatch.setenv("VIEWFINDER_HOME", str(home))

    class Deletes:
        """A clock that deletes the caches when the second epoch is under way."""

        done = False

        def __call__(self):
            if not self.done and len(told(run, "epoch")) == 1:
                shutil.rmtree(home / "cache", ignore_errors=True)
                self.done = True
            return 0.0

    clock, run = Deletes(), queued(colors, {"training.epochs": 3, "training.batch_size": 4})
    assert loop.train(run, clock) == "finished"
    assert clock.done
    assert rows(run) == rows(finished("colors"))
    assert same_tensors(weights(run), weights(finished("colors")))
