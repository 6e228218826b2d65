"""The command line as a process: exit codes, streams, Ctrl-C, a terminal, and how fast help is there."""

import ast
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from viewfinder.run import RunFolder

VIEWFINDER = [sys.executable, "-m", "viewfinder"]
posix = pytest.mark.skipif(sys.platform == "win32", reason="signals and terminals as POSIX has them")


def settings(quick, **more):
    return [word for name, value in {**quick, **more}.items() for word in ("--set", f"{name}={value}")]


def test_train_reports_on_stdout_and_tells_on_stderr(colors, quick, tmp_path):
    command = [*VIEWFINDER, "train", str(colors), "--out", str(tmp_path / "a run"), *settings(quick), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["status"], result["epochs_done"], result["judged_on"]["split"]) == ("finished", 2, "test")
    assert result["metrics"]["accuracy"] == RunFolder(tmp_path / "a run").report()["metrics"]["accuracy"]
    lines = done.stderr.splitlines()
    assert lines[0] == "Data: colors, 30 images (24 train, 6 test), 3 classes"
    assert lines[1].startswith("Model: efficientnet_lite0, 3 of 9 backbone layers retrained, weights from the package")
    assert re.match(r"Expected: .* an epoch, .* for at most 2 epochs, about \d\.\d GB of memory$", lines[2])
    assert lines[3] == f"Run: {tmp_path / 'a run'}"
    assert re.search(
        r"^epoch 2/2  train loss \d\.\d{4}  test loss \d\.\d{4}  roc_auc \d\.\d{4}.*patience", done.stderr, re.M
    )
    assert "\x1b" not in done.stderr


@posix
def test_ctrl_c_exits_130_and_says_how_to_go_on(colors, quick, tmp_path):
    command = [
        *VIEWFINDER,
        "train",
        str(colors),
        "--out",
        str(tmp_path / "run"),
        *settings(quick, **{"training.epochs": 400}),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        lines = []
        for line in process.stderr:
            lines.append(line)
            if line.startswith("epoch 1/400"):
                process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert process.stdout.read() == ""
    assert "stopping after this step; press again to end at once\n" in lines
    assert re.fullmatch(
        rf"Stopped after \d+ epochs?; the best model is kept\. To go on: viewfinder resume {tmp_path / 'run'}\n",
        lines[-1],
    )
    assert RunFolder(tmp_path / "run").info().status == "stopped"


@posix
def test_the_systems_wish_to_stop_is_a_stop_too(colors, quick, tmp_path):
    command = [
        *VIEWFINDER,
        "train",
        str(colors),
        "--out",
        str(tmp_path / "run"),
        "--json",
        *settings(quick, **{"training.epochs": 400}),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            if line.startswith("Training on"):
                process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 130
        assert json.loads(process.stdout.read())["status"] == "stopped"
    assert RunFolder(tmp_path / "run").info().status == "stopped"


@posix
def test_a_terminal_shows_the_training_live(colors, quick, tmp_path):
    import pty

    master, slave = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120"}
    chosen = settings({**quick, "training.epochs": 12, "training.early_stopping.patience": 12})
    command = [*VIEWFINDER, "train", str(colors), "--out", str(tmp_path / "run"), *chosen]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=slave, env=environment)
    os.close(slave)
    seen = b""
    while True:
        try:
            chunk = os.read(master, 4096)
        except OSError:  # the other side is closed
            break
        if not chunk:
            break
        seen += chunk
    os.close(master)
    out = process.communicate()[0]
    assert process.returncode == 0
    assert b"Finished after 12 epochs" in out
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen.decode())
    assert re.search(r"epoch 12/12  train loss", text)
    assert len(set(re.findall(r"epoch (\d+)/12 .*step \d+/3  loss", text))) > 1
    assert "best" in text
    assert "patience 12 of 12" in text


@posix
@pytest.mark.parametrize(
    ("redirection", "code", "says"),
    [
        ("| head -1 >/dev/null", 0, ""),
        (">&-", 0, ""),
        (">/dev/full", 1, "viewfinder: error: the result cannot be written to stdout: No space left on device\n"),
        ("2>/dev/full", 0, ""),
        ("no-run 2>/dev/full", 2, ""),
    ],
)
def test_a_stream_that_takes_nothing_more(colors_run, redirection, code, says):
    if "/dev/full" in redirection and not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    compare = f'"{sys.executable}" -m viewfinder compare "{colors_run.path}" "{colors_run.path}" --json {redirection}'
    command = ["bash", "-c", f"set -o pipefail; {compare}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (code, says)


def _fastest(code, times=5):
    def once():
        begin = time.perf_counter()
        subprocess.run([sys.executable, *code], capture_output=True, check=True)
        return time.perf_counter() - begin

    return min(once() for _ in range(times))


def test_help_imports_nothing_heavy_and_is_there_at_once():
    names = "sorted({name.split('.')[0] for name in sys.modules})"
    code = f"import sys\nfrom viewfinder import cli\ncli.run(['--help'])\nprint({names})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(ast.literal_eval(done.stdout.splitlines()[-1]))
    heavy = {
        "torch",
        "numpy",
        "polars",
        "pydantic",
        "yaml",
        "PIL",
        "sklearn",
        "matplotlib",
        "rich",
        "torchvision",
        "timm",
    }
    assert loaded & heavy == set()
    bare, full = _fastest(["-c", "import typer"]), _fastest(["-m", "viewfinder", "--help"])
    assert full < max(0.4, 3 * bare)  # 0.4 s is promised; on a busy machine, the same against what typer alone takes
