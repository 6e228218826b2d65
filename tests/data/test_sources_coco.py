import json

import pytest

from viewfinder.errors import SourceError

NAMES = {1: "cat", 2: "dog"}


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.fixture
def source(tmp_path, picture, coco):
    for name in ("a", "b", "c"):
        picture(tmp_path / "set" / "images" / f"{name}.jpg", size=(40, 30))
    images = [(n, f"images/{name}.jpg", 40, 30) for n, name in enumerate("abc", 7)]
    boxes = [(7, 1, [1, 2, 10.5, 5]), (7, 2, [0, 0, 40, 30]), (8, 2, [5, 5, 5, 5])]
    coco(tmp_path / "set" / "annotations.json", images, boxes, NAMES)
    return tmp_path / "set"


EXPECTED = {
    "images/a.jpg": [{"bbox": [1, 2, 10.5, 5], "category": "cat"}, {"bbox": [0, 0, 40, 30], "category": "dog"}],
    "images/b.jpg": [{"bbox": [5, 5, 5, 5], "category": "dog"}],
    "images/c.jpg": [],
}


def test_a_folder_and_its_file_are_the_same_dataset(load, source, boxes_of, kinds):
    dataset = load(source)
    assert (dataset.format, dataset.task, dataset.classes) == ("COCO JSON", "detection", ("cat", "dog"))
    assert boxes_of(dataset) == EXPECTED
    assert kinds(dataset) == {("info", "background"): [""], ("warning", "single_image_class"): [""]}
    by_file = load(source / "annotations.json")
    assert (by_file.name, by_file.fingerprint) == ("annotations", dataset.fingerprint)


@pytest.mark.parametrize("place", ["annotations/instances.json", "labels.json"])
@pytest.mark.parametrize("prefix", ["", "../images/", "/gone/elsewhere/", "C:\\data\\images\\"])
def test_images_are_found_wherever_the_file_says_they_were(load, source, coco, place, prefix, boxes_of):
    (source / "annotations.json").unlink()
    images = [(n, f"{prefix}{name}.jpg", 40, 30) for n, name in enumerate("abc", 7)]
    path = coco(source / place, images, [(7, 1, [1, 2, 10.5, 5])], NAMES)
    for given in (source, path):
        assert list(boxes_of(load(given))) == ["images/a.jpg", "images/b.jpg", "images/c.jpg"]


def test_train_valid_and_test_folders(load, tmp_path, picture, coco, boxes_of):
    for split in ("train", "valid", "test"):
        picture(tmp_path / "set" / split / "x.png")  # the same name in each, as may be
        picture(tmp_path / "set" / split / "y.png")
        images = [(0, "x.png", 12, 8), (1, "y.png", 12, 8)]
        coco(tmp_path / "set" / split / "_annotations.coco.json", images, [(0, 1, [1, 1, 4, 4])], {0: "all", 1: "cat"})
    dataset = load(tmp_path / "set")
    assert dataset.images.select("image", "split").rows() == [
        (f"{folder}/{name}.png", split)
        for folder, split in (("test", "test"), ("train", "train"), ("valid", "validation"))
        for name in "xy"
    ]
    assert dataset.classes == ("cat",)
    assert [d.reason for d in dataset.diagnostics if d.kind == "unused_class"] == [
        "Class 'all' has no image that can be used, so it is not a class here."
    ]


def test_the_layout_of_coco_itself(load, tmp_path, picture, coco):
    for split in ("train2017", "val2017"):
        picture(tmp_path / "coco" / split / "1.jpg")
        picture(tmp_path / "coco" / split / "2.jpg")
        images = [(n, f"{n}.jpg", 12, 8) for n in (1, 2)]
        path = tmp_path / "coco" / "annotations" / f"instances_{split}.json"
        for record in images:
            assert record
        coco(path, [(n, f"{split}/{n}.jpg", 12, 8) for n in (1, 2)], [(1, 1, [1, 1, 4, 4])], NAMES)
    dataset = load(tmp_path / "coco")
    assert dataset.format == "COCO JSON"
    assert dataset.images["split"].to_list() == ["train", "train", "validation", "validation"]


def test_bad_entries_are_listed(load, source, kinds, boxes_of):
    content = json.loads((source / "annotations.json").read_text())
    content["images"] += [
        {"id": 20, "file_name": "images/none.jpg"},
        {"id": 21},
        {"id": 7, "file_name": "images/b.jpg"},
        "nonsense",
    ]
    content["annotations"] = [
        {"image_id": 7, "category_id": 1, "bbox": [1, 2, 3, 4]},
        {"image_id": 7, "category_id": 9, "bbox": [1, 2, 3, 4]},
        {"image_id": 99, "category_id": 1, "bbox": [1, 2, 3, 4]},
        {"image_id": 7, "category_id": 1, "bbox": [1, 2, "3", 4]},
        {"image_id": 7, "category_id": 1},
        {"image_id": 7, "category_id": 1, "bbox": [1, 2, float("inf"), 4]},
        {"image_id": 7, "category_id": 1, "bbox": [1, 2, 0, 4]},
        {"image_id": 7, "category_id": 1, "bbox": [50, 2, 10, 4]},
        {"image_id": 7, "category_id": 1, "bbox": [35, -5, 10, 10]},
        {"image_id": 7, "category_id": 2, "bbox": [0, 0, 40.5, 30]},
        {"image_id": 7, "category_id": 1, "bbox": [1, 2, 3, 4], "iscrowd": 1},
        {"image_id": [7], "category_id": {}, "bbox": [1, 2, 3, 4]},
        None,
    ]
    write(source / "annotations.json", content)
    dataset = load(source)
    assert boxes_of(dataset)["images/a.jpg"] == [
        {"bbox": [1, 2, 3, 4], "category": "cat"},
        {"bbox": [35, 0, 5, 5], "category": "cat"},
        {"bbox": [0, 0, 40, 30], "category": "dog"},
    ]
    counts = {kind: len(files) for kind, files in kinds(dataset).items()}
    assert counts == {
        ("error", "missing_image"): 1,
        ("error", "malformed_annotation"): 4,
        ("error", "unknown_class"): 1,
        ("error", "unknown_image"): 2,
        ("error", "malformed_box"): 3,
        ("error", "empty_box"): 1,
        ("error", "outside_box"): 1,
        ("warning", "clipped_box"): 1,
        ("info", "clipped_box"): 1,
        ("info", "crowd_box"): 1,
        ("info", "background"): 1,
        ("warning", "single_image_class"): 2,
    }
    reasons = [d.reason for d in dataset.diagnostics]
    assert "Annotation 2 (of 'images/a.jpg') has category 9, which is not listed." in reasons
    assert "The box [35.0, -5.0, 10.0, 10.0] of 'cat' reached out of the image (40×30); it was cut." in reasons
    assert "The box [50.0, 2.0, 10.0, 4.0] of 'cat' lies outside the image (40×30)." in reasons
    assert "There is no such file. It is listed in 'annotations.json'." in reasons


def test_a_category_id_that_is_there_twice(load, source):
    content = json.loads((source / "annotations.json").read_text())
    content["categories"] += [{"id": 2, "name": "wolf"}, {"id": 3, "name": None}]
    write(source / "annotations.json", content)
    dataset = load(source)
    assert dataset.classes == ("cat", "dog")
    assert [d.reason for d in dataset.diagnostics if d.kind == "malformed_annotation"] == [
        "A category lacks id or name: {'id': 3, 'name': None}.",
        "Category 'wolf' repeats the id 2, which stays that of 'dog'.",
    ]


def test_images_that_no_file_lists_are_not_background(load, source, picture, kinds):
    picture(source / "images" / "d.jpg")
    dataset = load(source)
    assert len(dataset) == 3
    assert kinds(dataset)["error", "no_annotation"] == ["images/d.jpg"]


def test_malformed_json_says_line_and_column(load, source):
    (source / "annotations.json").write_text('{"images": [],\n "annotations": [1 2]}')
    message = f"'{source / 'annotations.json'}' is not valid JSON: Expecting ',' delimiter at line 2, column 20."
    for given in (source, source / "annotations.json"):
        with pytest.raises(SourceError) as caught:
            load(given)
        assert str(caught.value) == message


def test_other_json_is_explained(load, source):
    path = write(source / "annotations.json", {"shapes": []})
    with pytest.raises(SourceError, match="is JSON but not COCO: it needs the lists 'images', 'annotations' and"):
        load(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SourceError, match="byte 0 is not UTF-8 text"):
        load(path)
    path.write_text('{"a": 1}\n{"a": 2}\n')
    with pytest.raises(
        SourceError, match=r"Extra data at line 2, column 1\. If every line is an object of its own, name"
    ):
        load(path)
    path.write_text("[" * 200_000)
    with pytest.raises(SourceError, match="is not valid JSON"):
        load(path)


def test_json_that_is_not_coco_beside_one_that_is(load, source, kinds):
    write(source / "licences.json", ["a"])
    (source / "broken.json").write_text("{")
    dataset = load(source)
    assert len(dataset) == 3
    assert kinds(dataset)["info", "ignored_file"] == ["licences.json"]
    assert kinds(dataset)["error", "malformed_json"] == ["broken.json"]


def test_categories_of_the_same_name_are_one_class(load, tmp_path, picture, coco):
    for name in ("a", "b"):
        picture(tmp_path / "set" / f"{name}.png")
    images = [(1, "a.png", 12, 8), (2, "b.png", 12, 8)]
    coco(tmp_path / "set" / "x.json", images, [(1, 1, [1, 1, 4, 4]), (2, 2, [1, 1, 4, 4])], {1: "cat", 2: "cat"})
    assert load(tmp_path / "set").classes == ("cat",)
