"""Warps on a device: the views that Pillow makes, and boxes where Pillow's are. The same tests run on a GPU."""

from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from viewfinder import catalogue
from viewfinder.design import Affine, Augmentation, Color, Crop
from viewfinder.engine.augment import View, augment, changed
from viewfinder.engine.change import Change, Pending, Tint, draw, placed
from viewfinder.engine.examples import Item, Recipe
from viewfinder.engine.task import as_tensor, as_tensors, engine_of
from viewfinder.engine.warp import warped

FILL = (124, 116, 104)
ALL = Augmentation(
    color=Color(probability=1, brightness=0.3, contrast=0.3, hue=0.2),
    affine=Affine(probability=1, vertical_flip=True, max_rotation=40),
    crop=Crop(probability=1, min_kept_ratio=0.4),
)
OFF = {name: {"enabled": False} for name in ("color", "affine", "crop")}
CHOICES = {
    "all": ALL,
    "default": Augmentation(),
    "off": Augmentation.model_validate(OFF),
    **{name: Augmentation.model_validate({**OFF, name: getattr(ALL, name)}) for name in OFF},
}
DEVICES = ["cpu", pytest.param("cuda:0", marks=pytest.mark.gpu)]


@pytest.fixture(scope="module")
def photos():
    from sklearn.datasets import load_sample_image

    whole = [Image.fromarray(load_sample_image(name)) for name in ("china.jpg", "flower.jpg")]
    sizes = [(640, 427), (220, 150), (90, 130), (128, 128), (300, 90)]
    return [image.resize(size) for image in whole for size in sizes]


@contextmanager
def both(recipe, folder, items):
    """Give a recipe of finished views, and one that leaves changes pending; both keep what they decode."""
    keeping = recipe.keeping(folder, items)
    yield keeping, replace(keeping, pending=True)
    keeping.kept.close()


def far(ours, theirs):
    return np.abs(ours.astype(float) - theirs).mean()


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("augmentation", CHOICES.values(), ids=CHOICES)
@pytest.mark.parametrize("longest", [None, 160], ids=["square", "aspect kept"])
def test_a_batch_is_what_pillow_makes_of_each_image(photos, augmentation, longest, device, tmp_path):
    """Mean difference of an image under 1 of 255 grey levels: Pillow rounds after each of three steps, or cuts off."""
    boxes = ((5.0, 8.0, 60.0, 70.0), (20.0, 20.0, 50.0, 40.0))
    items = [Item(photo, f"{n}", (0, 1), boxes, n) for n, photo in enumerate(photos)]
    with both(Recipe(96, longest, augmentation, 3, FILL), tmp_path, items) as (here, there):
        loaded = [(here.load_all(items, epoch), there.load_all(items, epoch)) for epoch in range(6)]
    for plain, left in loaded:
        given = [example.pixels for example in left]
        made = warped(given, [example.pending for example in left], FILL, torch.device(device)).cpu().numpy()
        for one, other, pixels in zip(plain, left, made, strict=True):
            width, height = other.pending.size
            assert one.pixels.shape == (height, width, 3)
            assert far(pixels[:, :height, :width].transpose(1, 2, 0), one.pixels) < 1
            assert one.boxes.tobytes() == other.boxes.tobytes()
            assert one.classes.tolist() == other.classes.tolist()
            assert one.original_size == other.original_size


@pytest.mark.parametrize("task", ["classification", "detection"])
def test_networks_get_the_same_batch(task, photos, tmp_path):
    """Within a hundredth of a standard deviation of natural images; the targets are the same numbers."""
    row = catalogue.of_task(task)[-1]
    engine = engine_of(task)(row, 64, ["a", "b"], torch.device("cpu"))
    boxes = ((5.0, 8.0, 60.0, 70.0),) if task == "detection" else None
    items = [Item(photo, f"{n}", (n % 2,), boxes, n) for n, photo in enumerate(photos)]
    with both(replace(engine.recipe(), augmentation=ALL), tmp_path, items) as (here, there):
        plain, left = engine.batch(here.load_all(items, 1)), engine.batch(there.load_all(items, 1))
    assert plain.sizes == left.sizes
    for one, other in zip(plain.images, left.images, strict=True):
        assert one.shape == other.shape
        assert float((one - other).abs().mean()) < 0.02
    if task == "classification":
        assert torch.equal(plain.targets, left.targets)
        assert left.images.is_contiguous(memory_format=torch.channels_last)
    else:
        for one, other in zip(plain.targets, left.targets, strict=True):
            assert torch.equal(one["boxes"], other["boxes"])
            assert torch.equal(one["labels"], other["labels"])


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32), st.integers(20, 120), st.integers(20, 120), st.integers(0, 3), st.floats(0.05, 1))
def test_boxes_are_where_the_cpu_puts_them(seed, width, height, count, ratio):
    """To the bit, whatever is drawn, and with turns that are not made because no box would be left."""
    rng = np.random.default_rng(seed)
    begin = rng.uniform(0, 0.8, (count, 2)) * (width, height)
    boxes = np.concatenate([begin, begin + rng.uniform(1, 0.2 * min(width, height), (count, 2))], axis=1)
    strong = Augmentation(
        color=Color(probability=1),
        affine=Affine(probability=1, vertical_flip=True, max_rotation=180),
        crop=Crop(probability=0.5, min_kept_ratio=ratio),
    )
    image = Image.new("RGB", (width, height))
    view = augment(
        image, boxes, strong, np.random.default_rng(seed), lambda i: np.asarray(i.resize((64, 48))), (0, 0, 0)
    )
    end = placed(draw(image.size, boxes, strong, np.random.default_rng(seed)), image.size, boxes, (64, 48))
    assert view.boxes.tobytes() == end.boxes.tobytes()
    assert view.kept.tolist() == end.kept.tolist()


def test_what_is_drawn_is_the_generators_numbers_in_their_order():
    """Categories first, then crop, turn and colours: what a seed says never changes."""
    rng = np.random.default_rng(7)
    chances = rng.random(3)
    side = np.sqrt(rng.uniform(0.4, 1))
    w, h = round(100 * side), round(80 * side)
    x, y = rng.integers(0, 100 - w + 1), rng.integers(0, 80 - h + 1)
    mirrored, upended, degrees = rng.random() < 0.5, rng.random() < 0.5, rng.uniform(-40, 40)
    tint = Tint(rng.uniform(0.7, 1.3), rng.uniform(0.7, 1.3), rng.uniform(-0.2, 0.2))
    assert (chances < 1).all()
    drawn = draw((100, 80), np.zeros((0, 4)), ALL, np.random.default_rng(7))
    assert drawn == Change((x, y, x + w, y + h), mirrored, upended, degrees, tint)


@pytest.mark.parametrize("device", DEVICES)
def test_nothing_to_do_gives_the_pixels(photos, device):
    pixels = [np.asarray(photo) for photo in photos]
    still = [Pending(Change(), photo.size) for photo in photos]
    made = warped(pixels, still, FILL, torch.device(device)).cpu()
    for one, image in zip(made, pixels, strict=True):
        assert np.abs(one[:, : image.shape[0], : image.shape[1]].permute(1, 2, 0).numpy() - image).max() < 1e-3


@pytest.mark.parametrize("degrees", [90, -90, 180, 45, 12.5])
def test_corners_that_open_have_the_fill(degrees):
    image = Image.new("RGB", (60, 40), (0, 255, 0))
    change = Change(degrees=degrees)
    (made,) = warped([np.asarray(image)], [Pending(change, (60, 40))], FILL, torch.device("cpu"))
    view = changed(View(image, np.zeros((0, 4)), np.arange(0)), change, np.asarray, FILL)
    ours, theirs = made.permute(1, 2, 0).numpy(), np.asarray(view.image)
    filled = (theirs == FILL).all(axis=2)
    assert filled.any() == (degrees != 180)
    assert np.array_equal((np.abs(ours - FILL) < 1e-3).all(axis=2), filled)


def test_an_image_is_the_same_whatever_is_in_its_batch(photos):
    """But for rounding: the whole batch is as large as its largest image."""
    recipe = Recipe(96, 160, ALL, 3, FILL, pending=True)
    examples = recipe.load_all([Item(photo, f"{n}") for n, photo in enumerate(photos)], 1)
    together = [e.pixels for e in examples], [e.pending for e in examples]
    made = warped(*together, FILL, torch.device("cpu"))
    for number, example in enumerate(examples):
        width, height = example.pending.size
        (alone,) = warped([example.pixels], [example.pending], FILL, torch.device("cpu"))
        assert float((made[number, :, :height, :width] - alone).abs().max()) < 0.05


def test_examples_without_anything_pending_are_scaled_bytes(photos):
    row = catalogue.get("efficientnet_lite0")
    square = Recipe(64).load_all([Item(photo, f"{n}") for n, photo in enumerate(photos)])
    images = as_tensor(square, row, torch.device("cpu"))
    expected = torch.stack([torch.tensor(e.pixels).permute(2, 0, 1) for e in square]).float() / 255
    assert torch.equal(images, expected)
    for one, other in zip(as_tensors(square, row, torch.device("cpu")), expected, strict=True):
        assert torch.equal(one, other)
