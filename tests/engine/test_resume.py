"""Runs that are stopped, resumed and extended."""

import shutil

import pytest

from runs import EPOCHS, StopAfter, rows, same_tensors, told, weights
from viewfinder.engine import loop
from viewfinder.errors import DesignError, RunError
from viewfinder.run import RunFolder
from viewfinder.service.training import reopen


@pytest.mark.parametrize(
    ("name", "kind", "count"),
    [
        ("colors", "step", 1),
        ("colors", "step", 8),
        ("colors", "epoch", 1),
        ("squares", "step", 4),
        ("squares", "evaluating", 1),
    ],
)
def test_a_stopped_run_goes_on_as_if_it_had_not(name, kind, count, finished, queued, colors, squares):
    """In the first epoch, in a later one, between two, and while judging: all is bit-identical in the end."""
    whole = finished(name)
    source = {"colors": colors, "squares": squares}[name]
    run = queued(source, {"training.epochs": EPOCHS[name], "training.batch_size": 4})
    assert loop.train(run, StopAfter(run, kind, count)) == "stopped"
    assert run.info().status == "stopped"
    assert not run.stop_requested
    assert told(run, "stopped")
    assert run.epochs().height < EPOCHS[name]
    assert loop.train(run) == "finished"
    assert rows(run) == rows(whole)
    assert same_tensors(weights(run), weights(whole))
    assert run.predictions().equals(whole.predictions())
    assert (run.info().best_epoch, run.info().threshold) == (whole.info().best_epoch, whole.info().threshold)


def test_stopping_keeps_the_best_model(queued, colors):
    run = queued(colors, {"training.epochs": 9})
    loop.train(run, StopAfter(run, "epoch", 2))
    assert run.epochs().height == 2
    assert run.model_info().epoch == run.info().best_epoch
    assert run.predictions().height == run.info().dataset.counts["test"]
    assert run.report()


def test_a_stop_before_the_first_step(queued, colors):
    run = queued(colors)
    run.request_stop()
    assert loop.train(run) == "stopped"
    assert run.epochs().is_empty()
    assert loop.train(run) == "finished"


def test_a_finished_run_is_extended(finished, queued, colors, tmp_path):
    """To more epochs: the first ones stay, and all is as if they had been wanted from the start."""
    run = queued(colors, {"training.epochs": 2, "training.batch_size": 4})
    loop.train(run)
    first = rows(run)
    reopen(run, epochs=3)
    assert loop.train(run) == "finished"
    assert rows(run)[:2] == first
    assert rows(run) == rows(finished("colors"))
    assert same_tensors(weights(run), weights(finished("colors")))


def test_an_early_stopped_run_is_extended_with_new_patience(queued, colors):
    settings = {"training.early_stopping.patience": 1, "training.early_stopping.min_delta": 5, "training.epochs": 9}
    run = queued(colors, settings)
    assert loop.train(run) == "finished"
    assert run.epochs().height == 2
    assert "early stopping" in run.info().reason
    reopen(run, epochs=10)
    loop.train(run)
    assert run.epochs().height == 3


def torn(content):
    return b"torn"


def flipped(content):
    """Return it with a few bytes of its numbers changed, as a bad disk does."""
    middle = len(content) // 2
    return content[:middle] + bytes(255 - byte for byte in content[middle : middle + 40]) + content[middle + 40 :]


@pytest.mark.parametrize("damaged", [torn, flipped])
def test_a_damaged_checkpoint_is_said(damaged, queued, colors):
    run = queued(colors, {"training.epochs": 9})
    loop.train(run, StopAfter(run, "epoch", 1))
    path = run.path / "checkpoint" / "state.pt"
    path.write_bytes(damaged(path.read_bytes()))
    with pytest.raises(RunError, match="checkpoint"):
        loop.train(run)
    assert run.info().status == "failed"
    assert run.model_info()


def test_a_number_of_epochs_that_is_not_possible_changes_nothing(finished, tmp_path):
    shutil.copytree(finished("colors").path, tmp_path / "run")
    run = RunFolder(tmp_path / "run")
    before = {name: (run.path / name).read_bytes() for name in ("run.json", "design.yaml")}
    with pytest.raises(DesignError, match=r"training\.epochs"):
        reopen(run, 999_999_999)
    assert {name: (run.path / name).read_bytes() for name in before} == before


def test_a_design_that_was_changed_meanwhile_is_told(queued, colors):
    run = queued(colors, {"training.epochs": 9})
    loop.train(run, StopAfter(run, "epoch", 1))
    loop.train(run, StopAfter(run, "epoch", 2))
    assert not [note for note in told(run, "note") if "design was changed" in note.message]
    design = run.design()
    run.write_design(design.model_copy(update={"training": design.training.model_copy(update={"learning_rate": 0.02})}))
    loop.train(run, StopAfter(run, "epoch", 3))
    assert [note for note in told(run, "note") if "design was changed: from epoch 3 on" in note.message]
