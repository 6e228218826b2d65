"""Batches: uploaded images that a model predicts in the background, one batch at a time."""

import io
import json
import os
import shutil
import signal
import tempfile
import time
import zipfile

import polars as pl
import pytest
from PIL import Image

from coroutines import run_async
from runs import processes_of
from viewfinder.errors import NotFoundError, StateError
from viewfinder.service.library import batches, uploads
from viewfinder.service.library.library import Library


@pytest.fixture
def upload(library, tmp_path):
    """upload({name: bytes}): the id of an upload of files."""

    async def chunks(content):
        yield content

    def make(files):
        identity = uploads.begin(library)
        for name, content in files.items():
            run_async(uploads.receive(library, identity, name, chunks(content)))
        return identity

    return make


@pytest.fixture
def images(colors):
    return {f"in/{path.name}": path.read_bytes() for path in (colors / "red").glob("* [0-4].png")}


def over(*found, seconds=60):
    end = time.monotonic() + seconds
    while not all(batch.state in batches.OVER for batch in found):
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture
def begun(library, upload, squares_run):
    """begun(number): a batch of so many images, of which the first is done."""
    content = io.BytesIO()
    Image.new("RGB", (64, 64)).save(content, "PNG")

    def begin(number):
        files = upload({f"{one}.png": content.getvalue() for one in range(number)})
        batch = batches.of_upload(library, files, "many", squares_run.path / "model")
        end = time.monotonic() + 60
        while not batch.done:
            assert time.monotonic() < end
            time.sleep(0.02)
        return batch

    return begin


def restarted(library):
    """Return the library as the next server finds it."""
    opened = Library.open(library.home)
    opened.database.close()
    batches.recall(opened)
    return opened


def test_batches_queue_and_can_be_stopped(library, upload, images, squares_run):
    model = squares_run.path / "model"
    with library.heavy:  # something else computes
        first = batches.of_upload(library, upload({**images, "broken.png": b"no", "a.txt": b"text"}), "first", model)
        second = batches.of_upload(library, upload(images), "second", model)
        assert (first.state, second.state) == ("waiting", "waiting")
        batches.stop(second)
        with pytest.raises(StateError, match="'first' is waiting"):
            batches.delete(library, first.id)
    over(first, second)
    assert (first.state, second.state, first.error) == ("finished", "stopped", None)
    assert (first.done, first.total) == (6, 6)
    assert [one.file for one in first.unreadable] == ["broken.png"]
    table = pl.read_csv(first.csv)
    assert table["image"].to_list() == [f"in/red {number}.png" for number in range(5)]
    least = squares_run.info().threshold
    found = [box["confidence"] for text in table["boxes"] for box in pl.Series([text]).str.json_decode(
        pl.List(pl.Struct({"confidence": pl.Float64}))).to_list()[0]]  # fmt: skip
    assert all(confidence >= least for confidence in found)
    assert batches.of_model(library, model) == [second, first]
    names = [f"{first.id}.csv", f"{first.id}.json", f"{second.id}.json", second.id]
    assert sorted(path.name for path in (library.home / "predictions").iterdir()) == sorted(names)
    with pytest.raises(NotFoundError):
        batches.get(library, "gone")
    batches.delete(library, second.id)
    assert not second.files.exists()


def test_batches_are_known_after_a_restart_until_they_are_deleted(library, upload, images, tmp_path, squares_run):
    model = library.home / "runs" / "one" / "model"
    shutil.copytree(squares_run.path / "model", model)
    first, second = (
        batches.of_upload(library, upload({**images, "broken.png": b"no"}), name, model) for name in ("first", "second")
    )
    over(first, second)
    moved = Library.open(library.home.rename(tmp_path / "elsewhere"))  # a library may be moved
    batches.recall(moved)
    found = batches.of_model(moved, moved.home / "runs" / "one" / "model")
    assert [(one.id, one.name, one.state, one.total) for one in found] == [
        (second.id, "second", "finished", 6),
        (first.id, "first", "finished", 6),
    ]
    assert found[0].unreadable == second.unreadable
    assert pl.read_csv(found[0].csv).height == 5
    batches.delete(moved, first.id)
    assert [one.id for one in batches.batches(moved)] == [second.id]
    assert {path.stem for path in (moved.home / "predictions").iterdir()} == {second.id}
    moved.database.close()


def test_what_a_killed_server_left_goes_on(library, upload, images, squares_run):
    with library.heavy:
        batch = batches.of_upload(library, upload(images), "first", squares_run.path / "model")
        folder = library.home / "predictions"
        (folder / f".{batch.id}.csv.1").write_bytes(b"half")
        (folder / "torn.json").write_bytes(b"{")
        (folder / "left").mkdir()
        (batch.files / batches.UNPACKING).mkdir()
        (batch.files / batches.UNPACKING / "half.png").write_bytes(b"half")
        batches.stop_all(library)
    over(batch)
    assert batch.state == "interrupted"
    (found,) = batches.batches(restarted(library))
    over(found)
    assert (found.id, found.name, found.state, found.done, found.unreadable) == (batch.id, "first", "finished", 5, ())
    assert pl.read_csv(found.csv)["image"].to_list() == sorted(images)
    assert {path.name for path in folder.iterdir()} == {f"{batch.id}.json", f"{batch.id}.csv", "torn.json"}


@pytest.mark.parametrize("lost", ["images", "patience"])
def test_a_batch_that_cannot_go_on_is_interrupted(library, upload, images, squares_run, lost):
    with library.heavy:
        batch = batches.of_upload(library, upload(images), "first", squares_run.path / "model")
        batches.stop_all(library)
    over(batch)
    told = json.loads(batch.csv.with_suffix(".json").read_text())
    assert (told["state"], told["starts"]) == ("waiting", 0)
    if lost == "images":
        shutil.rmtree(batch.files)
    else:
        batch.csv.with_suffix(".json").write_text(json.dumps({**told, "starts": batches.MOST_STARTS}))
    opened = restarted(library)
    (found,) = batches.batches(opened)
    assert found.state == "interrupted"
    assert found.resumable == (lost == "patience")
    if lost == "images":
        with pytest.raises(StateError, match="has lost its images: send them again"):
            batches.resume(opened, found.id)
        return
    batches.resume(opened, found.id)
    over(found)
    assert (found.state, pl.read_csv(found.csv).height) == ("finished", 5)
    assert not found.files.exists()
    with pytest.raises(StateError, match="is finished"):
        batches.resume(opened, found.id)


def test_one_that_was_stopped_goes_on_where_it_was(library, begun):
    batch = begun(150)
    with pytest.raises(StateError, match="is running"):
        batches.resume(library, batch.id)
    batches.stop(batch)
    over(batch)
    assert batch.state == "stopped"
    assert 0 < batch.done < 150
    (found,) = batches.batches(opened := restarted(library))
    assert found.state == "stopped"
    told = []
    found.progress = lambda done, total: told.append(done)
    batches.resume(opened, found.id)
    over(found)
    assert (found.state, pl.read_csv(found.csv).height) == ("finished", 150)
    assert told[0] >= batch.done


def test_one_that_failed_is_tried_again(library, upload, images, tmp_path, squares_run):
    model = shutil.copytree(squares_run.path / "model", tmp_path / "model")
    weights = (model / "model.safetensors").rename(tmp_path / "elsewhere")
    batch = batches.of_upload(library, upload(images), "first", model)
    over(batch)
    assert (batch.state, batch.resumable) == ("failed", True)
    assert batch.error
    weights.rename(model / "model.safetensors")
    batches.resume(library, batch.id)
    over(batch)
    assert (batch.state, batch.error, pl.read_csv(batch.csv).height) == ("finished", None, 5)


def test_more_than_a_hundred_images(library, upload, colors, colors_run):
    contents = [path.read_bytes() for path in sorted(colors.glob("*/*.png"))]
    files = {f"{number:03}.png": contents[number % len(contents)] for number in range(130)}
    batch = batches.of_upload(library, upload(files), "many", colors_run.path / "model")
    over(batch)
    assert (batch.state, batch.done, batch.total, batch.error) == ("finished", 130, 130, None)
    table = pl.read_csv(batch.csv)
    assert table["image"].to_list() == list(files)
    again = table["prediction"].to_list()
    assert again[: 130 - len(contents)] == again[len(contents) :]


def test_one_that_runs_is_stopped_after_an_image(library, begun):
    batch = begun(400)
    batches.stop_all(library)
    over(batch)
    assert batch.state == "interrupted"
    assert 0 < batch.done < 400
    assert not batch.csv.exists()
    assert json.loads(batch.csv.with_suffix(".json").read_text())["starts"] == 0, "this one got on"


@pytest.mark.skipif(os.name != "posix", reason="processes are looked up as on Linux and macOS")
def test_one_whose_engine_is_told_to_end_goes_on_later(library, begun, tmp_path, monkeypatch):
    """As when the system stops a service: its processes are told before the server itself notices."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    batch = begun(150)
    (process,) = processes_of(tmp_path / "viewfinder-")
    os.kill(process, signal.SIGTERM)
    over(batch)
    assert (batch.state, batch.error) == ("interrupted", None)
    (again,) = batches.batches(restarted(library))
    assert again.done >= batch.done > 0
    over(again)
    assert (again.state, pl.read_csv(again.csv).height) == ("finished", 150)


def test_a_zip_is_unpacked(library, upload, images, squares_run):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in images.items():
            archive.writestr(name, content)
    batch = batches.of_upload(library, upload({"reds.zip": packed.getvalue()}), "reds", squares_run.path / "model")
    torn = batches.of_upload(library, upload({"torn.zip": packed.getvalue()[:200]}), "torn", squares_run.path / "model")
    over(batch, torn)
    assert batch.error is None
    assert pl.read_csv(batch.csv)["image"].to_list() == [f"reds/in/red {number}.png" for number in range(5)]
    assert torn.state == "failed"
    assert "torn.zip" in torn.error


def test_what_cannot_be_predicted_is_said(library, upload, squares_run, tmp_path, images):
    empty = batches.of_upload(library, upload({"a.txt": b"text"}), "notes", squares_run.path / "model")
    gone = batches.of_upload(library, upload(images), "red", tmp_path / "no model")
    over(empty, gone)
    assert (empty.state, gone.state) == ("failed", "failed")
    assert empty.error == "'notes' holds no images that can be read."
    assert "no model" in gone.error
