"""The runs of an analysis as a table, their names and notes, and their designs used again."""

import pytest

from viewfinder import design_file
from viewfinder.design import resolve
from viewfinder.errors import StoreError
from viewfinder.service.library import analyses, history, names, runs
from viewfinder.store import Run


def test_a_run_is_shown_with_its_best_score(library, colors_analysis, trained, colors_run):
    row = trained("r1")
    (entry,) = history.entries(library, colors_analysis)
    epochs, info = colors_run.epochs(), colors_run.info()
    assert (entry.row.id, entry.state, entry.metric, entry.title) == (row.id, "finished", "roc_auc", "ROC AUC")
    assert entry.score == epochs.filter(epochs["epoch"] == info.best_epoch)["test_roc_auc"][0]
    assert (entry.model, entry.epochs, entry.seconds) == ("efficientnet_lite0", 2, info.seconds)


def test_a_run_that_lost_its_folder_is_still_listed(library, colors_analysis, trained):
    row = trained("r1")
    (library.home / row.folder / "run.json").unlink()
    (entry,) = history.entries(library, colors_analysis)
    assert (entry.state, entry.score) == ("finished", None)
    assert "run.json" in entry.error


def test_names_and_notes_are_checked_and_kept(library, trained):
    row = trained("r1")
    assert names.rename(library, row, "  deeper ").name == "deeper"
    names.write_notes(library, row, "more\nlayers")
    assert (library.get(Run, "r1").name, library.get(Run, "r1").notes) == ("deeper", "more\nlayers")
    for wrong, said in (("  ", "cannot be empty"), ("x" * 201, "201 characters; 200")):
        with pytest.raises(StoreError, match=said):
            names.rename(library, row, wrong)
    with pytest.raises(StoreError, match="10,001 characters"):
        names.write_notes(library, row, "x" * 10_001)
    assert library.get(Run, "r1").name == "deeper"


def test_a_runs_design_becomes_another_analysis(library, colors_analysis, trained, quick):
    made = history.duplicate(library, trained("r1"))
    assert (made.name, made.dataset_id) == ("Colours (Run r1)", colors_analysis.dataset_id)
    assert made.design == {"training": {"model": "efficientnet_lite0", "input_size": 32, "epochs": 2, "batch_size": 8}}
    ours = resolve(analyses.design_of(library, made)).training
    assert ours == runs.folder(library, library.get(Run, "r1")).design().training


@pytest.mark.parametrize(
    "values",
    [
        {"training": {"schedule": {"kind": "step"}, "optimizer": "sgd"}},
        {"training": {"schedule": {"kind": "step", "step_size": 3}, "weights": "none"}, "split": {"test_ratio": 0.5}},
        {"training": {"schedule": {"patience": 5}, "learning_rate": 0.5}, "target": {"classes": ["a", "b"]}},
        {"task": "detection", "training": {"schedule": {"gamma": 0.5}}},
        {"task": "detection", "augmentation": {"affine": {"rotate": True}}, "metrics": {"optimize": "f1"}},
    ],
)
def test_only_what_differs_is_kept_and_gives_the_same_design(values):
    task = {"task": values.get("task", "classification")}
    resolved = resolve(design_file.parse(values))
    chosen = history.chosen(resolved)
    assert resolve(design_file.parse({**task, **chosen})) == resolved
    assert {**task, **chosen} == {**task, **values}
