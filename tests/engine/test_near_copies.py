"""Test images that are nearly the same as a training image are found by the training, and told once."""

import multiprocessing
import shutil

import pytest
from PIL import Image

from runs import told
from viewfinder.engine import loop, near_copies
from viewfinder.service.preparing import prepare
from viewfinder.service.training import reopen


@pytest.fixture
def copied(colors, tmp_path):
    """The colours as splits of their own; two test images are re-coded training images."""
    source = tmp_path / "copied"
    for folder in sorted(path for path in colors.iterdir() if path.is_dir()):
        for number, image in enumerate(sorted(folder.iterdir())):
            target = source / ("test" if number < 3 else "train") / folder.name
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(image, target)
    first = sorted((source / "train").glob("*/*"))[0]
    for number in range(2):
        Image.open(first).convert("RGB").resize((90, 90)).save(
            source / "test" / first.parent.name / f"copy{number}.jpg"
        )
    return source, first


@pytest.mark.parametrize("workers", [0, 1])
def test_near_copies_are_found(workers, copied, tmp_path):
    source, first = copied
    settings = {
        "training.model": "efficientnet_lite0", "training.input_size": 32, "training.epochs": 1,
        "training.retrained_layers": 0, "runtime.workers": workers,
    }  # fmt: skip
    run = prepare(source, settings=settings, out=tmp_path / "run").run
    assert loop.train(run) == "finished"
    found = [event for event in told(run, "diagnostic") if event.kind == "near_copy"]
    copies = [event for event in found if "copy" in event.file]
    assert sorted(event.file.rpartition("/")[2] for event in copies) == ["copy0.jpg", "copy1.jpg"]
    assert all(first.name in event.reason for event in copies)
    assert run.info().near_copies == len(found)
    assert any("nearly the same as a training image" in note for note in run.report()["doubts"])
    reopen(run, epochs=2)
    loop.train(run)
    assert [event for event in told(run, "diagnostic") if event.kind == "near_copy"] == found


def test_a_finished_training_is_not_lost_when_nobody_can_look(copied, tmp_path, monkeypatch):
    """The process that looks is killed: the run is finished all the same."""
    source, _ = copied
    settings = {
        "training.model": "efficientnet_lite0", "training.input_size": 32, "training.epochs": 1,
        "training.retrained_layers": 0, "runtime.workers": 1,
    }  # fmt: skip
    run = prepare(source, settings=settings, out=tmp_path / "run").run

    look = near_copies.tell_of

    def killing(*arguments):
        for process in multiprocessing.active_children():
            process.kill()
            process.join()
        return look(*arguments)

    monkeypatch.setattr(near_copies, "tell_of", killing)
    assert loop.train(run) == "finished"
    assert run.info().near_copies is None
    assert any("not looked for" in note.message for note in told(run, "note"))
