"""The run folder: whole files for every reader, one writer, and nothing lost."""

import json
import math
import subprocess
import sys
import threading
import time

import polars as pl
import pytest

from viewfinder import events
from viewfinder.atomic import replace
from viewfinder.design import Design, resolve
from viewfinder.errors import RunError
from viewfinder.run import DatasetInfo, ModelInfo, RunFolder, RunInfo

SPLIT = pl.DataFrame({"image": ["a b/ä.png", "c.png"], "split": ["train", "test"], "label": ["x", "y"]})
DATA = DatasetInfo(
    name="pets", source="/data/pets", root="/data/pets", format="folder per class", classes=("x", "y"),
    fingerprint="f" * 64, images=2, counts={"train": 1, "validation": 0, "test": 1}, monitored_split="test",
)  # fmt: skip
INFO = RunInfo(created=1.5, seed=3, dataset=DATA)


@pytest.fixture
def run(tmp_path):
    return RunFolder.create(tmp_path / "run", resolve(Design.model_validate({})), INFO, SPLIT)


def note(message):
    return events.Note(time=1.0, message=message)


def messages(run, offset=0):
    return [event.message for _, event in run.events(offset)]


# -- making and opening -----------------------------------------------------------------------------------------------


def test_what_is_created_is_read_back(run):
    opened = RunFolder.open(run.path)
    assert opened.info() == INFO
    assert opened.design() == resolve(Design.model_validate({}))
    assert opened.split().equals(SPLIT)
    assert {path.name for path in run.path.iterdir()} == {"run.json", "design.yaml", "split.parquet"}
    assert json.loads((run.path / "run.json").read_text(encoding="utf-8"))["status"] == "queued"


def test_an_empty_folder_may_be_used(tmp_path):
    (tmp_path / "deep" / "run").mkdir(parents=True)
    RunFolder.create(tmp_path / "deep" / "run", Design.model_validate({}), INFO, SPLIT)


def test_a_folder_that_holds_anything_is_refused(tmp_path, run):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / ".hidden").touch()
    (tmp_path / "file").touch()
    for path in (tmp_path / "full", tmp_path / "file", run.path):
        with pytest.raises(RunError, match="Choose another with --out"):
            RunFolder.create(path, Design.model_validate({}), INFO, SPLIT)
    assert run.info() == INFO


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="cannot be written"):
        RunFolder.create(tmp_path / "file" / "run", Design.model_validate({}), INFO, SPLIT)


def test_opening_what_is_no_run(tmp_path):
    with pytest.raises(RunError, match="does not exist"):
        RunFolder.open(tmp_path / "none")
    with pytest.raises(RunError, match=r"no run\.json"):
        RunFolder.open(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'{"status": "done"}', b"\xff\xfe", b'{"seed": 1e999}'])
def test_a_damaged_run_json_is_said(run, content):
    (run.path / "run.json").write_bytes(content)
    with pytest.raises(RunError, match=r"run\.json.*cannot be read"):
        run.info()


def test_what_is_not_there_yet_is_said(run):
    assert run.epochs().is_empty()
    assert list(run.events()) == []
    assert run.report() == {}
    with pytest.raises(RunError, match="no epoch is finished"):
        run.model_path()
    with pytest.raises(RunError, match="no epoch is finished"):
        run.predictions()


def test_update_changes_some_fields(run):
    changed = run.update(status="failed", error="no\nspace «left»")
    assert run.info() == changed
    assert (changed.status, changed.error, changed.dataset) == ("failed", "no\nspace «left»", DATA)
    with pytest.raises(ValueError):
        run.update(status="done")
    assert run.info() == changed


# -- events -----------------------------------------------------------------------------------------------------------


def test_events_from_an_offset(run):
    run.append(note("one"))
    ((offset, _),) = run.events()
    run.append(note("zwei ✓"))
    assert messages(run) == ["one", "zwei ✓"]
    assert messages(run, offset) == ["zwei ✓"]


def test_a_torn_last_line_is_ignored_and_read_when_it_is_whole(run):
    run.append(note("one"))
    whole = (note("two ✓").model_dump_json() + "\n").encode()
    path = run.path / "events.jsonl"
    before = path.read_bytes()
    for cut in range(len(whole)):
        path.write_bytes(before + whole[:cut])
        seen = list(run.events())
        assert [event.message for _, event in seen] == ["one"]
    path.write_bytes(before + whole)
    assert messages(run, seen[-1][0]) == ["two ✓"]


def test_an_event_after_a_torn_line_is_kept(run):
    run.append(note("one"))
    with (run.path / "events.jsonl").open("ab") as file:
        file.write(b'{"time": 2.0, "type": "no')
    run.append(note("two"))
    run.append(note("three"))
    assert messages(run) == ["one", "two", "three"]


def test_lines_that_are_no_events_are_passed_over(run):
    run.append(note("one"))
    with (run.path / "events.jsonl").open("ab") as file:
        file.write(b'\n[]\n{"type": "from the future", "time": 1}\n\xff\xfe\n{"type": "note"}\n')
    run.append(note("two"))
    assert messages(run) == ["one", "two"]


def test_every_kind_of_event_is_read_back(run):
    told = [
        events.Started(
            time=1, epoch=1, epochs=2, steps=3, images=4, monitored_split="test", device="cpu", parameters=(5, 6)
        ),
        events.Step(time=2, epoch=1, step=1, steps=3, loss=0.5, learning_rate=1e-3, images_per_second=9.0),
        events.Epoch(
            time=3, epoch=1, learning_rate=1e-3, train_loss=0.5, loss=math.inf, metrics={"f1": None}, best=True,
            patience_left=None, seconds=1.0, images_per_second=9.0,
        ),
        events.Evaluating(time=3, split="test", done=1, images=2),
        events.Diagnostic(time=4, severity="error", kind="corrupt_image", file="ä b.png", reason="It is torn."),
        events.Stopped(time=5, reason="asked"),
        events.Finished(time=6, reason="done", best_epoch=1, metrics={"f1": 0.5}),
        events.Failed(time=7, error="a\nb"),
    ]  # fmt: skip
    for event in told:
        run.append(event)
    lines = (run.path / "events.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(told)
    assert all(json.loads(line)["type"] for line in lines)
    back = [event for _, event in run.events()]
    assert [type(event) for event in back] == [type(event) for event in told]
    assert [b for b in back if b.type != "epoch"] == [t for t in told if t.type != "epoch"]


# -- epochs.csv -------------------------------------------------------------------------------------------------------


def test_epochs_are_read_back_with_undefined_values(run):
    rows = [{"epoch": 1, "test_loss": 0.5, "test_roc_auc": None}, {"epoch": 2, "test_loss": 1e-7, "test_roc_auc": 0.25}]
    run.write_epochs(rows)
    text = (run.path / "epochs.csv").read_bytes()
    assert text.splitlines()[0] == b"epoch,test_loss,test_roc_auc"
    assert b"\r" not in text
    assert run.epochs().to_dicts() == rows


def test_a_torn_row_of_epochs_is_ignored(run):
    rows = [{"epoch": 1, "test_loss": 0.5}, {"epoch": 2, "test_loss": 0.25}]
    run.write_epochs(rows)
    path = run.path / "epochs.csv"
    path.write_bytes(path.read_bytes()[:-3])
    assert run.epochs().to_dicts() == rows[:1]
    run.write_epochs([])
    assert run.epochs().is_empty()


# -- whole files ------------------------------------------------------------------------------------------------------


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(file):
        file.write(b"new")
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        replace(path, fail)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_reader_never_sees_half_a_file(run):
    """Whole models, run.json and epochs.csv, while another thread replaces them."""
    done = threading.Event()

    def write():
        number = 0
        while not done.is_set():
            number += 1
            run.update(error=str(number) * 500)
            run.write_epochs([{"epoch": n, "loss": 0.5} for n in range(1, 50)])
            run.write_text("big.txt", "x" * 300_000)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        until = time.monotonic() + 0.7
        while time.monotonic() < until:
            info = run.info()
            assert info.dataset == DATA
            assert run.epochs().height in (0, 49)
            if (run.path / "big.txt").exists():
                assert (run.path / "big.txt").stat().st_size == 300_000
    finally:
        done.set()
        thread.join()


def test_a_model_is_read_back(run):
    info = ModelInfo(
        model="efficientnet_lite0", task="classification", classes=("x", "y"), input_size=32, mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5), batch_norm="frozen", epoch=2, provenance={"fingerprint": "f"},
    )  # fmt: skip
    run.write_model(info, lambda file: file.write(b"weights"))
    assert run.model_info() == info
    assert (run.model_path() / "model.safetensors").read_bytes() == b"weights"
    (run.path / "model" / "model.json").write_text("{}")
    with pytest.raises(RunError, match="cannot be read as a model"):
        run.model_info()


# -- one writer -------------------------------------------------------------------------------------------------------

HOLD = """
import sys, time
from pathlib import Path
from viewfinder.run import RunFolder
with RunFolder(Path(sys.argv[1])).locked():
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_lock_is_one_processs_and_released_when_it_is_killed(run):
    assert not run.is_alive()
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(run.path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        assert run.is_alive()
        with pytest.raises(RunError, match="being trained by another process"), run.locked():
            pytest.fail("two writers")
        assert run.info() == INFO  # reading needs no lock
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    assert not run.is_alive()
    with run.locked():
        pass


def test_the_lock_is_released_after_an_error(run):
    with pytest.raises(ZeroDivisionError), run.locked():
        raise ZeroDivisionError
    with run.locked():
        pass


def test_asking_to_stop(run):
    assert not run.stop_requested
    run.request_stop()
    assert run.stop_requested
    assert (run.path / "stop").is_file()
    run.clear_stop()
    run.clear_stop()
    assert not run.stop_requested


def test_a_damaged_run_json_is_said_in_one_line(tmp_path):
    (tmp_path / "run.json").write_text('{"status": "done"}', encoding="utf-8")
    with pytest.raises(RunError) as caught:
        RunFolder.open(tmp_path).info()
    assert "cannot be read as a run: status: Input should be" in str(caught.value)
    assert "pydantic" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_lost_split_is_said(tmp_path):
    with pytest.raises(RunError, match=r"split\.parquet' cannot be read"):
        RunFolder(tmp_path).split()
