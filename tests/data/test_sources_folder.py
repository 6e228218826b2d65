import shutil

import pytest
from PIL import Image

from viewfinder.errors import SourceError


def rows(dataset, *columns):
    return dataset.images.select(columns).rows()


def test_a_folder_per_class(load, class_folders):
    dataset = load(class_folders({"cat": 2, "dog": 1, "01": 2}))
    assert (dataset.format, dataset.task, dataset.name) == ("folder per class", "classification", "pets")
    assert dataset.classes == ("01", "cat", "dog")
    assert rows(dataset, "image", "label", "width", "height", "group", "split") == [
        ("01/0.png", "01", 12, 8, None, None),
        ("01/1.png", "01", 12, 8, None, None),
        ("cat/0.png", "cat", 12, 8, None, None),
        ("cat/1.png", "cat", 12, 8, None, None),
        ("dog/0.png", "dog", 12, 8, None, None),
    ]


def test_nested_folders_letter_case_spaces_and_accents(load, tmp_path, picture):
    root = tmp_path / "Mes données"
    picture(root / "chat noir" / "été" / "très loin" / "a.JPG")
    picture(root / "chat noir" / "b.Png")
    picture(root / "犬" / "写真.TIFF")
    picture(root / "犬" / "c.WebP")
    picture(root / "犬" / "d.gif")
    picture(root / "犬" / "e.bmp")
    dataset = load(root)
    assert dataset.classes == ("chat noir", "犬")
    assert rows(dataset, "image") == [
        ("chat noir/b.Png",),
        ("chat noir/été/très loin/a.JPG",),
        ("犬/c.WebP",),
        ("犬/d.gif",),
        ("犬/e.bmp",),
        ("犬/写真.TIFF",),
    ]


def test_hidden_files_and_folders_are_passed_over(load, class_folders, picture, tmp_path):
    source = class_folders({"cat": 2, "dog": 2})
    before = load(source).fingerprint
    picture(source / ".ipynb_checkpoints" / "a.png")
    picture(source / "cat" / ".ipynb_checkpoints" / "a.png")
    picture(source / "__MACOSX" / "cat" / "._a.png")
    picture(source / "cat" / "._a.png")
    dataset = load(source)
    assert dataset.fingerprint == before
    assert dataset.diagnostics == ()


def test_a_hidden_folder_above_the_source_does_not_matter(load, class_folders):
    assert len(load(class_folders({"cat": 2, "dog": 2}, root=".cache/pets"))) == 4


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        (("train", "valid", "test"), {"train", "validation", "test"}),
        (("training", "validation", "testing"), {"train", "validation", "test"}),
        (("Train", "VAL"), {"train", "validation"}),
        (("train", "test"), {"train", "test"}),
    ],
)
def test_split_folders_with_classes_inside(load, class_folders, folders, expected):
    source = class_folders({f"{folder}/{name}": 2 for folder in folders for name in ("cat", "dog")})
    dataset = load(source)
    assert dataset.classes == ("cat", "dog")
    assert set(dataset.images["split"]) == expected
    assert dataset.images.height == 4 * len(folders)


def test_a_train_folder_alone_is_no_split_but_holds_the_classes(load, class_folders, kinds):
    dataset = load(class_folders({"train/cat": 2, "train/dog": 2}))
    assert dataset.classes == ("cat", "dog")
    assert set(dataset.images["split"]) == {None}
    assert ("info", "no_own_split") in kinds(dataset)


def test_a_class_may_be_called_train(load, class_folders):
    dataset = load(class_folders({"train": 2, "bus": 2, "test": 2}))
    assert dataset.classes == ("bus", "test", "train")


def test_what_is_left_out_is_listed(load, class_folders, picture, kinds):
    source = class_folders({"cat": 3, "dog": 2, "mouse": 1})
    picture(source / "stray.png")
    (source / "notes.txt").write_text("hello")
    (source / "cat" / "phone.HEIC").write_bytes(b"heic")
    (source / "empty").mkdir()
    (source / "cat" / "broken.jpg").write_bytes(b"not an image")
    (source / "cat" / "zero.png").write_bytes(b"")
    whole = (source / "cat" / "0.png").read_bytes()
    (source / "cat" / "cut.png").write_bytes(whole[:60])
    dataset = load(source)
    assert len(dataset) == 6
    assert kinds(dataset) == {
        ("error", "corrupt_image"): ["cat/broken.jpg", "cat/cut.png", "cat/zero.png"],
        ("error", "no_class"): ["stray.png"],
        ("error", "unsupported_image"): ["cat/phone.HEIC"],
        ("warning", "empty_folder"): ["empty"],
        ("warning", "single_image_class"): [""],
        ("info", "ignored_file"): ["notes.txt"],
    }
    assert all(diagnostic.reason for diagnostic in dataset.diagnostics)


def test_a_truncated_jpeg_is_found_though_it_is_decoded_small(load, class_folders, picture, kinds):
    source = class_folders({"cat": 2, "dog": 2})
    path = picture(source / "cat" / "cut.jpg", size=(400, 300))
    path.write_bytes(path.read_bytes()[:-2000])
    dataset = load(source)
    assert kinds(dataset) == {("error", "corrupt_image"): ["cat/cut.jpg"]}
    assert "ends too early" in dataset.diagnostics[0].reason


def test_a_decompression_bomb_is_a_finding(load, class_folders, picture, monkeypatch, kinds):
    source = class_folders({"cat": 2, "dog": 2})
    picture(source / "cat" / "large.png", size=(40, 40))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 200)
    dataset = load(source)
    assert kinds(dataset) == {("error", "corrupt_image"): ["cat/large.png"]}
    assert "more pixels than is safe" in dataset.diagnostics[0].reason


def test_a_class_of_which_no_image_can_be_read_is_said(load, class_folders, kinds):
    source = class_folders({"cat": 2, "dog": 2})
    (source / "owl").mkdir()
    (source / "owl" / "a.png").write_bytes(b"?")
    dataset = load(source)
    assert dataset.classes == ("cat", "dog")
    assert [d.reason for d in dataset.diagnostics if d.kind == "unused_class"] == [
        "Class 'owl' has no image that can be used, so it is not a class here."
    ]


def test_copies_are_listed(load, class_folders, kinds):
    source = class_folders({"train/cat": 2, "train/dog": 2, "test/cat": 1, "test/dog": 2})
    shutil.copy(source / "train/cat/0.png", source / "train/cat/same.png")
    shutil.copy(source / "train/cat/0.png", source / "test/cat/leak.png")
    shutil.copy(source / "train/dog/0.png", source / "train/cat/wrong.png")
    found = kinds(load(source))
    assert found["warning", "duplicate_across_splits"] == ["train/cat/0.png", "train/cat/same.png"]
    assert found["warning", "conflicting_labels"] == ["train/dog/0.png"]
    assert len(found["info", "identical_image"]) == 3


def test_a_class_without_training_images_is_said(load, class_folders, kinds):
    dataset = load(class_folders({"train/cat": 2, "train/dog": 2, "test/cat": 2, "test/owl": 2}))
    assert [d.reason for d in dataset.diagnostics] == ["Class 'owl' has no training image, so it cannot be learned."]


def test_folders_beside_the_splits_are_listed(load, class_folders, kinds):
    dataset = load(class_folders({"train/cat": 2, "train/dog": 2, "test/cat": 2, "test/dog": 2, "old/cat": 1}))
    assert kinds(dataset) == {("error", "outside_splits"): ["old/cat/0.png"]}


def test_one_class_gives_a_hint_on_folders_further_down(load, class_folders):
    dataset = load(class_folders({"pets/cat": 2, "pets/dog": 2}))
    assert dataset.classes == ("pets",)
    assert "('cat', 'dog'), give that folder" in dataset.diagnostics[0].reason


def test_nothing_readable_is_an_error(load, tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        (tmp_path / "pets" / name / "a.jpg").write_bytes(b"x")
    with pytest.raises(
        SourceError, match=r"No image of '.*pets' \(folder per class\) can be used\. cat/a\.jpg: It is not"
    ):
        load(tmp_path / "pets")


def test_links_that_go_in_circles_end(load, class_folders):
    source = class_folders({"cat": 2, "dog": 2})
    try:
        (source / "cat" / "loop").symlink_to(source, target_is_directory=True)
    except OSError:
        pytest.skip("links are not allowed here")
    assert len(load(source)) == 4


def test_progress_is_told_for_every_image(load, class_folders):
    calls = []
    load(class_folders({"cat": 3, "dog": 2}), progress=lambda done, total: calls.append((done, total)))
    assert calls == [(n, 5) for n in range(1, 6)]
