"""Saved models: deployed, in versions, one active, and where each came from."""

import io
import threading
import zipfile

import pytest

from viewfinder.errors import NotFoundError, RunError, StoreError
from viewfinder.run import read_model_info
from viewfinder.service.library import names, runs, saved
from viewfinder.store import SavedModel


def test_a_run_becomes_a_version_and_the_next_one_the_next(library, trained, colors_analysis):
    first = saved.deploy(library, trained("r1"), name=" Pets ")
    model = library.get(SavedModel, first.saved_model_id)
    assert (model.name, model.task, model.active, first.number) == ("Pets", "classification", 1, 1)
    second = saved.deploy(library, trained("r2"), model, notes="more epochs", activate=False)
    third = saved.deploy(library, trained("r3"), model)
    assert [one.number for one in saved.versions(library, model)] == [3, 2, 1]
    assert library.get(SavedModel, model.id).active == 3
    assert (second.run_id, second.notes) == ("r2", "more epochs")
    kept = saved.folder(library, third)
    assert kept == library.home / "models" / model.id / "3"
    ours = (library.home / "runs" / "r3" / "model" / "model.safetensors").read_bytes()
    assert (kept / "model.safetensors").read_bytes() == ours
    assert read_model_info(kept).classes == ("blue", "green", "red")
    assert sorted(path.name for path in kept.parent.iterdir()) == ["1", "2", "3"]  # nothing half-copied is left
    names.write_notes(library, third, "in the shop")
    assert saved.get_version(library, model, 3).notes == "in the shop"


def test_where_a_version_came_from_is_known(library, trained, colors_analysis):
    version = saved.deploy(library, trained("r1"), name="Pets")
    origin = saved.origin(library, version)
    assert (origin.entry.row.id, origin.analysis.id, origin.dataset.name) == ("r1", colors_analysis.id, "colors")
    assert (origin.entry.title, origin.entry.score is not None) == ("ROC AUC", True)
    assert origin.bytes > 1_000_000


def test_another_version_is_activated_and_rolled_back(library, trained):
    first = saved.deploy(library, trained("r1"), name="Pets")
    model = library.get(SavedModel, first.saved_model_id)
    for identity in ("r2", "r3"):
        saved.deploy(library, trained(identity), model)
    assert saved.roll_back(library, model).active == 2
    assert saved.roll_back(library, model).active == 1
    with pytest.raises(StoreError, match="no version before 1"):
        saved.roll_back(library, model)
    assert saved.activate(library, model, 3).active == 3
    with pytest.raises(NotFoundError, match="no version 4"):
        saved.activate(library, model, 4)


def test_a_model_that_answers_otherwise_is_refused(library, trained, colors_run, squares_run, colors_analysis):
    first = saved.deploy(library, trained("r1"), name="Pets")
    model = library.get(SavedModel, first.saved_model_id)
    with pytest.raises(StoreError, match="'Pets' does classification, the model of 'Run boxes' detection"):
        saved.deploy(library, trained("boxes", source=squares_run), model)
    for identity, classes, said in (
        ("order", ("red", "green", "blue"), r"classes in another order \(red, green, blue\) than 'Pets' \(blue, green"),
        ("fewer", ("blue", "green"), r"other classes \(blue, green\) than"),
    ):
        row = trained(identity)
        folder = runs.folder(library, row)
        info = folder.model_info().model_copy(update={"classes": classes})
        (folder.path / "model" / "model.json").write_text(info.model_dump_json())
        with pytest.raises(StoreError, match=said):
            saved.deploy(library, row, model)
    assert len(saved.versions(library, model)) == 1


def test_what_cannot_be_deployed_is_said_and_leaves_nothing(library, trained):
    with pytest.raises(RunError, match="is not over yet"):
        saved.deploy(library, trained("r1", "running"), name="Pets")
    row = trained("r2")
    with pytest.raises(StoreError, match="cannot be empty"):
        saved.deploy(library, row, name=" ")
    saved.deploy(library, row, name="Pets")
    with pytest.raises(StoreError, match="already is a saved model 'Pets'"):
        saved.deploy(library, row, name="Pets")
    (library.home / row.folder / "model" / "model.safetensors").unlink()
    with pytest.raises(RunError, match="is not complete"):
        saved.deploy(library, row, name="Cats")
    assert [model.name for model in saved.saved_models(library)] == ["Pets"]
    assert len(list((library.home / "models").glob("*/*"))) == 1


def test_two_who_deploy_at_once_get_two_versions(library, trained):
    first = saved.deploy(library, trained("r1"), name="Pets")
    model = library.get(SavedModel, first.saved_model_id)
    rows = [trained(f"x{number}") for number in range(4)]
    threads = [threading.Thread(target=saved.deploy, args=(library, row, model)) for row in rows]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one.number for one in saved.versions(library, model)] == [5, 4, 3, 2, 1]
    assert all((saved.folder(library, one) / "model.json").is_file() for one in saved.versions(library, model))


def test_a_version_is_downloaded_as_a_zip(library, trained):
    version = saved.deploy(library, trained("r1"), name="Pets")
    folder = saved.folder(library, version)
    with zipfile.ZipFile(io.BytesIO(b"".join(saved.zipped(folder, 100_000)))) as archive:
        assert archive.testzip() is None
        assert sorted(archive.namelist()) == ["model.json", "model.safetensors"]
        assert archive.read("model.safetensors") == (folder / "model.safetensors").read_bytes()
