"""Near copies of images: the same picture in another size, format or brightness; not one that merely resembles it."""

import io

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from viewfinder.data.copies import look, near_copies


def picture(seed, size=(320, 240)):
    """A picture of soft shapes, as photos have them."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 255, (9, 12, 3), dtype=np.uint8))
    return small.resize(size, Image.Resampling.BICUBIC)


def stored(image, form, **how):
    file = io.BytesIO()
    image.save(file, form, **how)
    return file.getvalue()


CHANGES = {
    "the same": lambda image: image,
    "smaller": lambda image: image.resize((101, 76)),
    "larger": lambda image: image.resize((700, 525)),
    "a poor JPEG": lambda image: stored(image, "JPEG", quality=30),
    "a WebP": lambda image: stored(image, "WEBP", quality=50),
    "a little brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.05),
    "mirrored": lambda image: stored(ImageOps.mirror(image), "JPEG", quality=80),
    "less contrast": lambda image: ImageEnhance.Contrast(image).enhance(0.8),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_found_among_others(change):
    originals = [look(picture(seed)) for seed in range(20)]
    copies = [look(CHANGES[change](picture(seed))) for seed in (3, 17)]
    assert near_copies(copies, originals) == [(0, 3), (1, 17)]


def test_other_pictures_are_none():
    looks = [look(picture(seed)) for seed in range(200)]
    assert near_copies(looks[:100], looks[100:]) == []


def test_the_same_shapes_in_other_colours_are_none():
    image = picture(1)
    red, green, blue = image.split()
    assert near_copies([look(image)], [look(Image.merge("RGB", (blue, red, green)))]) == []
    dark = ImageEnhance.Brightness(image).enhance(0.5)
    assert near_copies([look(image)], [look(dark)]) == []


def test_flat_and_unreadable_images_are_never_copies():
    white = Image.new("RGB", (50, 50), "white")
    assert look(white) is None
    assert look(b"no image") is None
    assert near_copies([None, look(picture(0))], [None]) == []
    assert near_copies([], [look(picture(0))]) == []


def test_of_several_copies_the_most_alike_is_named():
    image = picture(5)
    others = [look(ImageEnhance.Contrast(image).enhance(0.8).resize((40, 30))), look(image), look(picture(6))]
    assert near_copies([look(image)], others) == [(0, 1)]
