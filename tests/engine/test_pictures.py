"""Images are decoded once, and nothing but time tells."""

import hashlib
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

from runs import rows, same_tensors, weights
from viewfinder.design import Affine, Augmentation, Color, Crop
from viewfinder.engine.examples import Item, Loader, Recipe, in_batches

STRONG = Augmentation(color=Color(probability=1), affine=Affine(probability=1), crop=Crop(min_kept_ratio=0.4))
BOX = ((10.0, 5.0, 30.0, 25.0),)
RECIPES = {
    "square": Recipe(48),
    "square augmented": Recipe(48, None, STRONG, seed=3),
    "aspect kept": Recipe(40, 66),
    "aspect kept augmented": Recipe(40, 66, STRONG, seed=3),
}
SIZES = [(640, 427), (427, 640), (50, 300), (300, 20), (48, 48), (31, 33), (2000, 90), (60, 40)]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Return items of JPEGs of many sizes, one of them stored on its side, and of a file that is not there."""
    folder, made = tmp_path_factory.mktemp("photos"), []
    photo = Image.fromarray(load_sample_image("china.jpg"))
    for number, size in enumerate(SIZES):
        made.append(Item(str(folder / f"{number}.jpg"), f"{number}.jpg", (0,), BOX, number))
        exif = Image.Exif()
        exif[0x0112] = 6 if number == 1 else 1
        photo.resize(size).save(made[-1].path, quality=95, exif=exif)
    return [*made, Item(str(folder / "gone.jpg"), "gone.jpg", (0,), BOX, len(SIZES))]


def examples(recipe, items, epoch=1, workers=0):
    with Loader(workers) as loader:
        given = [one for batch in loader.batches(recipe, in_batches(items, 3), epoch) for one in batch]
    if recipe.kept:
        recipe.kept.close()
    return given


def same(one, other, atol=0.0):
    return all(
        np.array_equal(a.pixels, b.pixels)
        and np.allclose(a.boxes, b.boxes, rtol=0, atol=atol)
        and (a.original_size, a.error) == (b.original_size, b.error)
        for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("name", ["square", "aspect kept"])
def test_images_that_are_not_augmented_are_what_the_files_give(photos, name, tmp_path):
    recipe = RECIPES[name]
    plain = examples(recipe, photos)
    for _ in range(2):
        assert same(examples(recipe.keeping(tmp_path, photos), photos), plain, atol=1e-9)
    assert [one.error is None for one in plain] == [True] * len(SIZES) + [False]


@pytest.mark.parametrize("name", RECIPES)
def test_what_was_kept_gives_the_same_examples(photos, name, tmp_path):
    recipe = RECIPES[name].keeping(tmp_path / "kept", photos)
    first = {epoch: examples(recipe, photos, epoch) for epoch in (1, 2)}
    assert not same(first[1], first[2]) or "augmented" not in name
    (tmp_path / "file").write_text("")
    nowhere = RECIPES[name].keeping(tmp_path / "file", photos)
    again = RECIPES[name].keeping(tmp_path / "kept", photos)
    for epoch, given in first.items():
        assert same(given, examples(again, photos, epoch))
        assert same(given, examples(nowhere, photos, epoch))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_file_is_read_once_by_all_processes(photos, workers, tmp_path):
    shutil.copytree(Path(photos[0].path).parent, tmp_path / "copy")
    items = [replace(item, path=str(tmp_path / "copy" / item.name)) for item in photos[:-1]]
    recipe = RECIPES["square augmented"].keeping(tmp_path / "kept", items)
    first = examples(recipe, items, 1, workers)
    shutil.rmtree(tmp_path / "copy")
    assert same(examples(recipe, items, 1, workers), first)
    assert all(one.error is None for one in examples(recipe, items, 2, workers))


def test_an_image_that_was_replaced_is_another(photos, tmp_path):
    shutil.copy(photos[0].path, tmp_path / "a.jpg")
    item = Item(str(tmp_path / "a.jpg"), "a.jpg", number=0)
    (first,) = examples(Recipe(48).keeping(tmp_path / "kept", [item]), [item])
    Image.new("RGB", (90, 90), "red").save(item.path)
    (second,) = examples(Recipe(48).keeping(tmp_path / "kept", [item]), [item])
    assert np.abs(second.pixels.astype(int) - (254, 0, 0)).max() < 3
    assert first.original_size != second.original_size


def test_so_is_one_whose_size_and_time_are_the_same(photos, tmp_path):
    """As a copy that keeps the time may leave it; the content that was imported is known."""
    for color in ("blue", "red"):
        Image.new("RGB", (90, 90), color).save(tmp_path / "a.bmp")
        os.utime(tmp_path / "a.bmp", (1, 1))
        digest = hashlib.sha256((tmp_path / "a.bmp").read_bytes()).hexdigest()
        item = Item(str(tmp_path / "a.bmp"), "a.bmp", number=0, sha256=digest)
        (found,) = examples(Recipe(48).keeping(tmp_path / "kept", [item]), [item])
    assert (found.pixels == (255, 0, 0)).all()


def test_what_was_damaged_is_read_anew(photos, tmp_path):
    items = photos[:-1]
    recipe = Recipe(48).keeping(tmp_path, items)
    first = examples(recipe, items)
    (kept,) = tmp_path.iterdir()
    content = bytearray((kept / "pieces").read_bytes())
    content[200] ^= 1
    (kept / "pieces").write_bytes(content[: len(content) // 2])
    assert same(examples(recipe, items), first)
    (kept / "index").write_bytes(b"\xff" * 50)
    assert same(examples(recipe, items), first)


def detail(image):
    return np.abs(np.diff(image.astype(float), axis=0)).mean() + np.abs(np.diff(image.astype(float), axis=1)).mean()


@pytest.mark.parametrize("ratio", [0.75, 0.4])
def test_crops_are_as_sharp_as_from_the_file(photos, ratio, tmp_path):
    crops = Augmentation(
        color=Color(enabled=False), affine=Affine(enabled=False), crop=Crop(probability=1, min_kept_ratio=ratio)
    )
    plain, items = Recipe(64, None, crops, seed=5), photos[:2]
    ours, theirs = [], []
    for epoch in range(20):
        ours += [detail(one.pixels) for one in examples(plain.keeping(tmp_path, items), items, epoch)]
        theirs += [detail(one.pixels) for one in examples(plain, items, epoch)]
    assert 0.97 < np.mean(ours) / np.mean(theirs) < 1.03


def test_little_is_kept_of_large_images(photos, tmp_path):
    recipe = Recipe(48).keeping(tmp_path, photos)
    examples(recipe, photos)
    (kept,) = tmp_path.iterdir()
    assert (kept / "pieces").stat().st_size <= len(photos) * (48 * 48 * 3 + 16)
    assert Recipe(48, None, STRONG).margin == pytest.approx(1.25 * 0.4**-0.5)
    assert Recipe(48, None, Augmentation(crop=Crop(min_kept_ratio=0.01))).margin == 2
    assert Recipe(48, None, Augmentation(crop=Crop(probability=0))).margin == 1


@pytest.mark.parametrize("name", ["colors", "squares"])
def test_a_run_does_not_depend_on_what_was_kept(trained, colors, squares, tmp_path, monkeypatch, name):
    source = {"colors": colors, "squares": squares}[name]
    settings = {"training.epochs": 2, "training.batch_size": 4, "runtime.engine": "torch"}
    runs = []
    for home in ("first", "first", "second"):
        monkeypatch.setenv("VIEWFINDER_HOME", str(tmp_path / home))
        runs.append(trained(source, settings))
        assert len(list((tmp_path / home / "cache" / "images").iterdir())) == 2
    for run in runs[1:]:
        assert rows(run) == rows(runs[0])
        assert same_tensors(weights(run), weights(runs[0]))
