"""What a source is taken for, and what is said when there is doubt."""

import pytest

from viewfinder.errors import DesignError, SourceError

READ = "a folder per class, a CSV, Parquet or JSON Lines table, COCO JSON, and Pascal VOC"


def message(load, source, **options):
    with pytest.raises(SourceError) as caught:
        load(source, **options)
    return str(caught.value)


def test_a_mistyped_path_gets_near_names(load, class_folders):
    source = class_folders({"cat": 1, "dog": 1}, root="data/pets")
    typo = source.parent / "pest"
    assert message(load, typo) == f"There is no '{typo}': '{source.parent}' has no 'pest'. Did you mean '{source}'?"
    typo = source.parent.parent / "dta" / "pets"
    assert message(load, typo).endswith(f"has no 'dta'. Did you mean '{source.parent}'?")


def test_an_empty_folder(load, tmp_path):
    (tmp_path / "none" / ".git").mkdir(parents=True)
    assert message(load, tmp_path / "none") == f"'{tmp_path / 'none'}' holds no files."


def test_a_folder_without_images(load, tmp_path):
    (tmp_path / "a.txt").write_text("a")
    expected = f"'{tmp_path}' holds no images. Read are JPEG, PNG, WebP, BMP, TIFF and GIF; found were 'a.txt'."
    assert message(load, tmp_path) == expected


@pytest.mark.parametrize("folder", ["", "images", "train"])
def test_images_that_nothing_is_said_about(load, tmp_path, picture, folder):
    for name in "ab":
        picture(tmp_path / "set" / folder / f"{name}.png")
    assert message(load, tmp_path / "set") == (
        f"'{tmp_path / 'set'}' holds 2 images but no folders of classes and no annotations. "
        f"Put the images of each class into a folder named after it, or add annotations. What is read: {READ}."
    )


def test_yolo_is_named_and_not_guessed_at(load, tmp_path, picture):
    for split in ("train", "valid"):
        picture(tmp_path / "set" / "images" / split / "a.png")
        path = tmp_path / "set" / "labels" / split / "a.txt"
        path.parent.mkdir(parents=True)
        path.write_text("0 0.5 0.5 0.25 0.125\n")
    (tmp_path / "set" / "data.yaml").write_text("names: [cat]\n")
    for given in (tmp_path / "set", tmp_path / "set" / "data.yaml"):
        assert message(load, given) == (
            f"'{given}' looks like YOLO, which is not read yet. What is read: {READ}. Convert it to COCO JSON."
        )


def test_annotations_in_folders_of_classes_are_settled_by_the_task(load, class_folders, voc):
    source = class_folders({"cat": 2, "dog": 2})
    for name in ("cat", "dog"):
        for number in range(2):
            voc(source / name / f"{number}.xml", f"{number}.png", (12, 8), [(name, 1, 1, 4, 4)])
    assert message(load, source) == (
        f"'{source}' can be read in more than one way: Pascal VOC (4 XML files); a folder per class ('cat', 'dog'). "
        "Settle it by giving --task classification or --task detection, or the file itself as the source."
    )
    assert load(source, task="classification").format == "folder per class"
    assert load(source, task="detection").format == "Pascal VOC"


def test_a_table_beside_the_folders_of_its_classes(load, class_folders):
    source = class_folders({"cat": 2, "dog": 2})
    rows = [f"{name}/{number}.png,{name}s" for name in ("cat", "dog") for number in range(2)]
    (source / "labels.csv").write_text("\n".join(["image,label", *rows]))
    dataset = load(source)
    assert dataset.format == "folder per class"
    assert [(d.kind, d.file) for d in dataset.diagnostics] == [("ignored_file", "labels.csv")]
    assert load(source / "labels.csv").classes == ("cats", "dogs")
    assert load(source, target_column="label").classes == ("cats", "dogs")


def test_a_table_of_boxes_beside_folders_of_classes_is_settled_by_the_task(load, class_folders):
    source = class_folders({"cat": 2, "dog": 2})
    (source / "boxes.csv").write_text("image,boxes\ncat/0.png,[]\n")
    assert message(load, source).endswith(
        "Settle it by giving --task classification or --task detection, or the file itself as the source, "
        "or --image-column and --target-column for a table."
    )
    assert load(source, task="classification").classes == ("cat", "dog")


def test_a_folder_with_a_table_and_its_images(load, tmp_path, picture):
    for name in "ab":
        picture(tmp_path / "set" / "images" / f"{name}.png")
    (tmp_path / "set" / "train.csv").write_text("id,breed\na.png,x\nb.png,y\n")
    dataset = load(tmp_path / "set")
    assert (dataset.format, dataset.classes) == ("CSV table", ("x", "y"))


def test_a_doubtful_table_in_a_folder_is_explained(load, tmp_path, picture):
    for name in "ab":
        picture(tmp_path / "set" / "images" / f"{name}.png")
    (tmp_path / "set" / "train.csv").write_text("id,breed,colour\na.png,x,r\nb.png,y,g\n")
    assert "Say which with --target-column" in message(load, tmp_path / "set")
    assert load(tmp_path / "set", target_column="colour").classes == ("g", "r")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a.png", "is a single file; give the folder that it belongs to."),
        ("a.zip", "is an archive; unpack it and give the folder."),
        ("a.docx", f"is not a kind of source that is read. What is read: {READ}."),
    ],
)
def test_other_files(load, tmp_path, name, reason):
    (tmp_path / name).write_bytes(b"x")
    assert message(load, tmp_path / name) == f"'{tmp_path / name}' {reason}"


def test_the_wrong_task(load, class_folders, tmp_path, picture, coco):
    source = class_folders({"cat": 2, "dog": 2})
    assert message(load, source, task="detection") == (
        f"'{source}' cannot be read for detection: it holds a folder per class ('cat', 'dog'), for classification."
    )
    picture(tmp_path / "x.png")
    path = coco(tmp_path / "x.json", [(1, "x.png", 12, 8)], [(1, 1, [1, 1, 2, 2])], {1: "cat"})
    assert message(load, path, task="classification") == (
        f"'{path}' is read as COCO JSON, which is for detection, not for classification."
    )
    with pytest.raises(DesignError, match="Unknown task 'detect'"):
        load(source, task="detect")


def test_columns_of_what_has_none(load, class_folders):
    source = class_folders({"cat": 2, "dog": 2})
    expected = f"'{source}' holds no table, and only tables have columns ('patient')."
    assert message(load, source, group_column="patient") == expected


def test_a_table_and_the_wrong_task(load, tmp_path, picture):
    picture(tmp_path / "a.png")
    path = tmp_path / "t.csv"
    path.write_text("image,label,boxes\na.png,x,[]\n")
    assert load(path, task="classification").images["label"].to_list() == ["x"]
    assert load(path, task="detection").images["boxes"].to_list() == ["[]"]
    assert message(load, path, task="detection", target_column="label") == (
        f"'{path}': column 'label' holds no lists of boxes, which is for classification, not for detection. "
        "Say which column holds the target with --target-column. Its columns: image, label, boxes."
    )
    path.write_text("image,label\na.png,x\n")
    assert "no column fits detection" in message(load, path, task="detection")
