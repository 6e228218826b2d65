import json

import polars as pl
import pytest

from viewfinder.errors import SourceError


@pytest.fixture
def folder(tmp_path, picture):
    for number in range(6):
        picture(tmp_path / "set" / "photos" / f"{number}.png", size=(40, 30))
    return tmp_path / "set"


def write(path, rows):
    """Write rows (dicts) in the format of the path's extension."""
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    elif path.suffix == ".parquet":
        pl.DataFrame(rows, strict=False).write_parquet(path)
    else:
        plain = [{k: json.dumps(v) if isinstance(v, list) else v for k, v in row.items()} for row in rows]
        pl.DataFrame(plain, strict=False).write_csv(path)
    return path


@pytest.mark.parametrize("name", ["t.csv", "t.parquet", "t.jsonl"])
@pytest.mark.parametrize("labels", [["cat", "dog"], [0, 1], ["01", "02"]])
def test_classification(load, folder, name, labels):
    path = write(folder / name, [{"path": f"photos/{n}.png", "animal": labels[n % 2]} for n in range(6)])
    dataset = load(path)
    assert dataset.task == "classification"
    assert dataset.classes == tuple(str(label) for label in labels)
    assert dataset.images["image"].to_list() == [f"photos/{n}.png" for n in range(6)]
    assert dataset.images["label"].to_list() == [str(labels[n % 2]) for n in range(6)]
    assert dataset.diagnostics == ()


@pytest.mark.parametrize("name", ["[1].csv", "{a,b}.parquet", "[1].jsonl"])
def test_any_name_will_do(load, folder, name):
    """Polars would expand these, or those of a folder."""
    inside = folder.rename(folder.with_name("pictures [2026]"))
    rows = [{"path": f"photos/{n}.png", "animal": f"{n % 2}"} for n in range(6)]
    assert len(load(write(inside / name, rows)).images) == 6


@pytest.mark.parametrize("name", ["t.csv", "t.parquet", "t.jsonl"])
@pytest.mark.parametrize("as_text", [True, False])
def test_detection(load, folder, name, as_text, boxes_of):
    boxes = [{"bbox": [1.5, 2.0, 10.0, 5.25], "category": "cat"}, {"bbox": [0.0, 0.0, 40.0, 30.0], "category": "dog"}]
    values = [boxes, boxes[:1], boxes[1:]] * 2
    rows = [
        {"image": f"photos/{n}.png", "objects": json.dumps(v) if as_text else v, "site": f"s{n % 3}"}
        for n, v in enumerate(values)
    ]
    dataset = load(write(folder / name, rows), group_column="site")
    assert (dataset.task, dataset.classes) == ("detection", ("cat", "dog"))
    assert boxes_of(dataset)["photos/0.png"] == [
        {"bbox": [1.5, 2, 10, 5.25], "category": "cat"},
        {"bbox": [0, 0, 40, 30], "category": "dog"},
    ]
    assert dataset.images["group"].to_list() == ["s0", "s1", "s2"] * 2


def test_rows_that_cannot_be_used_are_listed(load, folder, kinds):
    lines = [
        "image,boxes",
        'photos/0.png,"[{""bbox"": [1, 1, 5, 5], ""category"": ""cat""}]"',
        "photos/1.png,[{not json",
        "photos/2.png,[]",
        "photos/3.png,",
        'photos/4.png,"[{""bbox"": [1, 1, 5], ""category"": ""cat""}, {""bbox"": [0, 0, 9, 9]}, 7]"',
        "photos/none.png,[]",
        ",[]",
        'photos/5.png,"{""bbox"": [1, 1, 5, 5]}"',
    ]
    (folder / "t.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    dataset = load(folder / "t.csv")
    assert dataset.images["image"].to_list() == ["photos/0.png", "photos/2.png", "photos/4.png"]
    found = kinds(dataset)
    assert found["error", "malformed_target"] == ["photos/1.png", "photos/5.png"]
    assert found["error", "missing_label"] == ["photos/3.png"]
    assert found["error", "malformed_box"] == ["photos/4.png", "photos/4.png"]
    assert found["error", "unknown_class"] == ["photos/4.png"]
    assert found["error", "missing_image"] == ["photos/none.png"]
    assert found["error", "unknown_image"] == ["t.csv"]
    reasons = {(d.kind, d.file): d.reason for d in dataset.diagnostics}
    assert reasons["malformed_target", "photos/1.png"].startswith(
        "Row 2 of 't.csv' was left out: column 'boxes' is not JSON"
    )
    assert reasons["unknown_image", "t.csv"] == "Row 7 was left out: it names no image."


def test_images_elsewhere_are_found(load, tmp_path, picture, folder):
    outside = picture(tmp_path / "elsewhere" / "a.png")
    beside = picture(tmp_path / "beside.png")
    rows = [
        {"image": str(outside), "label": "x"},
        {"image": "../beside.png", "label": "y"},
        {"image": str(folder / "photos" / "0.png"), "label": "x"},
        {"image": "photos\\1.png", "label": "y"},
        {"image": "2.png", "label": "x"},
    ]
    dataset = load(write(folder / "t.jsonl", rows))
    images = set(dataset.images["image"])
    assert images == {outside.as_posix(), beside.as_posix(), "photos/0.png", "photos/1.png", "photos/2.png"}
    assert all(dataset.path(image).is_file() for image in images)
    assert dataset.diagnostics == ()


def test_names_without_an_extension_are_found(load, folder):
    rows = [{"image": str(n), "breed": "ab"[n % 2]} for n in range(6)]
    dataset = load(write(folder / "t.csv", rows), image_column="image")
    assert dataset.images["image"].to_list() == [f"photos/{n}.png" for n in range(6)]


def test_a_name_that_means_two_images_is_not_guessed(load, folder, picture, kinds):
    picture(folder / "more" / "0.png")
    dataset = load(write(folder / "t.csv", [{"image": "0.png", "label": "a"}, {"image": "1.png", "label": "b"}]))
    assert kinds(dataset)["error", "unknown_image"] == ["t.csv"]
    assert "could be any of 'more/0.png', 'photos/0.png'" in dataset.diagnostics[0].reason


def test_repeated_rows(load, folder, kinds, boxes_of):
    rows = [
        {"image": "photos/0.png", "label": "a"},
        {"image": "photos/0.png", "label": "a"},
        {"image": "photos/1.png", "label": "a"},
        {"image": "photos/1.png", "label": "b"},
        {"image": "photos/2.png", "label": "b"},
    ]
    found = kinds(load(write(folder / "t.csv", rows)))
    assert found["warning", "repeated_image"] == ["photos/0.png"]
    assert found["error", "conflicting_labels"] == ["photos/1.png"]
    one, other = ({"bbox": [1, 1, 5, size], "category": "a"} for size in (5, 6))
    rows = [{"image": "photos/0.png", "boxes": boxes} for boxes in ([one], [other, one])]
    dataset = load(write(folder / "t.jsonl", rows))
    assert boxes_of(dataset) == {"photos/0.png": [one, other]}
    assert kinds(dataset)["error", "repeated_box"] == ["photos/0.png"]


def test_whole_numbers_that_pandas_made_decimal_are_classes(load, folder):
    pl.DataFrame({"image": ["photos/0.png", "photos/1.png", "photos/2.png"], "label": [1.0, None, 2.0]}).write_parquet(
        folder / "t.parquet"
    )
    dataset = load(folder / "t.parquet")
    assert dataset.classes == ("1", "2")
    assert [(d.kind, d.file) for d in dataset.diagnostics if d.severity == "error"] == [
        ("missing_label", "photos/1.png")
    ]


@pytest.mark.parametrize(("separator", "bom"), [(";", ""), ("\t", ""), (",", "\ufeff")])
def test_separators_and_byte_order_marks(load, folder, separator, bom):
    text = bom + "\n".join(
        separator.join(row) for row in [("image", "label"), ("photos/0.png", "é"), ("photos/1.png", "b")]
    )
    (folder / "t.csv").write_text(text, encoding="utf-8")
    assert load(folder / "t.csv").classes == ("b", "é")


def test_a_column_that_is_there_twice(load, folder):
    (folder / "t.csv").write_text("image,label,label\nphotos/0.png,a,x\nphotos/1.png,b,y\n")
    dataset = load(folder / "t.csv")
    assert dataset.classes == ("a", "b")
    assert [d.reason for d in dataset.diagnostics if d.kind == "repeated_column"] == [
        "Column 'label' is there again; the first counts."
    ]


def test_a_row_with_too_many_cells_is_listed_and_the_others_are_read(load, folder):
    text = 'image,label,note\nphotos/0.png,a,"x, ""y"""\nphotos/1.png,b,,oops\n\nphotos/1.png,b\n'
    (folder / "t.csv").write_text(text)
    dataset = load(folder / "t.csv")
    assert dataset.images["image"].to_list() == ["photos/0.png", "photos/1.png"]
    assert [d.reason for d in dataset.diagnostics if d.kind == "malformed_row"] == [
        "Row 2 was left out: it has 4 cells, the header 3."
    ]


def test_a_bad_line_of_json_lines_is_listed(load, folder, kinds):
    text = '{"image": "photos/0.png", "label": "a"}\n{"image": \n[1]\n\n{"image": "photos/1.png", "label": "b"}\n'
    (folder / "t.jsonl").write_text(text)
    dataset = load(folder / "t.jsonl")
    assert len(dataset) == 2
    assert [d.reason for d in dataset.diagnostics if d.kind == "malformed_row"] == [
        "Line 2 was left out: Expecting value at column 11.",
        "Line 3 was left out: it is not a JSON object.",
    ]


ERRORS = {
    "missing column": (
        "image,label\nphotos/0.png,a\n",
        {"target_column": "lable"},
        "'{path}': Unknown column 'lable'. Choose one of: image, label. Did you mean 'label'?",
    ),
    "no image column": (
        "name,label\nAnna,a\nBert,b\n",
        {},
        "'{path}' has no certain image column: no column looks like image paths. "
        "Say which with --image-column. Its columns: name, label.",
    ),
    "two image columns": (
        "left,right,label\nphotos/0.png,photos/1.png,a\n",
        {},
        "'{path}' has no certain image column: columns 'left', 'right' could each hold it. "
        "Say which with --image-column. Its columns: left, right, label.",
    ),
    "two targets": (
        "image,breed,colour\nphotos/0.png,a,b\n",
        {},
        "'{path}' has no certain target column: columns 'breed', 'colour' could each hold it. "
        "Say which with --target-column (and --task, if need be). Its columns: image, breed, colour.",
    ),
    "more cells than the header": (
        'image,boxes\nphotos/0.png,[{"bbox": [1, 1, 5, 5], "category": "cat"}]\n',
        {},
        "'{path}' has rows with more cells than its header. Put cells that hold commas, such as lists of boxes, "
        'in double quotes, and write quotes within them twice: "[{{""bbox"": …}}]".',
    ),
    "empty": ("", {}, "'{path}' is empty."),
    "header only": ("image,label\n", {}, "'{path}' has no rows."),
    "not utf-8": (
        b"image,label\nphotos/0.png,\xff\xfe\n",
        {},
        "'{path}' is not UTF-8 text. Save it with the encoding UTF-8.",
    ),
    "binary": (b"\x89PNG\0\0\1\2" * 1000, {}, "'{path}' is not a CSV file: it is not text."),
    "endless line": (b"x" * 3_000_000, {}, "'{path}' is not a CSV file: its first line has more than 1048576 bytes."),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_of_csv_name_the_way_out(load, folder, case):
    content, options, message = ERRORS[case]
    path = folder / "t.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(SourceError) as caught:
        load(path, **options)
    assert str(caught.value) == message.format(path=path)


def test_decimal_numbers_are_not_classes(load, folder):
    path = write(folder / "t.parquet", [{"image": f"photos/{n}.png", "label": n + 0.5} for n in range(3)])
    with pytest.raises(SourceError, match="column 'label' holds decimal numbers, which are not classes"):
        load(path)


def test_a_file_that_is_no_parquet(load, folder):
    (folder / "t.parquet").write_bytes(b"hello" * 10)
    with pytest.raises(SourceError, match=r"t\.parquet' is not a Parquet file that can be read"):
        load(folder / "t.parquet")


def test_json_lines_without_a_good_line(load, folder):
    (folder / "t.jsonl").write_text("hello\n")
    with pytest.raises(
        SourceError, match=r"t\.jsonl' is not JSON Lines: Line 1 was left out: Expecting value at column 1"
    ):
        load(folder / "t.jsonl")


def test_binary_columns_are_named(load, folder, kinds):
    pl.DataFrame({"image": ["photos/0.png", "photos/1.png"], "raw": [b"a", b"b"], "label": ["a", "b"]}).write_parquet(
        folder / "t.parquet"
    )
    dataset = load(folder / "t.parquet")
    assert len(dataset) == 2
    assert kinds(dataset)["info", "ignored_column"] == ["t.parquet"]
