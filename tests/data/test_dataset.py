import hashlib
import shutil

import polars as pl
import pytest

from viewfinder.data.dataset import Dataset
from viewfinder.errors import InputError


@pytest.fixture
def scenes(tmp_path, picture, coco):
    for name in "abc":
        picture(tmp_path / "set" / f"{name}.png", size=(40, 30))
    images = [(n, f"{name}.png", 40, 30) for n, name in enumerate("abc")]
    coco(
        tmp_path / "set" / "x.json",
        images,
        [(0, 1, [1, 1, 4, 4]), (0, 2, [2, 2, 4, 4]), (1, 2, [3, 3, 4, 4])],
        {1: "é", 2: "b"},
    )
    return tmp_path / "set"


def test_it_is_read_back_as_it_was_written(load, scenes, tmp_path):
    dataset = load(scenes)
    path = tmp_path / "deep" / "dataset.parquet"
    dataset.write(path)
    dataset.write(path)  # replaces the first
    found = Dataset.read(path)
    assert found.images.equals(dataset.images)
    assert found.images.schema == dataset.images.schema
    for name in ("root", "name", "format", "task", "classes", "diagnostics", "fingerprint"):
        assert getattr(found, name) == getattr(dataset, name)
    assert [entry.name for entry in path.parent.iterdir()] == ["dataset.parquet"]
    path.unlink()


def test_the_columns_are_those_of_the_task(load, scenes, class_folders):
    schema = {"image": pl.String, "sha256": pl.String, "width": pl.Int32, "height": pl.Int32}
    rest = {"group": pl.String, "split": pl.String}
    assert dict(load(scenes).images.schema) == schema | {"boxes": pl.String} | rest
    dataset = load(class_folders({"cat": 1, "dog": 2}))
    assert dict(dataset.images.schema) == schema | {"label": pl.String} | rest
    file = dataset.path("cat/0.png")
    assert dataset.images["sha256"][0] == hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.parametrize("content", [b"hello", None, "parquet"])
def test_another_file_is_refused(tmp_path, content):
    path = tmp_path / "x.parquet"
    if content == "parquet":
        pl.DataFrame({"a": [1]}).write_parquet(path)
    elif content:
        path.write_bytes(content)
    with pytest.raises(InputError, match="is not a dataset that Viewfinder wrote"):
        Dataset.read(path)


def test_the_fingerprint_is_that_of_the_content(load, scenes, tmp_path, class_folders):
    before = load(scenes).fingerprint
    shutil.copytree(scenes, tmp_path / "an other" / "plâce")
    assert load(tmp_path / "an other" / "plâce").fingerprint == before
    source = class_folders({"cat": 2, "dog": 2})
    first = load(source).fingerprint
    (source / "notes.txt").write_text("not content")
    assert load(source).fingerprint == first


def _rename(source):
    (source / "cat" / "0.png").rename(source / "cat" / "new.png")


def _relabel(source):
    (source / "cat" / "0.png").rename(source / "dog" / "7.png")


def _repaint(source):
    (source / "cat" / "0.png").write_bytes((source / "cat" / "1.png").read_bytes())


def _remove(source):
    (source / "cat" / "0.png").unlink()


@pytest.mark.parametrize("change", [_rename, _relabel, _repaint, _remove])
def test_every_change_of_content_changes_the_fingerprint(load, class_folders, change):
    source = class_folders({"cat": 3, "dog": 2})
    before = load(source).fingerprint
    change(source)
    assert load(source).fingerprint != before


def test_boxes_groups_and_splits_count_for_the_fingerprint_but_their_order_does_not(load, tmp_path, picture):
    for name in "ab":
        picture(tmp_path / f"{name}.png")
    one, two = '{"bbox": [1, 1, 4, 4], "category": "cat"}', '{"bbox": [2, 1, 4, 4], "category": "cat"}'

    def fingerprint(*rows, **options):
        lines = [f'{{"image": "{image}", "boxes": [{boxes}], "site": "{site}"}}' for image, boxes, site in rows]
        (tmp_path / "t.jsonl").write_text("\n".join(lines))
        return load(tmp_path / "t.jsonl", **options).fingerprint

    base = fingerprint(("a.png", f"{one}, {two}", "s"), ("b.png", "", "s"))
    assert fingerprint(("b.png", "", "s"), ("a.png", f"{two}, {one}", "s")) == base
    assert fingerprint(("a.png", one, "s"), ("b.png", "", "s")) != base
    assert fingerprint(("a.png", f"{one}, {two}", "s"), ("b.png", "", "s"), group_column="site") != base


def test_an_image_elsewhere_counts_by_its_name(load, tmp_path, picture):
    found = []
    for place in ("one", "two"):
        path = picture(tmp_path / place / "a.png", seed=1)
        other = picture(tmp_path / place / "set" / "b.png", seed=2)
        (tmp_path / place / "set" / "t.csv").write_text(f"image,label\n{path},x\n{other},y\n")
        found.append(load(tmp_path / place / "set" / "t.csv").fingerprint)
    assert found[0] == found[1]


def test_a_part_of_the_classes(load, scenes, class_folders, boxes_of):
    dataset = load(class_folders({"cat": 2, "dog": 2, "owl": 1}))
    part = dataset.select(["owl", "cat"])
    assert part.classes == ("cat", "owl")
    assert part.images["label"].to_list() == ["cat", "cat", "owl"]
    assert part.fingerprint != dataset.fingerprint
    assert len(dataset) == 5
    assert boxes_of(load(scenes).select(["é"])) == {
        "a.png": [{"bbox": [1, 1, 4, 4], "category": "é"}],
        "b.png": [],
        "c.png": [],
    }
    with pytest.raises(InputError, match=r"Unknown class 'dogs'\. Choose one of: cat, dog, owl\. Did you mean 'dog'\?"):
        dataset.select(["dogs"])


def test_it_cannot_be_changed(load, scenes):
    with pytest.raises(AttributeError):
        load(scenes).name = "other"
