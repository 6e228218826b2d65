"""Datasets, analyses and runs of a library."""

import pytest

from viewfinder.errors import ConflictError, DesignError, StoreError
from viewfinder.service.library import analyses, datasets, runs
from viewfinder.service.library.watch import Watch
from viewfinder.store import Analysis, Run


@pytest.fixture
def analysis(library, colors):
    return analyses.create(library, datasets.add(library, colors))


def test_a_dataset_is_imported_with_its_images(library, colors):
    row = datasets.add(library, colors)
    assert (row.name, row.task, row.images, row.classes) == ("colors", "classification", 30, ["blue", "green", "red"])
    assert datasets.datasets(library) == [row]
    index = datasets.index(library, row)
    assert (len(index), index.fingerprint, index.path(index.images["image"][0]).is_file()) == (
        30,
        row.fingerprint,
        True,
    )


def test_samples_are_there_once(library, monkeypatch):
    written = [row.sample for row in datasets.add_samples(library)]
    assert sorted(written) == ["digit-scenes", "digits"]
    assert datasets.add_samples(library) == []


def test_a_value_is_changed_and_goes_back_to_the_default(library, analysis):
    changed = analyses.change(library, analysis.id, "training.epochs", 7)
    assert (changed.design, changed.version) == ({"training": {"epochs": 7}}, 2)
    assert analyses.design_of(library, changed).training.epochs == 7
    back = analyses.change(library, analysis.id, "training.epochs", None, seen=7)
    assert (back.design, back.version) == ({}, 3)


def test_a_wrong_value_is_refused_in_words_and_nothing_is_saved(library, analysis):
    with pytest.raises(DesignError, match=r"training\.epochs"):
        analyses.change(library, analysis.id, "training.epochs", 0)
    with pytest.raises(DesignError, match=r"Did you mean 'training\.epochs'"):
        analyses.change(library, analysis.id, "training.epoch", 3)
    assert library.get(Analysis, analysis.id).design == {}


def test_two_who_change_different_values_both_win_and_the_same_value_is_a_conflict(library, analysis):
    analyses.change(library, analysis.id, "training.epochs", 7)
    both = analyses.change(library, analysis.id, "training.batch_size", 8)
    assert both.design == {"training": {"epochs": 7, "batch_size": 8}}
    with pytest.raises(ConflictError, match=r"training\.epochs was changed to 7 meanwhile, not to your 9"):
        analyses.change(library, analysis.id, "training.epochs", 9)  # seen: the default
    assert analyses.change(library, analysis.id, "training.epochs", 9, seen=7).design["training"]["epochs"] == 9


def test_another_schedule_replaces_the_keys_of_the_old_one(library, analysis):
    analyses.change(library, analysis.id, "training.schedule", {"kind": "step", "step_size": 3})
    row = analyses.change(
        library, analysis.id, "training.schedule", {"kind": "exponential"}, seen={"kind": "step", "step_size": 3}
    )
    assert row.design["training"]["schedule"] == {"kind": "exponential"}


def test_a_run_is_prepared_and_queued_once(library, analysis, quick):
    for name, value in quick.items():
        analyses.change(library, analysis.id, name, value)
    analysis = library.get(Analysis, analysis.id)
    first = runs.create(library, analysis, request="click")
    assert runs.create(library, analysis, request="click").id == first.id
    assert [run.id for run in runs.runs(library, analysis)] == [first.id]
    assert (first.state, first.name, runs.info(library, first).status) == ("queued", "Run 1", "queued")
    assert runs.folder(library, first).design().training.epochs == quick["training.epochs"]
    assert runs.create(library, analysis, name="deeper").name == "deeper"


def test_a_queued_run_is_claimed_once_and_a_stopped_one_never(library, analysis, quick):
    for name, value in quick.items():
        analyses.change(library, analysis.id, name, value)
    one, two = (runs.create(library, library.get(Analysis, analysis.id)) for _ in range(2))
    assert [runs.claim(library, one), runs.claim(library, one)] == [True, False]
    runs.stop(library, two)
    assert runs.claim(library, two) is False
    assert (library.get(Run, one.id).state, library.get(Run, two.id).state) == ("running", "stopped")


def test_what_is_not_there_is_said(library):
    with pytest.raises(StoreError, match="There is no analysis 'gone'"):
        library.get(Analysis, "gone")


def test_a_run_is_watched_from_its_first_event_to_its_last(colors_run):
    told = Watch(colors_run).now()
    epochs = colors_run.epochs()
    assert [rate for at, rate in told.rates if at == epochs.height] == [epochs["learning_rate"][-1]]
    assert told.steps[-1] == (epochs.height, pytest.approx(epochs["train_loss"][-1]))
    lines = [line for line in told.notes if line.startswith("Epoch ")]
    assert len(lines) == epochs.height
    assert f"ROC AUC {epochs['test_roc_auc'][0]:.4f}, the best so far" in lines[0]
    begun = [line.startswith("Training begins on") for line in told.notes]
    assert begun.index(True) < told.notes.index(lines[0])
    assert told.notes[-1] == f"Finished: {colors_run.info().reason}."


def test_weights_that_may_no_longer_be_read_hinder_a_start_and_no_other_change(library, analysis, tmp_path):
    (tmp_path / "mine.pth").write_bytes(b"")
    library.data_roots = (tmp_path,)
    analyses.change(library, analysis.id, "training.weights", str(tmp_path / "mine.pth"))
    library.data_roots = (tmp_path / "elsewhere",)
    changed = analyses.change(library, analysis.id, "training.epochs", 7)
    assert changed.design["training"]["epochs"] == 7
    with pytest.raises(StoreError, match="outside of what this server may read"):
        runs.create(library, changed)
    assert runs.runs(library) == []
    assert not (library.home / "runs").exists() or not list((library.home / "runs").iterdir())
