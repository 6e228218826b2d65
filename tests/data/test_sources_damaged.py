"""Whatever a source holds, there is a dataset or one clear error, never a traceback of another kind."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from viewfinder.data.dataset import Dataset
from viewfinder.data.probe import probe
from viewfinder.data.sources import load as load_source
from viewfinder.errors import SourceError

examples = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


def loaded(path):
    try:
        return load_source(path)
    except SourceError:
        return None


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.gif", "a.tif", "a.bmp", "a.webp"])
@examples
@given(data=st.data())
def test_damaged_images(tmp_path, picture, name, data):
    content = bytearray(picture(tmp_path / name, size=(20, 16), seed=1).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / name).write_bytes(content[: data.draw(st.integers(0, len(content)))])
    found = probe(tmp_path / name)
    assert found.problem or min(found.upright) > 0


@examples
@given(entry=values, bbox=values, category=values, image=values)
def test_odd_coco(tmp_path, picture, entry, bbox, category, image):
    picture(tmp_path / "a.png", seed=1)
    content = {
        "images": [{"id": 1, "file_name": "a.png"}, {"id": image, "file_name": image, "width": image}, entry],
        "annotations": [
            {"image_id": 1, "category_id": 1, "bbox": bbox},
            {"image_id": image, "category_id": category},
            entry,
        ],
        "categories": [{"id": 1, "name": "cat"}, {"id": category, "name": category}, entry],
    }
    (tmp_path / "x.json").write_text(json.dumps(content))
    assert isinstance(loaded(tmp_path / "x.json"), Dataset)


@examples
@given(rows=st.lists(st.tuples(values, values), min_size=1, max_size=4))
def test_odd_tables(tmp_path, picture, rows):
    picture(tmp_path / "a.png", seed=1)
    lines = [json.dumps({"image": image, "boxes": boxes}) for image, boxes in [("a.png", []), *rows]]
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    loaded(tmp_path / "t.jsonl")


@examples
@given(text=st.binary(max_size=80))
def test_odd_bytes(tmp_path, picture, text):
    picture(tmp_path / "a.png", seed=1)
    for name in ("x.csv", "x.jsonl", "x.json", "x.parquet"):
        (tmp_path / name).write_bytes(text)
        loaded(tmp_path / name)


@examples
@given(text=st.text(alphabet='<>/="!? annotioxmlejcbd1[]&;\n', max_size=60))
def test_odd_xml(tmp_path, picture, text):
    picture(tmp_path / "a.png", seed=1)
    (tmp_path / "a.xml").write_text(f"<annotation>{text}</annotation>")
    (tmp_path / "b.xml").write_text('<?xml version="1.0" encoding="klingon"?><annotation/>')
    loaded(tmp_path)


def test_names_with_lone_surrogates_are_listed(load, tmp_path, picture, kinds):
    picture(tmp_path / "a.png")
    picture(tmp_path / "b.png")
    text = (
        '{"image": "a.png", "label": "x"}\n{"image": "b.png", "label": "\\ud800"}\n{"image": "\\ud800", "label": "y"}\n'
    )
    (tmp_path / "t.jsonl").write_text(text)
    dataset = load(tmp_path / "t.jsonl")
    assert dataset.classes == ("x",)
    assert len(kinds(dataset)["error", "undecodable_name"]) == 2


def test_links_to_the_same_folder_are_both_read(load, class_folders):
    source = class_folders({"cat": 2})
    try:
        (source / "lion").symlink_to(source / "cat", target_is_directory=True)
        (source / "cat" / "back").symlink_to(source / "lion", target_is_directory=True)
    except OSError:
        pytest.skip("links are not allowed here")
    dataset = load(source)
    assert dataset.images["image"].to_list() == ["cat/0.png", "cat/1.png", "lion/0.png", "lion/1.png"]


def test_a_table_without_a_header_is_refused(tmp_path):
    from viewfinder.data import sources
    from viewfinder.errors import SourceError

    (tmp_path / "photos.csv").write_text("cat/1.png,cat\ncat/2.png,cat\n", encoding="utf-8")
    with pytest.raises(SourceError, match=r"no header: its first line holds 'cat/1\.png'"):
        sources.load(tmp_path / "photos.csv")
