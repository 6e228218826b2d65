"""report.html: one file, no script, nothing from outside, no harm from names."""

import base64
import io
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from viewfinder import report
from viewfinder.report.html import confusion, ticked
from viewfinder.run import RunFolder

HOSTILE = "<img src=x onerror=alert(1)>"

VOID = {"meta", "img", "br", "hr", "link", "input", "path", "use", "rect"}


class Page(HTMLParser):
    """What a browser would see: tags, attributes, text; and whether the tags are balanced."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.words, self.open = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.words))


def page(run):
    return Page(report.write(run).read_text(encoding="utf-8"))


@pytest.fixture(params=["classification", "detection"], scope="module")
def run(request, runs, tmp_path_factory):
    """A finished run with its report written: only to be read."""
    run = runs.finished[request.param](tmp_path_factory.mktemp(request.param))
    report.write(run)
    return run


@pytest.fixture(scope="module")
def seen(run):
    return Page((run.path / "report.html").read_text(encoding="utf-8"))


def test_it_runs_no_script_and_loads_nothing(run, seen):
    assert not seen.open
    assert not set(seen.tags) & {"script", "link", "iframe", "object", "embed", "base", "form"}
    for name, value in seen.attributes:
        assert not name.startswith("on"), (name, value)
        if name in ("src", "href", "xlink:href", "srcset", "action"):
            assert value.startswith(("data:image/jpeg;base64,", "#")), value
        assert not re.search(r"(https?:)?//", value or "") or name == "src", (name, value)
    text = (run.path / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"https?://|@import|url\((?!#)", text)
    policy = next(value for name, value in seen.attributes if name == "content")
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def test_hostile_names_are_text(run, seen):
    assert HOSTILE in seen.text
    assert "hands & <b>feet</b>" in seen.text
    assert "b" not in seen.tags
    assert ("src", "x") not in seen.attributes


def test_the_numbers_stand_in_the_page(run, seen):
    content = run.report()
    for name, value in content["metrics"].items():
        assert ("–" if value is None else f"{value:.4f}") in seen.text, name
    assert content["judged_on"]["words"] in seen.text
    assert content["summary"][0] in seen.text


def test_report_json_is_what_build_returns(run):
    expected = json.loads(json.dumps(report.build(run)))
    assert json.loads((run.path / "report.json").read_text(encoding="utf-8")) == expected


def test_writing_again_gives_the_same_bytes(run):
    first = (run.path / "report.html").read_bytes()
    assert report.write(run).read_bytes() == first


def test_mistakes_are_pictures(run, seen):
    pictures = [value for name, value in seen.attributes if name == "src"]
    assert len(pictures) == len(run.report()["mistakes"]) > 0
    with Image.open(io.BytesIO(base64.b64decode(pictures[0].partition(",")[2]))) as picture:
        assert picture.format == "JPEG"
        assert 0 < max(picture.size) <= 640


def test_boxes_are_drawn_where_they_are(detection):
    root = Path(detection.info().dataset.root)
    for name in detection.split()["image"]:
        Image.new("RGB", (200, 120), (0, 0, 0)).save(root / name)
    report.write(detection)
    mistake = detection.report()["mistakes"][0]
    source = [
        value for name, value in Page((detection.path / "report.html").read_text("utf-8")).attributes if name == "src"
    ]
    with Image.open(io.BytesIO(base64.b64decode(source[0].partition(",")[2]))) as picture:
        pixels = np.asarray(picture, dtype=int)
    scale = pixels.shape[1] / 200
    box = next(box for box in mistake["boxes"] if box["kind"] == "wrong")
    x, y, width, height = (round(value * scale) for value in box["bbox"])
    edge = pixels[y + height // 2, x : x + 3].max(axis=0)
    assert edge[0] > 150 > edge[2], "the left edge is orange"
    assert pixels[y + height // 2, x + width // 2].max() < 60, "inside it nothing is drawn"


@pytest.mark.parametrize("task", ["classification", "detection"])
def test_a_picture_that_is_gone_is_said(runs, tmp_path, task):
    run = runs.finished[task](tmp_path)
    shutil.rmtree(run.info().dataset.root)
    seen = page(run)
    assert "The image is no longer where it was." in seen.text
    assert "img" not in seen.tags


def test_of_many_classes_the_most_mixed_up_pairs_are_listed(runs, tmp_path):
    classes = tuple(f"class {number}" for number in range(41))
    table, predictions = runs.classified(tmp_path, classes=classes, images=6)
    run = runs.make(tmp_path, "classification", table, classes=classes)
    run.write_predictions(predictions)
    runs.write_epochs(run, ["roc_auc"])
    seen = page(run)
    assert "the pairs most often mixed up" in seen.text
    assert "Of 41 classes the 5 with the lowest values are named." in seen.text


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("run `viewfinder <b>` now", "run <code>viewfinder &lt;b&gt;</code> now"),
        ("a name with ` and <b>", "a name with ` and &lt;b&gt;"),
        ("<b>", "&lt;b&gt;"),
    ],
)
def test_backticks_make_code_and_all_is_escaped(text, html):
    assert str(ticked(text)) == html


def test_pairs_are_ordered_by_how_often():
    counts = [[5, 1, 0], [3, 4, 0], [0, 2, 9]]
    table = confusion({"labels": list("abc"), "predicted_labels": list("abc"), "counts": counts})
    assert [(p["truth"], p["predicted"], p["count"], p["of"]) for p in table["pairs"]] == [
        ("b", "a", 3, 7),
        ("c", "b", 2, 11),
        ("a", "b", 1, 6),
    ]
    assert not table["large"]
    assert table["rows"][0]["cells"][0] == {"count": 5, "heat": 83, "right": True, "share": "83.3%"}


def test_a_copied_run_can_be_reported_again(run, seen, tmp_path):
    copy = shutil.copytree(run.path, tmp_path / "a copy")
    assert page(RunFolder.open(copy)).text == seen.text


def test_no_mistake_at_all(runs, tmp_path):
    table, predictions = runs.classified(tmp_path)
    truth = dict(table.select("image", "label").iter_rows())
    right = [truth[name] for name in predictions["image"]]
    perfect = [
        pl.Series(f"proba_{name}", [1.0 if label == name else 0.0 for label in right]) for name in dict.fromkeys(right)
    ]
    run = runs.make(tmp_path, "classification", table)
    run.write_predictions(predictions.with_columns(pl.Series("prediction", right), *perfect))
    runs.write_epochs(run, ["roc_auc"], epochs=1)
    run.update(status="finished", best_epoch=1)
    assert "None on the test split (15 images)." in page(run).text


@pytest.mark.parametrize(("threads", "words"), [(None, "auto"), (1, "auto, 1 thread"), (6, "auto, 6 threads")])
def test_threads_are_said_where_they_are_known(threads, words, runs, tmp_path):
    run = runs.finished["classification"](tmp_path)
    if threads:
        run.update(choices={"engine": "torch", "precision": "fp32", "threads": threads, "streams": threads})
    assert f" cpu, {words} Weights " in page(run).text
