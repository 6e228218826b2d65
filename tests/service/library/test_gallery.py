"""The gallery of a dataset: what is asked for, its order, its neighbours, and its pictures."""

import io

import pytest
from PIL import Image

from viewfinder.errors import NotFoundError, StoreError
from viewfinder.service.library import datasets, gallery
from viewfinder.service.library.gallery import Asked


@pytest.fixture
def pets(tmp_path):
    """Two classes in train and test, of growing sizes; one file broken, one outside of any class, one a text."""
    root = tmp_path / "pets"
    for split, count in (("train", 5), ("test", 3)):
        for name in ("cat", "dog"):
            (root / split / name).mkdir(parents=True)
            for number in range(count):
                size = (10 + 3 * number, 10 + (name == "dog"))
                color = (40 * number, 200 * (name == "dog"), 90 * (split == "test"))
                Image.new("RGB", size, color).save(root / split / name / f"{split} {number}.png")
    (root / "train" / "cat" / "Broken.jpg").write_bytes(b"no image")
    (root / "train" / "cat" / "notes.txt").write_text("no image at all")
    Image.new("RGB", (20, 10), "purple").save(root / "train" / "stray.png")
    return root


@pytest.fixture
def row(library, pets):
    return datasets.add(library, pets)


@pytest.fixture
def scenes(library, squares):
    return datasets.add(library, squares)


def names(page):
    return [picture.image for picture in page.rows]


def test_all_conditions_hold_together(library, row):
    def found(**asked):
        return gallery.page(library, row, Asked(**asked)).found

    assert found() == 16
    assert (found(shows="cat"), found(split="test"), found(find="TRAIN 4")) == (8, 6, 2)
    assert names(gallery.page(library, row, Asked(shows="dog", split="train", find="4"))) == ["train/dog/train 4.png"]
    assert (found(shows="bird"), found(split="none"), found(problem="error.nothing"), found(find="[")) == (0, 0, 0, 0)


def test_a_problem_finds_its_files_also_those_that_were_left_out(library, row):
    (broken,) = gallery.page(library, row, Asked(problem="error.corrupt_image")).rows
    assert (broken.image, broken.sha256, broken.classes, broken.is_image) == ("train/cat/Broken.jpg", None, (), True)
    (notes,) = gallery.page(library, row, Asked(problem="info.ignored_file")).rows
    assert (notes.image, notes.is_image) == ("train/cat/notes.txt", False)
    assert gallery.page(library, row, Asked(problem="error.corrupt_image", shows="cat")).found == 0
    assert gallery.page(library, row, Asked(problem="error.corrupt_image", find="broken")).found == 1


def test_the_order(library, row):
    by_name = names(gallery.page(library, row))
    assert by_name == sorted(by_name)
    assert names(gallery.page(library, row, Asked(sort="name_last"))) == by_name[::-1]
    largest = gallery.page(library, row, Asked(sort="largest", split="train"))
    assert names(largest)[0] == "train/dog/train 4.png"
    assert names(gallery.page(library, row, Asked(sort="smallest", shows="dog")))[0] == "test/dog/test 0.png"


def test_pages_follow_each_other(library, row, monkeypatch):
    all_names = names(gallery.page(library, row))
    monkeypatch.setattr(gallery, "PAGE", 6)
    pages = [gallery.page(library, row, number=number) for number in (1, 2, 3)]
    assert [name for page in pages for name in names(page)] == all_names
    assert [len(page.rows) for page in pages] == [6, 6, 4]
    assert [gallery.page(library, row, number=number).number for number in (99, -1)] == [3, 1]
    assert pages[0].pages == 3


def test_objects_are_found_and_counted(library, scenes):
    assert gallery.page(library, scenes, Asked(shows="red")).found == 6
    one = gallery.one(library, scenes, "3.png", Asked(shows="red"))
    assert (one.number, one.found, one.before, one.after) == (3, 6, "11.png", "5.png")
    assert (one.size, one.boxes) == ((64, 64), [{"bbox": [11, 20, 24, 24], "category": "red"}])
    assert (one.picture.counted(), gallery.Picture("x", None, ("a", "b", "a")).counted()) == ("red", "a ×2, b")


def test_an_image_in_full_and_its_neighbours(library, row, pets):
    name = "test/cat/test 0.png"
    one = gallery.one(library, row, name)
    assert (one.number, one.found, one.before, one.after) == (1, 16, None, "test/cat/test 1.png")
    assert (one.size, one.split, one.file_bytes) == ((10, 10), "test", (pets / name).stat().st_size)
    broken = gallery.one(library, row, "train/cat/Broken.jpg", Asked(problem="error.corrupt_image"))
    assert (broken.size, broken.before, broken.after) == (None, None, None)
    assert "not an image" in broken.findings[0]
    (pets / name).unlink()
    assert gallery.one(library, row, name).file_bytes is None
    with pytest.raises(NotFoundError, match="has no image"):
        gallery.one(library, row, name, Asked(shows="dog"))


def opened(content):
    return Image.open(io.BytesIO(content))


def test_pictures_are_encoded_anew(library, row, pets):
    picture = gallery.page(library, row, Asked(find="test/dog/test 2")).rows[0]
    small = gallery.thumbnail(library, row, picture.sha256)
    assert (opened(small).format, opened(small).size) == ("JPEG", (16, 11))
    assert opened(gallery.full(library, row, picture.sha256)).size == (16, 11)
    (pets / picture.image).unlink()
    assert gallery.thumbnail(library, row, picture.sha256) == small  # it was kept
    for made in (gallery.full, gallery.thumbnail):
        for wrong in ("0" * 64, "../../x", ""):
            with pytest.raises(NotFoundError):
                made(library, row, wrong)


def test_boxes_are_drawn(library, scenes):
    picture = gallery.page(library, scenes).rows[0]
    assert max(opened(gallery.full(library, scenes, picture.sha256)).size) == gallery.LEAST_FULL_PX
    assert max(opened(gallery.thumbnail(library, scenes, picture.sha256)).size) == gallery.THUMBNAIL_PX


def test_only_files_that_a_finding_names_are_shown_and_only_inside(library, tmp_path):
    root = tmp_path / "pets"
    (root / "cat").mkdir(parents=True)
    for number in range(3):
        Image.new("RGB", (9, 9), (90 * number, 0, 0)).save(root / "cat" / f"{number}.png")
    Image.new("RGB", (20, 10), "purple").save(root / "stray.png")
    Image.new("RGB", (20, 10), "black").save(tmp_path / "secret.png")
    (root / "linked.png").symlink_to(tmp_path / "secret.png")
    row = datasets.add(library, root)
    assert opened(gallery.left_out(library, row, "stray.png")).size == (20, 10)
    for wrong in ("linked.png", "../secret.png", str(tmp_path / "secret.png"), "cat/0.png", "gone.png"):
        with pytest.raises(NotFoundError):
            gallery.left_out(library, row, wrong)


def test_the_summary_is_kept_and_made_again_when_it_is_gone_or_broken(library, row):
    summary = datasets.summary(library, row)
    assert (summary["images"], summary["splits"]) == (16, {"test": 6, "train": 10})
    assert sum(count for _, _, count in summary["distributions"]["image_sizes"]) == 16
    kept = library.home / "datasets" / row.id / "summary.json"
    for broken in (b"", b"[]", b'{"form": 0}'):
        kept.write_bytes(broken)
        assert datasets.summary(library, row) == summary
        assert kept.read_bytes() != broken


def test_a_dataset_gets_another_name(library, row):
    assert datasets.rename(library, row.id, "  my \n pets ").name == "my pets"
    assert [one.name for one in datasets.datasets(library)] == ["my pets"]
    for wrong in ("", "  ", "x" * 201):
        with pytest.raises(StoreError, match="1 to 200 characters"):
            datasets.rename(library, row.id, wrong)
    with pytest.raises(NotFoundError):
        datasets.rename(library, "gone", "name")
