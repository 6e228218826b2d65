"""Test images with truth and prediction, counted and shown."""

import io
import json
import shutil

import polars as pl
import pytest
from PIL import Image

from viewfinder.errors import NotFoundError, RunError
from viewfinder.report import build
from viewfinder.run import RunFolder
from viewfinder.service.library import runs
from viewfinder.service.library.judged import Judged, View, Wanted
from viewfinder.service.library.library import Library
from viewfinder.store import Run


def test_the_images_of_a_cell_are_those_that_the_report_counts(colors_run):
    judged, confusion = Judged(colors_run), colors_run.report()["confusion"]
    for label, counts in zip(confusion["labels"], confusion["counts"], strict=True):
        for name, count in zip(confusion["predicted_labels"], counts, strict=True):
            rows = judged.feed(Wanted(label, name))
            assert len(rows) == count
            assert {judged.answers["label"][row] for row in rows} <= {label}
            confidences = [judged.confidence[row] for row in rows]
            assert confidences == sorted(confidences, reverse=True)
            assert judged.feed(Wanted(label, name, order="doubt"))[::-1] == rows or len(set(confidences)) < len(rows)
    wrong = judged.feed(Wanted(mistakes=True))
    assert len(wrong) == sum(a != b for a, b in zip(judged.answers["label"], judged.answers["prediction"], strict=True))
    assert sorted(judged.feed(Wanted())) == list(range(judged.answers.height))


def test_a_detector_is_counted_as_its_report_counts_it(squares_run):
    judged, report = Judged(squares_run), squares_run.report()
    counted = judged.counted(View(judged.threshold))
    assert counted["confusion"] == report["confusion"]
    assert counted["metrics"] == {name: report["metrics"][name] for name in counted["metrics"]}
    confusion = report["confusion"]
    rows = judged.feed(Wanted("blue", confusion["predicted_labels"][-1]), View(judged.threshold))
    assert (len(rows) > 0) == (confusion["counts"][0][-1] > 0)


def test_an_image_stands_where_its_worst_box_does(squares_run):
    judged = Judged(squares_run)
    image = {"image": ["a", "b", "c"], "boxes": ["[]"] * 3, "boxes_predicted": ["[]"] * 3}
    judged.answers = pl.DataFrame(image)
    thing = {"bbox": [0, 0, 10, 10], "category": "red"}

    def box(confidence, width=10, category="red"):
        return {"bbox": [0, 0, width, 10], "category": category, "confidence": confidence}

    judged.truth = [[thing], [thing], []]
    judged.found = [[box(0.6), box(0.9, category="blue")], [box(0.8, 6)], []]
    view = View(0.5)
    assert judged.feed(Wanted("red", "red"), view) == [1, 0]
    assert judged.feed(Wanted("red", "red", order="doubt"), view) == [0, 1]
    assert judged.feed(Wanted("red", "red", order="iou"), view) == [1, 0]
    assert judged.feed(Wanted("red", "red"), View(0.5, 0.7)) == [0]
    assert judged.feed(Wanted(mistakes=True), view) == [0]
    assert judged.feed(Wanted("red", "not detected"), View(0.85)) == [1]  # in the first the blue box is taken for it
    assert judged.feed(Wanted(), view) == [0, 1, 2]


def test_pictures_show_the_image_and_its_boxes(squares_run, colors_run):
    small = Image.open(io.BytesIO(Judged(squares_run).picture(0, View(0.5))))
    full = Image.open(io.BytesIO(Judged(squares_run).picture(0, View(0.5), full=True)))
    assert (max(small.size), max(full.size)) == (320, 900)
    assert Image.open(io.BytesIO(Judged(colors_run).picture(0))).size == (40, 40)  # never enlarged without boxes
    with pytest.raises(NotFoundError, match="no test image 99"):
        Judged(colors_run).picture(99)


def test_another_threshold_is_kept_in_the_model_and_told(squares_run, tmp_path):
    shutil.copytree(squares_run.path, tmp_path / "home" / "runs" / "r1")
    library = Library.open(tmp_path / "home")
    row = Run("r1", "a1", "Run 1", "runs/r1", "finished", 1.0)
    runs.use_threshold(library, row, 0.25)
    folder = RunFolder(tmp_path / "home" / "runs" / "r1")
    assert json.loads((folder.path / "model" / "model.json").read_text())["threshold"] == 0.25
    assert folder.info().threshold == 0.25
    report, optimum = folder.report(), squares_run.info().threshold
    assert (report["threshold"], report["threshold_in_use"], Judged(folder).threshold) == (optimum, 0.25, optimum)
    assert report["metrics"] == squares_run.report()["metrics"]
    page = (folder.path / "report.html").read_text("utf-8")
    said = f"from a confidence of {optimum:.3g}, the optimum"
    for text in (page, " ".join(report["summary"])):
        assert f"{said}; the model now uses 0.25." in text
    assert build(folder)["summary"] == report["summary"]  # however often it is written
    runs.use_threshold(library, row, optimum)
    assert (folder.path / "report.html").read_bytes() == (squares_run.path / "report.html").read_bytes()
    runs.use_threshold(library, row, 0.25)
    assert [event.message for _, event in folder.events() if event.type == "note"][
        -1
    ] == "The threshold was set to 0.25."
    with pytest.raises(RunError, match="between 0 and 1"):
        runs.use_threshold(library, row, 1.5)
    library.database.close()
