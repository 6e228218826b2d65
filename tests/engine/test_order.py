"""The order of training images of several shapes."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from viewfinder.engine import order
from viewfinder.engine.examples import Item, Recipe, in_batches, shuffled


@given(st.lists(st.sampled_from([None, -1, 0, 1, 2]), max_size=60), st.integers(1, 9), st.integers(0, 99))
def test_full_batches_have_one_shape_and_every_image_comes_once(shapes, batch, seed):
    found = order.by_shape(shuffled(len(shapes), seed, 1), shapes, batch)
    assert sorted(found) == list(range(len(shapes)))
    alike = [len({shapes[i] for i in group}) == 1 for group in in_batches(found, batch) if len(group) == batch]
    assert sum(alike) >= sum(count // batch for count in Counter(shapes).values())
    assert alike == sorted(alike, reverse=True)


def test_images_of_one_shape_keep_their_order():
    wanted = shuffled(50, 0, 1)
    assert order.by_shape(wanted, [1] * 50, 4) == wanted


@pytest.mark.parametrize(
    ("sizes", "alike"),
    [([(640, 480), (600, 400)], True), ([(640, 480), (480, 640)], False), ([(500, 500), (1600, 900)], False)],
)
def test_shapes_are_read_from_files(sizes, alike, tmp_path):
    items = []
    for number, size in enumerate(sizes):
        Image.new("RGB", size).save(tmp_path / f"{number}.jpg")
        items.append(Item(tmp_path / f"{number}.jpg", str(number)))
    one, other = order.shapes(items)
    assert (one == other) is alike


def test_an_image_that_is_gone_has_no_shape(tmp_path):
    assert order.shapes([Item(tmp_path / "gone.jpg", "gone")]) == [None]


def test_only_images_that_keep_their_aspect_are_ordered_by_it(tmp_path):
    items = []
    for number in range(12):
        Image.new("RGB", (64, 32) if number % 3 else (32, 64)).save(tmp_path / f"{number}.png")
        items.append(Item(tmp_path / f"{number}.png", str(number)))
    squares, aspects = (order.Order(items, Recipe(32, longest), 4, 0) for longest in (None, 64))
    assert squares.batches(2) == in_batches(items, 4, shuffled(12, 0, 2))
    tall = [[int(item.name) % 3 == 0 for item in batch] for batch in aspects.batches(2)]
    assert sorted(map(sum, tall)) == [0, 0, 4]
    assert aspects.steps == squares.steps == 3
    assert aspects.batches(2) == aspects.batches(2) != aspects.batches(3)
