"""Augmentation: boxes follow their objects, and nothing happens that was not asked for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from viewfinder.design import Affine, Augmentation, Color, Crop
from viewfinder.engine.augment import View, augment, clipped, cropped, flipped, hue_matrix, recolored, resized, rotated
from viewfinder.engine.examples import Item, Recipe

GREEN, GREY = (0, 255, 0), (128, 128, 128)
OFF = Augmentation(color=Color(enabled=False), affine=Affine(enabled=False), crop=Crop(enabled=False))
STRONG = Augmentation(
    color=Color(probability=1),
    affine=Affine(probability=1, vertical_flip=True, max_rotation=40),
    crop=Crop(probability=1, min_kept_ratio=0.3),
)


@st.composite
def scenes(draw, count=1):
    """Return a grey image and boxes that are inside it, the first painted green."""
    width, height = draw(st.integers(40, 120)), draw(st.integers(40, 120))
    boxes = []
    for _ in range(count):
        w, h = draw(st.integers(8, width - 4)), draw(st.integers(8, height - 4))
        x, y = draw(st.integers(0, width - w)), draw(st.integers(0, height - h))
        boxes.append((x, y, x + w, y + h))
    image = Image.new("RGB", (width, height), GREY)
    image.paste(GREEN, boxes[0])
    return image, np.array(boxes, np.float64)


def view_of(scene):
    image, boxes = scene
    return View(image, boxes, np.arange(len(boxes)))


def painted(image):
    """Return the box around what is more green than grey; its edges lie between pixels."""
    values = np.asarray(image).astype(int)
    rows, columns = np.nonzero(values[..., 1] - values[..., 0] > 127)
    if not len(rows):
        return None
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], np.float64)


def to_64(image):
    return np.asarray(image.resize((64, 48), Image.Resampling.BILINEAR))


@settings(max_examples=150, deadline=None)
@given(scenes(count=3), st.integers(0, 2**32))
def test_boxes_stay_inside_and_one_remains(scene, seed):
    image, boxes = scene
    view = augment(image, boxes, STRONG, np.random.default_rng(seed), to_64, GREY)
    assert view.image.size == (64, 48)
    assert 1 <= len(view.boxes) == len(view.kept) <= 3
    assert (view.boxes >= 0).all()
    assert (view.boxes[:, 0::2] <= 64).all()
    assert (view.boxes[:, 1::2] <= 48).all()
    assert (view.boxes[:, 2:] > view.boxes[:, :2]).all()
    assert list(view.kept) == sorted(set(view.kept))


@settings(max_examples=60, deadline=None)
@given(scenes(), st.booleans())
def test_a_flipped_box_is_tight_around_its_object(scene, horizontal):
    view = flipped(view_of(scene), horizontal)
    assert np.array_equal(view.boxes[0], painted(view.image))
    twice = flipped(view, horizontal)
    assert np.array_equal(twice.boxes, scene[1])
    assert twice.image.tobytes() == scene[0].tobytes()


@settings(max_examples=100, deadline=None)
@given(scenes(), st.integers(0, 2**32), st.floats(0.2, 1))
def test_a_cropped_box_is_tight_around_its_object(scene, seed, ratio):
    view = cropped(view_of(scene), Crop(min_kept_ratio=ratio), np.random.default_rng(seed))
    assert np.array_equal(view.boxes[0], painted(view.image))
    width, height = scene[0].size
    assert view.image.width * view.image.height >= ratio * width * height * 0.9  # whole pixels
    assert view.image.width / view.image.height == pytest.approx(width / height, rel=0.05)


@settings(max_examples=100, deadline=None)
@given(scenes())
def test_a_resized_box_is_tight_around_its_object(scene):
    view = resized(view_of(scene), to_64)
    assert np.abs(view.boxes[0] - painted(view.image)).max() <= 1


@settings(max_examples=150, deadline=None)
@given(scenes(), st.floats(-180, 180))
def test_a_turned_object_is_inside_its_box(scene, degrees):
    view = rotated(view_of(scene), degrees, GREY)
    seen = painted(view.image)
    if seen is not None:
        assert (seen[:2] >= view.boxes[0, :2] - 1).all()
        assert (seen[2:] <= view.boxes[0, 2:] + 1).all()


@settings(max_examples=60, deadline=None)
@given(scenes(), st.sampled_from([-180, -90, 90, 180]))
def test_a_box_turned_by_right_angles_is_tight(scene, degrees):
    image = scene[0].resize((80, 80), Image.Resampling.NEAREST)
    box = painted(image)
    view = rotated(View(image, box[None], np.arange(1)), degrees, GREY)
    assert np.abs(view.boxes[0] - painted(view.image)).max() <= 1


def test_a_small_turn_is_counter_clockwise_like_the_boxes():
    """A thin object far from the centre: a box turned the other way would miss it."""
    image = Image.new("RGB", (100, 100), GREY)
    image.paste(GREEN, (80, 45, 96, 55))
    view = rotated(View(image, np.array([[80.0, 45, 96, 55]]), np.arange(1)), 30, GREY)
    seen = painted(view.image)
    assert (seen[1] + seen[3]) / 2 < 40  # it went up
    assert np.abs((seen[:2] + seen[2:]) - (view.boxes[0, :2] + view.boxes[0, 2:])).max() <= 2


def test_the_corners_that_open_have_the_fill():
    view = rotated(View(Image.new("RGB", (50, 50), GREEN), np.zeros((0, 4)), np.arange(0)), 45, (1, 2, 3))
    assert view.image.getpixel((0, 0)) == (1, 2, 3)


def test_boxes_that_leave_are_removed_and_cut_ones_clipped():
    boxes = np.array([[-5.0, 0, 5, 10], [-10, 0, 0, 10], [-9.5, 0, 0.5, 10], [0, 0, 10, 10], [5, 5, 5, 9]])
    inside, kept = clipped(boxes, 10, 10)
    assert kept.tolist() == [0, 3]
    assert inside.tolist() == [[0, 0, 5, 10], [0, 0, 10, 10]]


def test_an_image_without_boxes_is_augmented_too():
    image = Image.new("RGB", (60, 40), GREEN)
    view = augment(image, np.zeros((0, 4)), STRONG, np.random.default_rng(0), to_64, GREY)
    assert view.image.size == (64, 48)
    assert view.boxes.shape == (0, 4)


def test_the_kept_classes_are_those_of_the_kept_boxes():
    """One object in each corner: a crop takes some, and their classes must go with them."""
    image = Image.new("RGB", (100, 100), GREY)
    corners = {0: (0, 0, 12, 12), 1: (88, 0, 100, 12), 2: (0, 88, 12, 100), 3: (88, 88, 100, 100)}
    colors = {0: (255, 0, 0), 1: (0, 255, 0), 2: (0, 0, 255), 3: (255, 255, 0)}
    for number, box in corners.items():
        image.paste(colors[number], box)
    part = Augmentation(
        color=Color(enabled=False), affine=Affine(enabled=False), crop=Crop(probability=1, min_kept_ratio=0.6)
    )
    recipe, lost = Recipe(100, 166, part), 0
    for number in range(30):
        example = recipe.load(Item(image, f"{number}", tuple(corners), tuple(corners.values())))
        lost += 4 - len(example.classes)
        assert len(example.classes) == len(example.boxes)
        for kind, (x0, y0, x1, y1) in zip(example.classes, example.boxes, strict=True):
            middle = example.pixels[min(int((y0 + y1) / 2), 99), min(int((x0 + x1) / 2), 99)]
            assert np.abs(middle.astype(int) - colors[int(kind)]).max() < 90
    assert lost > 10


# -- nothing that was not asked for -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def photo():
    from sklearn.datasets import load_sample_image

    return Image.fromarray(load_sample_image("china.jpg")).resize((160, 107))


def loaded(photo, augmentation, name="a.png", epoch=1, seed=0, boxes=()):
    recipe = Recipe(64, 107, augmentation, seed, GREY)
    return recipe.load(Item(photo, name, (0,) * len(boxes), boxes), epoch)


def only(**category):
    """Return an augmentation with one category, always drawn."""
    data = {name: {"enabled": False} for name in ("color", "affine", "crop")}
    ((name, values),) = category.items()
    return Augmentation.model_validate({**data, name: {"probability": 1, **values}})


@pytest.mark.parametrize(
    "augmentation",
    [
        OFF,
        Augmentation(color=Color(probability=0), affine=Affine(probability=0), crop=Crop(probability=0)),
        only(crop={"min_kept_ratio": 1}),
        only(affine={"horizontal_flip": False, "rotate": False}),
        only(affine={"horizontal_flip": False, "max_rotation": 0}),
    ],
)
def test_no_augmentation_gives_the_pixels_of_the_evaluation(photo, augmentation):
    box = ((10.0, 20.0, 50.0, 60.0),)
    for name in "abcde":
        plain, view = loaded(photo, None, name, boxes=box), loaded(photo, augmentation, name, boxes=box)
        assert np.array_equal(plain.pixels, view.pixels)
        assert np.allclose(plain.boxes, view.boxes)


def test_colours_that_do_not_change_stay(photo):
    same = only(color={"brightness": 0, "contrast": 0, "hue": 0})
    change = loaded(photo, same).pixels.astype(int) - loaded(photo, None).pixels
    assert np.abs(change).max() <= 1


@pytest.mark.parametrize(
    "augmentation",
    [
        only(color={"contrast": 0, "hue": 0, "brightness": 0.5}),
        only(color={"brightness": 0, "hue": 0, "contrast": 0.5}),
        only(color={"brightness": 0, "contrast": 0, "hue": 0.3}),
        only(affine={"rotate": False}),
        only(affine={"horizontal_flip": False, "rotate": False, "vertical_flip": True}),
        only(affine={"horizontal_flip": False, "max_rotation": 30}),
        only(crop={"min_kept_ratio": 0.5}),
    ],
)
def test_every_change_is_made(photo, augmentation):
    plain = loaded(photo, None).pixels
    assert any(not np.array_equal(loaded(photo, augmentation, name).pixels, plain) for name in "abcdefgh")


def test_flips_are_made_every_other_time(photo):
    plain = loaded(photo, None).pixels
    mirrored = plain[:, ::-1]
    seen = [loaded(photo, only(affine={"rotate": False}), f"{n}").pixels for n in range(200)]
    count = sum(np.array_equal(pixels, mirrored) for pixels in seen)
    assert count + sum(np.array_equal(pixels, plain) for pixels in seen) == 200
    assert 70 < count < 130


def test_the_probability_is_kept(photo):
    some = only(crop={"min_kept_ratio": 0.5, "probability": 0.25})
    plain = loaded(photo, None).pixels
    count = sum(not np.array_equal(loaded(photo, some, f"{n}").pixels, plain) for n in range(200))
    assert 30 < count < 72


def test_categories_are_drawn_on_their_own(photo):
    """Switching one off leaves the others' draws as they were."""
    whole = Augmentation(color=Color(enabled=False))
    one = Augmentation(color=Color(enabled=False), affine=Affine(enabled=False))
    for number in range(40):
        rng = np.random.default_rng([0, 1, number])
        drawn = rng.random(3) < 0.5
        plain = augment(photo, np.zeros((0, 4)), OFF, np.random.default_rng([0, 1, number]), to_64, GREY)
        seen = augment(photo, np.zeros((0, 4)), one, np.random.default_rng([0, 1, number]), to_64, GREY)
        both = augment(photo, np.zeros((0, 4)), whole, np.random.default_rng([0, 1, number]), to_64, GREY)
        assert (seen.image.tobytes() != plain.image.tobytes()) == bool(drawn[2])
        if not drawn[1]:
            assert both.image.tobytes() == seen.image.tobytes()


def test_it_depends_on_seed_epoch_and_name_alone(photo):
    strong = Augmentation.model_validate({name: {"probability": 1} for name in ("color", "affine", "crop")})
    base = loaded(photo, strong).pixels
    np.random.seed(5)
    assert np.array_equal(base, loaded(photo, strong).pixels)
    for other in ({"name": "b.png"}, {"epoch": 2}, {"seed": 1}):
        assert not np.array_equal(base, loaded(photo, strong, **other).pixels)


# -- colours ----------------------------------------------------------------------------------------------------------


def test_no_turn_of_the_hue_is_the_identity():
    assert np.allclose(hue_matrix(0), np.eye(3))
    assert np.allclose(hue_matrix(1), np.eye(3))


@given(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5))
def test_turns_of_the_hue_add_up_and_keep_greys(one, other):
    assert np.allclose(hue_matrix(one) @ hue_matrix(other), hue_matrix(one + other))
    assert np.allclose(hue_matrix(one) @ np.full(3, 0.5), 0.5, atol=1e-3)


def test_a_third_of_a_turn_makes_red_mostly_another_colour():
    turned = {np.argmax(hue_matrix(turn) @ np.array([1.0, 0, 0])) for turn in (1 / 3, -1 / 3)}
    assert turned == {1, 2}


def test_brightness_and_contrast_are_bounded():
    image = Image.fromarray(np.tile(np.array([80, 120], np.uint8)[:, None, None], (8, 16, 3)))
    for seed in range(40):
        bright = np.asarray(recolored(image, Color(brightness=0.2, contrast=0, hue=0), np.random.default_rng(seed)))
        assert bright.min() >= 63
        assert bright.max() <= 145
        assert bright.max() / bright.min() == pytest.approx(1.5, abs=0.05)
        flat = np.asarray(recolored(image, Color(brightness=0, contrast=0.5, hue=0), np.random.default_rng(seed)))
        assert flat.mean() == pytest.approx(100, abs=1)
        assert 19 <= int(flat.max()) - int(flat.min()) <= 61
