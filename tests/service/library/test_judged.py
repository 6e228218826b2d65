"""Test images with truth and prediction, counted and shown."""

import io
import json
import shutil

import pytest
from PIL import Image

from viewfinder.errors import RunError
from viewfinder.run import RunFolder
from viewfinder.service.library import runs
from viewfinder.service.library.judged import Judged, View
from viewfinder.service.library.library import Library
from viewfinder.store import Run


def test_the_images_of_a_cell_are_those_that_the_report_counts(colors_run):
    judged, confusion = Judged(colors_run), colors_run.report()["confusion"]
    for label, counts in zip(confusion["labels"], confusion["counts"], strict=True):
        for name, count in zip(confusion["predicted_labels"], counts, strict=True):
            feed = judged.feed(label, name)
            assert feed.found == count
            assert {judged.answers["label"][row] for row in feed.rows} <= {label}
            confidences = [judged.confidence(row) for row in feed.rows]
            assert confidences == sorted(confidences, reverse=True)


def test_a_detector_is_counted_as_its_report_counts_it(squares_run):
    judged, report = Judged(squares_run), squares_run.report()
    counted = judged.counted(View(judged.threshold))
    assert counted["confusion"] == report["confusion"]
    assert counted["metrics"] == {name: report["metrics"][name] for name in counted["metrics"]}
    confusion = report["confusion"]
    feed = judged.feed("blue", confusion["predicted_labels"][-1], View(judged.threshold))
    assert (feed.found > 0) == (confusion["counts"][0][-1] > 0)


def test_pictures_show_the_image_and_its_boxes(squares_run, colors_run):
    small = Image.open(io.BytesIO(Judged(squares_run).picture(0)))
    full = Image.open(io.BytesIO(Judged(squares_run).picture(0, full=True)))
    assert (max(small.size), max(full.size)) == (320, 900)
    assert Image.open(io.BytesIO(Judged(colors_run).picture(0))).size == (40, 40)  # never enlarged without boxes
    with pytest.raises(RunError, match="no test image 99"):
        Judged(colors_run).picture(99)


def test_another_threshold_is_kept_in_the_model_and_told(squares_run, tmp_path):
    shutil.copytree(squares_run.path, tmp_path / "home" / "runs" / "r1")
    library = Library.open(tmp_path / "home")
    row = Run("r1", "a1", "Run 1", "runs/r1", "finished", 1.0)
    runs.use_threshold(library, row, 0.25)
    folder = RunFolder(tmp_path / "home" / "runs" / "r1")
    assert json.loads((folder.path / "model" / "model.json").read_text())["threshold"] == 0.25
    assert folder.info().threshold == 0.25
    assert [event.message for _, event in folder.events() if event.type == "note"][
        -1
    ] == "The threshold was set to 0.25."
    with pytest.raises(RunError, match="between 0 and 1"):
        runs.use_threshold(library, row, 1.5)
    library.database.close()
