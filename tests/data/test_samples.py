import json
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from viewfinder.data import samples
from viewfinder.errors import InputError


def test_the_registry_names_task_and_content():
    assert set(samples.SAMPLES) == {"digits", "digit-scenes"}
    assert {sample.task for sample in samples.SAMPLES.values()} == {"classification", "detection"}
    assert samples.get("digits").description
    with pytest.raises(
        InputError, match=r"Unknown sample 'digit'\. Choose one of: digits, digit-scenes\. Did you mean 'digits'\?"
    ):
        samples.get("digit")


def test_digits_are_those_of_scikit_learn(load, tmp_path):
    from sklearn.datasets import load_digits

    samples.get("digits").write(tmp_path / "digits")
    dataset = load(tmp_path / "digits")
    reference = load_digits()
    assert dataset.classes == tuple("0123456789")
    assert dataset.diagnostics == ()
    assert Counter(dataset.images["label"]) == Counter(str(digit) for digit in reference.target)
    assert set(dataset.images["width"]) == {samples.DIGIT_PX}
    name = f"{reference.target[7]}/digit_0007.png"
    small = np.asarray(Image.open(dataset.path(name)).resize((8, 8), Image.Resampling.BOX)).astype(float)
    assert np.corrcoef(small.ravel(), reference.images[7].ravel())[0, 1] > 0.98


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    place = tmp_path_factory.mktemp("samples") / "scenes"
    samples.write_digit_scenes(place, images=30, seed=3)
    return place


def test_scenes_are_a_clean_detection_source(load, scenes, boxes_of):
    dataset = load(scenes)
    assert (dataset.format, len(dataset), dataset.diagnostics) == ("COCO JSON", 30, ())
    assert dataset.classes == tuple("0123456789")
    boxes = [box for found in boxes_of(dataset).values() for box in found]
    assert len(boxes) > 100
    assert all(samples.DIGIT_HEIGHTS[0] * 0.8 <= box["bbox"][3] <= samples.DIGIT_HEIGHTS[1] * 1.25 for box in boxes)


def test_boxes_are_the_bounds_of_the_ink(scenes, load, boxes_of):
    """Around a box is a dark margin, within it bright ink from side to side."""
    dataset = load(scenes)
    margin = 3
    for image, boxes in list(boxes_of(dataset).items())[:10]:
        values = np.asarray(Image.open(dataset.path(image)).convert("L")).astype(int)
        for box in boxes:
            x, y, width, height = box["bbox"]
            area = values[y - margin : y + height + margin, x - margin : x + width + margin]
            area = area > (np.median(area[0]) + np.percentile(area, 99)) / 2
            rows, columns = np.flatnonzero(area.any(axis=1)), np.flatnonzero(area.any(axis=0))
            found = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
            assert np.abs(found - [margin, margin, margin + width, margin + height]).max() <= 2


def test_boxes_do_not_overlap_and_no_digit_is_used_twice(scenes, load, boxes_of):
    dataset = load(scenes)
    for boxes in boxes_of(dataset).values():
        for n, one in enumerate(boxes):
            for other in boxes[:n]:
                (ax, ay, aw, ah), (bx, by, bw, bh) = one["bbox"], other["bbox"]
                assert ax + aw <= bx or bx + bw <= ax or ay + ah <= by or by + bh <= ay


def test_the_seed_decides(tmp_path, scenes):
    samples.write_digit_scenes(tmp_path / "same", images=30, seed=3)
    samples.write_digit_scenes(tmp_path / "other", images=30, seed=4)
    text = (scenes / "annotations.json").read_bytes()
    assert (tmp_path / "same" / "annotations.json").read_bytes() == text
    assert (tmp_path / "other" / "annotations.json").read_bytes() != text
    name = json.loads(text)["images"][0]["file_name"]
    assert (tmp_path / "same" / name).read_bytes() == (scenes / name).read_bytes()


@pytest.mark.parametrize("name", ["digits", "digit-scenes"])
def test_what_is_there_is_never_overwritten(tmp_path, name):
    (tmp_path / "notes.txt").write_text("mine")
    for place in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(InputError, match="is there already and not an empty folder"):
            samples.get(name).write(place)
    assert [entry.name for entry in tmp_path.iterdir()] == ["notes.txt"]


def test_more_scenes_than_digits_are_refused_in_words(tmp_path):
    with pytest.raises(InputError, match=r"There are too few digits for 257 scenes\. Ask for 256 at most\."):
        samples.write_digit_scenes(tmp_path / "x", images=257)
    assert not (tmp_path / "x").exists()
