"""Trainings by a real child process: finished, stopped, ended, resumed, extended, failed."""

import os
import shutil
import signal
import sys
import threading

import pytest
import torch
from typer.testing import CliRunner

from viewfinder.cli.app import app
from viewfinder.design import Runtime
from viewfinder.errors import InputError, RunError, TrainingError
from viewfinder.run import RunFolder
from viewfinder.service import launch
from viewfinder.service.preparing import prepare
from viewfinder.service.training import resume, train


class Acts(launch.Silent):
    """Does something at the first event of a type, and remembers what it was told."""

    def __init__(self, at, act):
        self.at, self.act, self.told, self.asked = at, act, [], []

    def event(self, event):
        self.told.append(event.type)
        if event.type == self.at and self.told.count(self.at) == 1:
            self.act()

    def stopping(self, times):
        self.asked.append(times)


def press():
    os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def moved(colors_run, tmp_path):
    """A copy of the finished run, to be changed."""
    shutil.copytree(colors_run.path, tmp_path / "copy")
    return RunFolder.open(tmp_path / "copy")


def test_a_finished_run_has_a_model_a_report_and_a_log(colors_run):
    info = colors_run.info()
    assert (info.status, info.error, colors_run.epochs().height) == ("finished", None, 2)
    assert colors_run.predictions().height == 6
    for name in ("model/model.safetensors", "report.html", "log.txt", "design.yaml", "epochs.csv"):
        assert (colors_run.path / name).is_file()
    assert not colors_run.is_alive()


def test_a_finished_run_is_resumed_only_to_be_longer(moved):
    with pytest.raises(RunError, match=r"is finished after 2 of at most 2 epochs.*resume .*copy --epochs 12"):
        resume(moved)
    with pytest.raises(RunError, match="is finished after 2"):
        resume(moved, epochs=2)
    with pytest.raises(RunError, match="already done 2 epochs"):
        resume(moved, epochs=1)
    before = moved.epochs()
    assert resume(moved, epochs=3).info().status == "finished"
    assert moved.epochs().height == 3
    assert moved.epochs().head(2).equals(before)
    assert moved.design().training.epochs == 3


def test_data_that_was_moved_is_found_again_by_its_fingerprint(moved, colors, tmp_path):
    moved.update(dataset=moved.info().dataset.model_copy(update={"root": str(tmp_path / "gone")}).model_dump())
    with pytest.raises(RunError, match=r"no longer in '.*gone'.*--source PATH"):
        resume(moved, epochs=3)
    shutil.copytree(colors, tmp_path / "elsewhere")
    shutil.copytree(colors, tmp_path / "other")
    shutil.move(tmp_path / "other" / "red" / "red 0.png", tmp_path / "other" / "blue" / "red 0.png")
    with pytest.raises(RunError, match="its images or labels differ"):
        resume(moved, 3, tmp_path / "other")
    shutil.rmtree(tmp_path / "other" / "red")
    with pytest.raises(RunError, match="its classes are blue, green, not blue, green, red"):
        resume(moved, 3, tmp_path / "other")
    assert resume(moved, 3, tmp_path / "elsewhere").info().dataset.root == (tmp_path / "elsewhere").as_posix()
    assert moved.epochs().height == 3


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent by os.kill")
def test_ctrl_c_stops_after_the_step_and_the_run_goes_on(colors, quick, tmp_path):
    watcher = Acts("epoch", press)
    prepared = prepare(colors, settings={**quick, "training.epochs": 400}, out=tmp_path / "run")
    with pytest.raises(KeyboardInterrupt):
        launch.train(prepared.run, watcher)
    assert watcher.asked == [1]
    assert prepared.run.info().status == "stopped"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    done = prepared.run.epochs().height
    assert 1 <= done < 400
    assert (prepared.run.path / "report.html").is_file()
    resume(prepared.run, epochs=done + 1)
    assert prepared.run.info().status == "finished"
    assert prepared.run.epochs().height == done + 1


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent by os.kill")
def test_a_second_ctrl_c_ends_the_trainer_at_once(colors, quick, tmp_path):
    settings = {**quick, "training.epochs": 400, "training.batch_size": 24, "training.input_size": 512}

    def press_twice():
        press()
        threading.Timer(0.3, press).start()

    watcher = Acts("started", press_twice)
    prepared = prepare(colors, settings=settings, out=tmp_path / "run")
    with pytest.raises(KeyboardInterrupt):
        launch.train(prepared.run, watcher)
    assert prepared.run.info().status == "stopped"
    assert not prepared.run.is_alive()


def test_a_stop_file_stops_too(colors, quick, tmp_path):
    prepared = prepare(colors, settings={**quick, "training.epochs": 400}, out=tmp_path / "run")
    prepared.run.request_stop()  # an old wish is forgotten
    with pytest.raises(KeyboardInterrupt):
        launch.train(prepared.run, Acts("epoch", prepared.run.request_stop))
    assert prepared.run.info().status == "stopped"
    assert prepared.run.epochs().height >= 1


def test_a_trainer_that_was_killed_is_told_from_one_that_was_stopped(colors, quick, tmp_path):
    prepared = prepare(colors, settings={**quick, "training.epochs": 400}, out=tmp_path / "run")
    trainers = []
    begin = launch.start

    def start(*arguments):
        trainers.append(begin(*arguments))
        return trainers[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(launch, "start", start)
        with pytest.raises(TrainingError, match="The training failed"):
            launch.train(prepared.run, Acts("epoch", lambda: trainers[0].kill()))
    info = prepared.run.info()
    assert info.status == "failed"
    assert info.error
    done = prepared.run.epochs().height
    assert resume(prepared.run, epochs=done + 1).info().status == "finished"


def test_a_run_in_training_is_left_alone(colors, quick, tmp_path):
    prepared = prepare(colors, settings=quick, out=tmp_path / "run")
    code = f"import sys, pathlib; sys.path[:0] = {sys.path!r}; from viewfinder.run import RunFolder\n"
    code += f"with RunFolder(pathlib.Path({str(prepared.run.path)!r})).locked(): print('held', flush=True); input()"
    import subprocess

    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(RunError, match="is being trained by another process"):
            resume(prepared.run)
        holder.communicate("\n")


def test_a_diverging_training_fails_with_its_reason(colors, quick, tmp_path):
    settings = {**quick, "training.optimizer": "sgd", "training.learning_rate": 1e30, "training.warmup": False}
    with pytest.raises(TrainingError, match=r"The loss became .* lower training\.learning_rate") as caught:
        train(colors, settings=settings, out=tmp_path / "run")
    assert "log.txt" in str(caught.value)
    assert RunFolder.open(tmp_path / "run").info().status == "failed"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("devices", ["cuda:0", ["cuda:0", "cuda:1"]])
def test_a_device_that_is_refused_leaves_no_run_behind(devices, colors, quick, tmp_path):
    settings = {**quick, "runtime.devices": devices, "runtime.strict": True}
    with pytest.raises(InputError, match=r"^runtime.devices: there (is|are) no ") as refused:
        train(colors, settings=settings, out=tmp_path / "run")
    assert "ended with code" not in str(refused.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("repeated", [False, True])
def test_nor_does_the_command(repeated, colors, colors_run, tmp_path):
    refused = ["runtime.devices=cuda:0", "runtime.strict=true"]
    asked = ["train", str(colors), *(part for setting in refused for part in ("--set", setting))]
    if repeated:
        shutil.copytree(colors_run.path, tmp_path / "copy")
        run = RunFolder.open(tmp_path / "copy")
        design = run.design()
        run.write_design(design.model_copy(update={"runtime": Runtime(devices="cuda:0", strict=True)}))
        asked = ["train", "--repeat", str(run.path)]
    done = CliRunner().invoke(app, [*asked, "--out", str(tmp_path / "run")])
    assert isinstance(done.exception, InputError), done.output
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_run_that_cannot_go_on_here_stays(colors, quick, tmp_path):
    settings = {**quick, "runtime.devices": "cuda:0", "runtime.strict": True}
    run = prepare(colors, settings=settings, out=tmp_path / "run").run
    done = CliRunner().invoke(app, ["resume", str(run.path)])
    assert isinstance(done.exception, InputError), done.output
    assert RunFolder.open(run.path).info().status == "failed"
