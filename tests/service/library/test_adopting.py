"""Runs made elsewhere, opened in a library."""

import shutil

import pytest
import sqlalchemy as sa

from viewfinder.errors import NotFoundError, RunError
from viewfinder.run import RunFolder
from viewfinder.service.library import analyses, datasets, runs
from viewfinder.service.library.adopting import adopt
from viewfinder.service.library.judged import Judged
from viewfinder.service.training import reopen, train
from viewfinder.store import Analysis, Dataset, Run


@pytest.fixture
def elsewhere(colors_run, tmp_path):
    """A copy of a finished run, outside of the library."""
    return shutil.copytree(colors_run.path, tmp_path / "elsewhere" / "a run")


def moved(folder, root):
    """Have a run say that its source was at `root`."""
    info = RunFolder(folder).info()
    RunFolder(folder).update(dataset=info.dataset.model_copy(update={"root": str(root), "source": str(root)}))


def test_a_run_is_opened_where_it_is_and_once(library, elsewhere, colors):
    before = {path: path.stat().st_mtime_ns for path in elsewhere.rglob("*")}
    row = adopt(library, elsewhere)
    assert (row.name, row.state, row.folder) == ("a run", "finished", str(elsewhere.resolve()))
    assert runs.info(library, row).epochs_done == 2
    analysis = library.get(Analysis, row.analysis_id)
    dataset = library.get(Dataset, analysis.dataset_id)
    assert analyses.design_of(library, analysis) == RunFolder(elsewhere).design()
    assert (dataset.name, dataset.images, dataset.classes) == ("colors", 30, ["blue", "green", "red"])
    assert datasets.index(library, dataset).fingerprint == RunFolder(elsewhere).info().dataset.fingerprint
    assert {path: path.stat().st_mtime_ns for path in elsewhere.rglob("*") if path.name != "lock"} == {
        path: time for path, time in before.items() if path.name != "lock"
    }
    assert adopt(library, elsewhere / ".." / "a run").id == row.id
    assert len(runs.runs(library)) == len(datasets.datasets(library)) == 1


def test_a_dataset_that_is_there_is_used(library, elsewhere, colors, tmp_path):
    there = datasets.add(library, colors)
    other = shutil.copytree(elsewhere, tmp_path / "another")
    found = {library.get(Analysis, adopt(library, folder).analysis_id).dataset_id for folder in (elsewhere, other)}
    assert found == {there.id}


def test_a_part_of_a_dataset_leads_to_the_whole(library, colors, quick, tmp_path):
    settings = {**quick, "target.classes": ["blue", "red"], "training.epochs": 1}
    trained = train(colors, settings=settings, out=tmp_path / "two colours")
    there = datasets.add(library, colors)
    row = adopt(library, trained.path)
    assert library.get(Analysis, row.analysis_id).dataset_id == there.id


def test_of_a_source_that_is_gone_the_result_is_still_shown(library, elsewhere, tmp_path):
    moved(elsewhere, tmp_path / "gone")
    row = adopt(library, elsewhere)
    dataset = library.get(Dataset, library.get(Analysis, row.analysis_id).dataset_id)
    index = datasets.index(library, dataset)
    assert (dataset.images, dataset.classes, len(index)) == (0, ["blue", "green", "red"], 0)
    assert dataset.fingerprint == runs.info(library, row).dataset.fingerprint != index.fingerprint
    kinds = [found.kind for found in index.diagnostics]
    assert (kinds.count("source_gone"), kinds.count("image_gone")) == (1, 30)
    judged = Judged(runs.folder(library, row))
    assert judged.answers.height == 6
    with pytest.raises(NotFoundError, match="cannot be read any more"):
        judged.picture(0)


def test_of_a_source_that_changed_the_images_that_are_left_are_kept(library, elsewhere, colors, tmp_path):
    changed = shutil.copytree(colors, tmp_path / "changed")
    (changed / "blue" / "blue 3.png").unlink()
    moved(elsewhere, changed)
    row = adopt(library, elsewhere)
    dataset = library.get(Dataset, library.get(Analysis, row.analysis_id).dataset_id)
    index = datasets.index(library, dataset)
    assert (dataset.images, dataset.root) == (29, changed.resolve().as_posix())
    assert [found.file for found in index.diagnostics if found.kind == "image_gone"] == ["blue/blue 3.png"]
    assert index.images["sha256"].str.len_chars().unique().to_list() == [64]
    assert adopt(library, elsewhere).id == row.id


def test_boxes_come_along(library, squares_run, tmp_path):
    elsewhere = shutil.copytree(squares_run.path, tmp_path / "boxes")
    moved(elsewhere, RunFolder(elsewhere).info().dataset.root + "/nowhere")
    info = RunFolder(elsewhere).info()
    RunFolder(elsewhere).update(dataset=info.dataset.model_copy(update={"root": squares_run.info().dataset.root}))
    row = adopt(library, elsewhere)
    index = datasets.index(library, library.get(Dataset, library.get(Analysis, row.analysis_id).dataset_id))
    assert (index.task, len(index), index.count("red")) == ("detection", 12, "6 objects")


def test_opening_a_run_that_waits_or_was_killed_does_not_train_it(library, elsewhere):
    reopen(RunFolder(elsewhere), 4)
    row = adopt(library, elsewhere)
    assert (RunFolder(elsewhere).info().status, row.state) == ("queued", "stopped")
    assert runs.unfinished(library) == []


def test_a_run_of_the_library_itself_is_recognised_and_comes_back_from_the_trash(library, elsewhere):
    row = adopt(library, elsewhere)
    with library.database.writing() as session:
        session.execute(sa.update(Run).values(folder="runs/own", trashed=1.0))
        session.execute(sa.update(Dataset).values(trashed=1.0))
    (library.home / "runs").mkdir()
    elsewhere.rename(library.home / "runs" / "own")
    again = adopt(library, library.home / "runs" / "own")
    assert (again.id, again.trashed) == (row.id, None)
    assert [one.trashed for one in datasets.datasets(library)] == [None]


@pytest.mark.parametrize("make", ["nothing", "empty", "damaged"])
def test_a_folder_that_is_no_run_is_refused(library, elsewhere, make):
    if make == "nothing":
        shutil.rmtree(elsewhere)
    elif make == "empty":
        (elsewhere / "run.json").unlink()
    else:
        (elsewhere / "split.parquet").write_bytes(b"no table")
    with pytest.raises(RunError, match="a run"):
        adopt(library, elsewhere)
    assert runs.runs(library) == datasets.datasets(library) == []
