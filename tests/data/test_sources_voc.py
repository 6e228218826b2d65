import pytest

from viewfinder.errors import SourceError


@pytest.fixture
def source(tmp_path, picture, voc):
    """A tree as the VOC challenge has it, with three images of 40×30 pixels, the last without objects."""
    root = tmp_path / "set"
    for name in "abc":
        picture(root / "JPEGImages" / f"{name}.jpg", size=(40, 30))
    voc(root / "Annotations" / "a.xml", "a.jpg", (40, 30), [("cat", 1, 1, 40, 30), ("dog", 11, 6, 20, 15)])
    voc(root / "Annotations" / "b.xml", "b.jpg", (40, 30), [("cat", 5.5, 6, 10.5, 6)])
    voc(root / "Annotations" / "c.xml", "c.jpg", (40, 30), [])
    return root


def test_coordinates_count_from_one_and_include_the_last_pixel(load, source, boxes_of, kinds):
    dataset = load(source)
    assert (dataset.format, dataset.task, dataset.classes) == ("Pascal VOC", "detection", ("cat", "dog"))
    assert boxes_of(dataset) == {
        "JPEGImages/a.jpg": [
            {"bbox": [0, 0, 40, 30], "category": "cat"},
            {"bbox": [10, 5, 10, 10], "category": "dog"},
        ],
        "JPEGImages/b.jpg": [{"bbox": [4.5, 5, 6, 1], "category": "cat"}],
        "JPEGImages/c.jpg": [],
    }
    assert kinds(dataset) == {("info", "background"): [""], ("warning", "single_image_class"): [""]}


def test_image_sets_are_no_split(load, source, kinds):
    folder = source / "ImageSets" / "Main"
    folder.mkdir(parents=True)
    for name, image in (("train", "a"), ("val", "b"), ("test", "c")):
        (folder / f"{name}.txt").write_text(image)
    dataset = load(source)
    assert set(dataset.images["split"]) == {None}
    assert len(kinds(dataset)["info", "ignored_file"]) == 3


def test_split_folders(load, tmp_path, picture, voc):
    for split in ("train", "valid", "test"):
        for name in "xy":
            picture(tmp_path / "set" / split / f"{name}.jpg")
            voc(tmp_path / "set" / split / f"{name}.xml", f"{name}.jpg", (12, 8), [("cat", 1, 1, 4, 4)])
    dataset = load(tmp_path / "set")
    assert dataset.images.select("image", "split").rows()[:3] == [
        ("test/x.jpg", "test"),
        ("test/y.jpg", "test"),
        ("train/x.jpg", "train"),
    ]
    assert len(dataset) == 6


@pytest.mark.parametrize(
    ("filename", "image"),
    [
        ("photo.jpg", "anywhere/deep/photo.jpg"),  # anywhere in the tree
        ("PHOTO.JPG", "anywhere/photo.jpg"),  # in another letter case
        ("renamed.jpg", "xml/one.png"),  # not there: the one of the same stem
        ("photo.jpg", "other/one.PNG"),  # the same, elsewhere
        ("", "other/one.png"),
        ("sub/photo.jpg", "images/sub/photo.jpg"),
    ],
)
def test_the_image_is_found_by_name_or_else_by_stem(load, tmp_path, picture, voc, filename, image):
    picture(tmp_path / "set" / image, size=(20, 20))
    voc(tmp_path / "set" / "xml" / "one.xml", filename, (20, 20), [("cat", 1, 1, 4, 4)])
    assert load(tmp_path / "set").images["image"].to_list() == [image]


def test_a_name_that_means_two_images_is_not_guessed(load, source, picture, kinds):
    picture(source / "thumbnails" / "a.jpg")
    dataset = load(source)
    assert len(dataset) == 2
    assert kinds(dataset)["error", "ambiguous_image"] == ["Annotations/a.xml"]


def test_bad_annotations_are_listed(load, source, picture, voc, kinds, boxes_of):
    for name in "defgh":
        picture(source / "JPEGImages" / f"{name}.jpg", size=(40, 30))
    folder = source / "Annotations"
    (folder / "d.xml").write_text("<annotation><object></annotation>")
    voc(folder / "e.xml", "e.jpg", (40, 30), [("", 1, 1, 4, 4), ("cat", "one", 1, 4, 4), ("cat", 1, 1, "nan", 4)])
    voc(folder / "f.xml", "f.jpg", (40, 30), [("cat", 0, 0, 41, 31), ("cat", 60, 1, 80, 20), ("cat", 9, 9, 5, 12)])
    (folder / "g.xml").write_text("<annotation><object><name>cat</name></object></annotation>")
    voc(folder / "gone.xml", "gone.jpg", (40, 30), [("cat", 1, 1, 4, 4)])
    dataset = load(source)
    assert boxes_of(dataset)["JPEGImages/f.jpg"] == [{"bbox": [0, 0, 40, 30], "category": "cat"}]
    found = kinds(dataset)
    assert found["error", "malformed_annotation"] == ["Annotations/d.xml"]
    assert found["error", "unknown_class"] == ["Annotations/e.xml"]
    assert found["error", "malformed_box"] == ["Annotations/e.xml", "Annotations/e.xml", "Annotations/g.xml"]
    assert found["error", "outside_box"] == ["JPEGImages/f.jpg"]
    assert found["error", "empty_box"] == ["JPEGImages/f.jpg"]
    assert found["error", "missing_image"] == ["gone.jpg"]
    assert found["error", "no_annotation"] == ["JPEGImages/h.jpg"]
    assert ("info", "clipped_box") in found
    reasons = [d.reason for d in dataset.diagnostics if d.kind == "malformed_annotation"]
    assert reasons == ["The annotation cannot be read: it is not well-formed XML (mismatched tag, line 1, column 22)."]


def test_entities_are_never_expanded(load, source, kinds):
    bomb = "".join(f'<!ENTITY x{n} "{f"&x{n - 1};" * 10}">' for n in range(1, 10))
    (source / "Annotations" / "a.xml").write_text(
        f'<?xml version="1.0"?><!DOCTYPE annotation [<!ENTITY x0 "cat">{bomb}]>'
        "<annotation><filename>a.jpg</filename><object><name>&x9;</name></object></annotation>"
    )
    dataset = load(source)
    assert len(dataset) == 2
    assert kinds(dataset)["error", "malformed_annotation"] == ["Annotations/a.xml"]
    assert "DTD" in dataset.diagnostics[0].reason


def test_other_xml_is_no_annotation(load, source):
    (source / "settings.xml").write_text("<settings/>")
    assert len(load(source)) == 3


def test_an_xml_file_alone_is_explained(load, source):
    with pytest.raises(SourceError, match="is a single file; give the folder that it belongs to"):
        load(source / "Annotations" / "a.xml")


# A box over the bright corner of a 40×30 image as stored, and where that corner is when the image is upright.
STORED = ("cat", 1, 1, 10, 6)
UPRIGHT = {2: [30, 0, 10, 6], 3: [30, 24, 10, 6], 4: [0, 24, 10, 6], 5: [0, 0, 6, 10], 6: [24, 0, 6, 10]} | {
    7: [24, 30, 6, 10],
    8: [0, 30, 6, 10],
}


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_boxes_drawn_on_the_stored_image_are_turned_with_it(load, tmp_path, picture, voc, boxes_of, kinds, orientation):
    picture(tmp_path / "set" / "a.jpg", size=(40, 30), orientation=orientation)
    voc(tmp_path / "set" / "a.xml", "a.jpg", (40, 30), [STORED])
    dataset = load(tmp_path / "set")
    assert dataset.images.select("width", "height").rows() == [(30, 40)]
    assert boxes_of(dataset)["a.jpg"] == [{"bbox": UPRIGHT[orientation], "category": "cat"}]
    assert ("info", "turned_boxes") in kinds(dataset)


@pytest.mark.parametrize(("orientation", "size"), [(6, (30, 40)), (3, (40, 30)), (6, None)])
def test_boxes_drawn_on_the_upright_image_stay(load, tmp_path, picture, voc, boxes_of, kinds, orientation, size):
    picture(tmp_path / "set" / "a.jpg", size=(40, 30), orientation=orientation)
    voc(tmp_path / "set" / "a.xml", "a.jpg", size, [STORED])
    dataset = load(tmp_path / "set")
    assert boxes_of(dataset)["a.jpg"] == [{"bbox": [0, 0, 10, 6], "category": "cat"}]
    assert (("warning", "exif_boxes") in kinds(dataset)) == (size != (30, 40))  # where the size does not tell


def test_a_wrong_size_in_the_annotation_is_listed(load, tmp_path, picture, voc, kinds):
    picture(tmp_path / "set" / "a.jpg", size=(40, 30))
    voc(tmp_path / "set" / "a.xml", "a.jpg", (80, 60), [STORED])
    dataset = load(tmp_path / "set")
    assert kinds(dataset)["warning", "size_mismatch"] == ["a.jpg"]
