"""Runs that are trained once more."""

import json
import shutil

import pytest
from typer.testing import CliRunner

from viewfinder.cli.app import app
from viewfinder.errors import InputError, RunError, WeightsError
from viewfinder.run import RunFolder
from viewfinder.service import repeating
from viewfinder.service.training import resume, train


@pytest.fixture
def copied(colors_run, tmp_path):
    """A copy of the finished run, to be changed."""
    shutil.copytree(colors_run.path, tmp_path / "copy")
    return RunFolder.open(tmp_path / "copy")


def test_a_repeated_run_is_the_same_to_the_bit(colors_run, tmp_path):
    """The command says so, as text and as JSON; the run it repeats is not touched."""
    before = {path: path.read_bytes() for path in colors_run.path.rglob("*") if path.is_file()}
    done = CliRunner().invoke(
        app, ["train", "--repeat", str(colors_run.path), "--out", str(tmp_path / "again"), "--json"]
    )
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)["repeats"]
    assert found["same"]
    assert found["differences"] == found["changes"] == []
    again = RunFolder.open(tmp_path / "again")
    assert again.design() == colors_run.design()
    assert again.info().choices == colors_run.info().choices
    assert again.split().equals(colors_run.split())
    weights = [run.path / "model" / "model.safetensors" for run in (again, colors_run)]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    assert {path: path.read_bytes() for path in before} == before


def test_what_does_not_come_out_the_same_is_named(copied, tmp_path):
    """Here because the run that is repeated was another: its table, its model and its versions were changed."""
    table = (copied.path / "epochs.csv").read_text(encoding="utf-8").splitlines()
    column = table[0].split(",").index("train_loss")
    values = table[2].split(",")
    values[column] = "0.5"
    (copied.path / "epochs.csv").write_text("\n".join([*table[:2], ",".join(values)]) + "\n", encoding="utf-8")
    model = copied.path / "model" / "model.safetensors"
    model.write_bytes(model.read_bytes()[:-4] + b"\0\0\0\0")
    copied.update(versions={**copied.info().versions, "torch": "1.0"})
    done = CliRunner().invoke(app, ["train", "--repeat", str(copied.path), "--out", str(tmp_path / "again")])
    assert done.exit_code == 1, done.output
    for part in ("Not the same", "from epoch 2 on: train_loss", "was 0.5", "the weights of the model", "torch 2"):
        assert part in done.stdout
    assert "predictions" not in done.stdout.split("Not the same")[1]


def test_another_seed_comes_out_otherwise(colors, colors_run, tmp_path):
    """So the comparison of repeated runs can fail."""
    settings = {"runtime.seed": 5}
    other = train(colors, colors_run.design().model_dump(mode="json"), settings, tmp_path / "other")
    found = repeating.compared(other, colors_run)
    assert [part.split(":")[0] for part in found.differences[:1]] == ["from epoch 1 on"]
    assert "the weights of the model differ" in found.differences


def test_a_run_that_is_not_finished_is_not_repeated(copied, tmp_path):
    copied.update(status="stopped")
    with pytest.raises(RunError, match=r"is not finished, and only a finished run.*viewfinder resume"):
        repeating.prepare(copied, tmp_path / "again")
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize("name", ["model/model.safetensors", "predictions.parquet"])
def test_what_it_would_be_compared_with_must_be_there(name, copied, tmp_path):
    """Said before the training, not after it."""
    (copied.path / name).unlink()
    with pytest.raises(RunError, match=r"not complete|no predictions"):
        repeating.prepare(copied, tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_weights_that_are_gone_are_named(copied, tmp_path):
    copied.update(weights=str(tmp_path / "gone.pth"))
    with pytest.raises(WeightsError, match=r"gone\.pth"):
        repeating.prepare(copied, tmp_path / "again")


def test_the_data_must_be_there_and_be_the_same(copied, colors, tmp_path):
    moved, other = tmp_path / "moved", tmp_path / "other"
    shutil.copytree(colors, moved)
    shutil.copytree(colors, other)
    next(other.rglob("*.png")).unlink()
    data = copied.info().dataset.model_copy(update={"source": str(tmp_path / "nowhere")})
    copied.update(dataset=data.model_dump())
    with pytest.raises(RunError, match=r"nowhere.*viewfinder train SOURCE --repeat"):
        repeating.prepare(copied, tmp_path / "again")
    with pytest.raises(RunError, match="is not the data"):
        repeating.prepare(copied, tmp_path / "again", other)
    assert repeating.prepare(copied, tmp_path / "again", moved).info().dataset.root == moved.resolve().as_posix()


def test_a_design_beside_a_run_to_repeat_is_refused(colors_run):
    done = CliRunner().invoke(app, ["train", "--repeat", str(colors_run.path), "--set", "training.epochs=9"])
    assert isinstance(done.exception, InputError)
    assert "--set" in str(done.exception)


def test_a_longer_run_is_repeated_as_it_became(copied, tmp_path):
    resume(copied, epochs=3)
    found = repeating.repeat(copied, tmp_path / "again")
    assert found.differences == ()
    assert found.run.epochs().height == 3
