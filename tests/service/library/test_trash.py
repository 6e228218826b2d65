"""The trash: what depends on what, Undo, a week, and a crash at every step."""

import shutil

import pytest
import sqlalchemy as sa

from viewfinder.errors import NotFoundError, StoreError
from viewfinder.service.library import analyses, datasets, runs, saved, trash
from viewfinder.store import Analysis, Dataset, Run, SavedModel

WEEK = 7 * 24 * 3600


@pytest.fixture
def clock(library):
    """A clock that is moved by hand."""
    now = [1_000_000.0]
    library.clock = lambda: now[0]
    return now


def names(library):
    return [(item.kind, item.name) for item in trash.items(library)]


def test_what_is_deleted_leaves_the_lists_and_comes_back(library, colors_analysis, trained):
    row = trained("r1")
    item = trash.discard(library, row)
    assert runs.runs(library) == []
    with pytest.raises(NotFoundError, match="The run 'Run r1' is in the trash"):
        library.get(Run, "r1")
    with pytest.raises(NotFoundError, match="is in the trash"):
        runs.resume(library, row, more=1)  # from a page that was open before
    assert runs.unfinished(library) == []
    trash.discard(library, colors_analysis)
    dataset = library.get(Dataset, colors_analysis.dataset_id)
    trash.discard(library, dataset)
    assert (analyses.analyses(library), datasets.datasets(library)) == ([], [])
    assert names(library) == [("dataset", "colors"), ("analysis", "Colours"), ("run", "Run r1")]
    trash.restore(library, item.kind, item.id)  # with what it belongs to
    assert names(library) == []
    assert runs.info(library, library.get(Run, "r1")).status == "finished"
    assert datasets.index(library, library.get(Dataset, dataset.id)).fingerprint == dataset.fingerprint
    with pytest.raises(NotFoundError, match="no run 'r1' in the trash"):
        trash.restore(library, "run", "r1")


def test_what_something_depends_on_is_not_deleted_and_that_is_named(library, colors_analysis, trained):
    dataset = library.get(Dataset, colors_analysis.dataset_id)
    analyses.create(library, dataset, "Other")
    with pytest.raises(StoreError, match=r"'colors' is used by the analyses 'Colours', 'Other'\. Delete them first"):
        trash.discard(library, dataset)
    row = trained("r1")
    with pytest.raises(StoreError, match=r"'Colours' is used by the run 'Run r1'\. Delete it first"):
        trash.discard(library, colors_analysis)
    saved.deploy(library, row, name="Pets")
    with pytest.raises(StoreError, match="'Run r1' is used by the saved model 'Pets'"):
        trash.discard(library, row)
    trash.discard(library, saved.saved_models(library)[0])
    with pytest.raises(StoreError, match=r"'Pets' \(in the trash"):
        trash.discard(library, row)
    for state, word in (("queued", "waiting"), ("running", "training")):
        with pytest.raises(StoreError, match=f"is {word}. Stop it first"):
            trash.discard(library, trained(state, state))


def test_after_a_week_rows_and_files_are_gone_and_nothing_else(library, clock, colors_analysis, trained, colors):
    trained("kept")
    row, other = trained("r1"), analyses.create(library, datasets.add(library, colors, name="twin"))
    trash.discard(library, row)
    trash.discard(library, other)
    clock[0] += WEEK - 1
    twin = library.get(Dataset, other.dataset_id)
    trash.discard(library, twin)
    assert trash.empty(library) == 0
    assert (library.home / "runs" / "r1").is_dir()
    clock[0] += 1
    assert trash.empty(library) == 2
    assert names(library) == [("dataset", "twin")]
    assert sorted(path.name for path in (library.home / "runs").iterdir()) == ["kept"]
    clock[0] += WEEK
    assert trash.empty(library) == 1
    assert not (library.home / "datasets" / twin.id).exists()
    assert colors.is_dir()  # a folder of the user's own
    assert list((library.home / "trash").iterdir()) == []


def test_now_takes_what_is_in_the_trash_along(library, colors_analysis, trained):
    trash.discard(library, trained("r1"))
    trash.discard(library, colors_analysis)
    dataset = library.get(Dataset, colors_analysis.dataset_id)
    trash.discard(library, dataset)
    trash.remove(library, "dataset", dataset.id)
    assert names(library) == []
    with library.database.reading() as session:
        assert [session.scalars(sa.select(kind)).all() for kind in (Dataset, Analysis, Run)] == [[], [], []]
    assert list((library.home / "runs").iterdir()) == []
    with pytest.raises(NotFoundError):
        trash.remove(library, "dataset", dataset.id)


def test_a_saved_model_goes_with_its_versions_and_frees_its_run(library, trained):
    row = trained("r1")
    saved.deploy(library, row, name="Pets")
    (model,) = saved.saved_models(library)
    trash.discard(library, model)
    assert saved.saved_models(library) == []
    trash.remove(library, "saved model", model.id)
    assert not (library.home / "models" / model.id).exists()
    trash.discard(library, row)
    saved.deploy(library, trained("r2"), name="Pets")  # the name is free again
    assert library.get(SavedModel, saved.saved_models(library)[0].id).active == 1


def test_uploaded_images_go_with_their_dataset(library, colors, clock):
    for name in ("u1", "u2"):
        shutil.copytree(colors, library.home / "datasets" / "files" / name / "my colors")
    one, two = (datasets.add(library, library.home / "datasets" / "files" / n / "my colors") for n in ("u1", "u2"))
    shared = datasets.add(library, library.home / "datasets" / "files" / "u2" / "my colors", name="shared")
    for row in (one, two):
        trash.discard(library, row)
        trash.remove(library, "dataset", row.id)
    assert [path.name for path in (library.home / "datasets" / "files").iterdir()] == ["u2"]  # another one uses it
    assert datasets.index(library, shared).path("blue/blue 0.png").is_file()


def test_a_deleted_sample_stays_away(library):
    rows = datasets.add_samples(library)
    digits = next(row for row in rows if row.sample == "digits")
    trash.discard(library, digits)
    assert datasets.add_samples(library) == []
    trash.remove(library, "dataset", digits.id)
    assert datasets.add_samples(library) == []
    assert not (library.home / "samples" / "digits").exists()


def test_a_crash_after_the_files_were_moved_loses_nothing(library, trained, monkeypatch):
    trash.discard(library, trained("r1"))
    with monkeypatch.context() as patch:
        patch.setattr(library.database, "writing", lambda: 1 / 0)  # as if the process ended here
        with pytest.raises(ZeroDivisionError):
            trash.remove(library, "run", "r1")
    assert not (library.home / "runs" / "r1").exists()
    trash.empty(library)
    trash.restore(library, "run", "r1")
    assert runs.info(library, library.get(Run, "r1")).status == "finished"


def test_a_crash_before_the_files_were_removed_leaves_nothing_for_long(library, trained, monkeypatch):
    trash.discard(library, trained("r1"))
    with monkeypatch.context() as patch:
        patch.setattr(trash.shutil, "rmtree", lambda *args, **options: None)
        trash.remove(library, "run", "r1")
    assert list((library.home / "trash").iterdir()) != []
    trash.empty(library)
    assert list((library.home / "trash").iterdir()) == []


def test_a_run_that_was_made_elsewhere_keeps_its_folder(library, colors_analysis, colors_run, tmp_path):
    shutil.copytree(colors_run.path, tmp_path / "elsewhere")
    row = Run("r9", colors_analysis.id, "Elsewhere", str(tmp_path / "elsewhere"), "finished", 1.0)
    with library.database.writing() as session:
        session.add(row)
    trash.discard(library, row)
    trash.remove(library, "run", "r9")
    assert (tmp_path / "elsewhere" / "run.json").is_file()
