"""Training and predicting talk to nobody: neither this process, nor the engine's, nor those that load images."""

import json
import os
import shutil
import socket
import subprocess
import sys

import polars as pl
import pytest

from viewfinder import lock
from viewfinder.engine import __main__ as engine

BOTH = pytest.mark.parametrize("name", ["colors", "squares"])

# Python imports it at its start, in every process: a connection or a look-up of a name is written down and refused.
GUARD = """
import os, socket
def refuse(*arguments, **named):
    with open(os.environ["CALLS"], "a") as file:
        file.write(repr(arguments) + "\\n")
    raise OSError("no connection is made here")
class Guarded(socket.socket):
    def connect(self, address):
        if self.family != getattr(socket, "AF_UNIX", None):
            refuse(address)
        return super().connect(address)
    def connect_ex(self, address):
        return self.connect(address)
    def sendto(self, *arguments):
        refuse(*arguments)
socket.socket = Guarded
socket.getaddrinfo = socket.gethostbyname = socket.create_connection = refuse
"""


@pytest.fixture
def guarded(tmp_path):
    """Return a function that runs the engine in a guarded process, and the file of refused calls."""
    (tmp_path / "guard").mkdir()
    (tmp_path / "guard" / "sitecustomize.py").write_text(GUARD)
    calls = tmp_path / "calls.txt"
    path = os.pathsep.join([str(tmp_path / "guard"), *filter(None, sys.path)])
    environment = {**os.environ, "PYTHONPATH": path, "CALLS": str(calls)}
    environment.pop("PYTHONSAFEPATH", None)

    def run(*arguments):
        command = [sys.executable, *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)

    return run, calls


def test_the_guard_catches(guarded):
    run, calls = guarded
    code = "import urllib.request as u\ntry: u.urlopen('http://127.0.0.1:9', timeout=1)\nexcept OSError as e: print(e)"
    assert "no connection is made here" in run("-c", code).stdout
    assert calls.read_text()


@BOTH
def test_the_engines_process_connects_to_nobody(name, guarded, queued, colors, squares, tmp_path):
    run, calls = guarded
    source = {"colors": colors, "squares": squares}[name]
    made = queued(source, {"training.epochs": 1, "runtime.workers": 1})
    result = run("-m", "viewfinder.engine", "train", str(made.path))
    assert result.returncode == 0, result.stderr
    assert made.info().status == "finished"
    job = tmp_path / "job"
    job.mkdir()
    (job / "request.json").write_text(json.dumps({"run": str(made.path), "threshold": None, "parts": str(job)}))
    images = [f"{source}/{image}" for image in made.split().filter(split="test")["image"]]
    broken = tmp_path / "torn.png"
    broken.write_bytes(b"torn")
    pl.DataFrame({"image": [*images, str(broken)]}).write_parquet(job / "images.parquet")
    with lock.take(job / "asked.lock"):
        result = run("-m", "viewfinder.engine", "predict", str(job))
    assert result.returncode == 0, result.stderr
    (part,) = job.glob("part-*.parquet")
    predicted = pl.read_parquet(part)
    assert predicted.filter(pl.col("error").is_null())["image"].to_list() == images
    assert predicted.filter(pl.col("error").is_not_null())["image"].to_list() == [str(broken)]
    assert not calls.exists(), calls.read_text()


def test_this_process_connects_to_nobody(queued, colors, monkeypatch):
    def refuse(*arguments):
        pytest.fail(f"a connection: {arguments}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    made = queued(colors, {"training.epochs": 1})
    assert engine.main(["train", str(made.path)]) == 0


# -- how the process ends ---------------------------------------------------------------------------------------------


def test_exit_codes(queued, colors, tmp_path, capsys):
    stopped = queued(colors)
    stopped.request_stop()
    assert engine.main(["train", str(stopped.path)]) == 130
    assert engine.main(["train", str(tmp_path / "none")]) == 2
    assert "does not exist" in capsys.readouterr().err

    gone = queued(shutil.copytree(colors, tmp_path / "source"))
    shutil.rmtree(tmp_path / "source")
    assert engine.main(["train", str(gone.path)]) == 1

    other = queued(colors)
    other.update(weights=str(tmp_path / "none.pth"))
    assert engine.main(["train", str(other.path)]) == 2
    assert "efficientnet_lite0" in other.info().error
    assert "Traceback" not in capsys.readouterr().err


def test_a_job_that_nobody_waits_for_predicts_nothing(finished, tmp_path):
    """Whoever asked holds a lock for as long as it waits; that of a killed command is free."""
    run = finished("colors")
    image = f"{run.info().dataset.root}/{run.predictions()['image'][0]}"
    (tmp_path / "request.json").write_text(
        json.dumps({"run": str(run.path), "threshold": None, "parts": str(tmp_path)})
    )
    pl.DataFrame({"image": [image]}).write_parquet(tmp_path / "images.parquet")
    assert engine.main(["predict", str(tmp_path)]) == 130
    assert not list(tmp_path.glob("part-*"))


def test_a_job_that_fails_says_why(tmp_path):
    (tmp_path / "request.json").write_text(json.dumps({"run": str(tmp_path / "none")}))
    pl.DataFrame({"image": ["a.png"]}).write_parquet(tmp_path / "images.parquet")
    assert engine.main(["predict", str(tmp_path)]) == 2
    told = json.loads((tmp_path / "events.jsonl").read_text().splitlines()[-1])
    assert told["type"] == "failed"
    assert "does not exist" in told["error"]
