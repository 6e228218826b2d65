import io
import tracemalloc

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from viewfinder.data import pixels
from viewfinder.data.pixels import UnreadableImage

GRADIENT = np.add.outer(np.arange(20) * 6, np.arange(30) * 4).astype(np.uint8)
COLOUR = np.stack([GRADIENT, GRADIENT[::-1], GRADIENT[:, ::-1]], axis=2)


def encoded(image, format, **options):
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("format", "options", "tolerance"),
    [
        ("PNG", {}, 0),
        ("BMP", {}, 0),
        ("TIFF", {}, 0),
        ("TIFF", {"compression": "tiff_lzw"}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("JPEG", {"quality": 100, "subsampling": 0}, 3),
    ],
)
def test_every_format_gives_the_pixels_that_were_saved(format, options, tolerance):
    image = pixels.read(encoded(Image.fromarray(COLOUR), format, **options))
    assert image.mode == "RGB"
    assert np.abs(np.asarray(image).astype(int) - COLOUR).max() <= tolerance


def test_the_first_frame_of_an_animation_is_read():
    frames = [Image.new("RGB", (10, 10), colour) for colour in ("red", "blue")]
    for format in ("GIF", "WEBP", "TIFF", "PNG"):
        options = {"lossless": True} if format == "WEBP" else {}
        content = encoded(frames[0], format, save_all=True, append_images=frames[1:], **options)
        assert pixels.read(content).getpixel((5, 5)) == (255, 0, 0), format


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGB", "CMYK", "YCbCr", "LA", "RGBA", "I;16", "I", "F"])
def test_every_mode_becomes_rgb_with_its_own_values(mode):
    grey = Image.fromarray(GRADIENT)
    if mode == "I;16":
        image = Image.fromarray(GRADIENT.astype(np.uint16) * 257)
    elif mode == "1":
        image = grey.point(lambda value: 255 * (value > 100)).convert("1")
    else:
        image = grey.convert("RGB").convert(mode) if mode in ("CMYK", "YCbCr") else grey.convert(mode)
    expected = np.where(GRADIENT > 100, 255, 0) if mode == "1" else GRADIENT
    found = np.asarray(pixels.read(image))
    assert found.shape == (20, 30, 3)
    assert np.abs(found.astype(int) - expected[:, :, None]).max() <= 2


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_and_not_clipped(format):
    values = np.linspace(0, 65535, 600).round().astype(np.uint16).reshape(20, 30)
    found = np.asarray(pixels.read(encoded(Image.fromarray(values), format)))[:, :, 0]
    assert np.array_equal(found, np.round(values / 257).astype(np.uint8))
    assert (found.min(), found.max()) == (0, 255)


def test_big_endian_sixteen_bits():
    values = np.array([[0, 257, 65535]], dtype=">u2")
    image = Image.frombytes("I;16B", (3, 1), values.tobytes())
    assert np.asarray(pixels.read(image))[0, :, 0].tolist() == [0, 1, 255]


def test_floating_point_with_nan_is_readable():
    values = np.array([[0.0, 0.5, 1.0, np.nan]], dtype=np.float32)
    assert np.asarray(pixels.read(encoded(Image.fromarray(values), "TIFF")))[0, :, 0].tolist() == [0, 128, 255, 0]


def test_transparency_is_laid_over_white():
    clear = Image.new("RGBA", (4, 4), (10, 20, 30, 0))
    half = Image.new("RGBA", (4, 4), (0, 0, 0, 128))
    palette = Image.new("P", (4, 4), 0)
    palette.putpalette([1, 2, 3, 200, 100, 50])
    assert pixels.read(clear).getpixel((0, 0)) == (255, 255, 255)
    assert pixels.read(half).getpixel((0, 0)) == (127, 127, 127)
    assert pixels.read(encoded(palette, "PNG", transparency=0)).getpixel((0, 0)) == (255, 255, 255)
    assert pixels.read(encoded(palette, "PNG")).getpixel((0, 0)) == (1, 2, 3)


# Where the stored top-left corner must be shown, by the EXIF standard: (row, column), 0 being top or left.
CORNERS = {1: (0, 0), 2: (0, -1), 3: (-1, -1), 4: (-1, 0), 5: (0, 0), 6: (0, -1), 7: (-1, -1), 8: (-1, 0)}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_exif_turns_the_image_upright(format, orientation):
    stored = np.zeros((16, 32, 3), np.uint8)
    stored[:8, :8] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = pixels.read(encoded(Image.fromarray(stored), format, exif=exif))
    size = (16, 32) if orientation >= 5 else (32, 16)
    assert image.size == size
    assert pixels.original_size(image) == size
    assert np.asarray(image)[CORNERS[orientation]].min() > 200
    assert np.asarray(image).mean() < 80


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_draft_is_large_enough_and_knows_the_original_size(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(Image.new("RGB", (1600, 1200)), "JPEG", exif=exif)
    image = pixels.read(content, at_least=300)
    assert pixels.original_size(image) == ((1600, 1200) if orientation == 1 else (1200, 1600))
    assert min(image.size) == 300
    assert pixels.read(content).size == pixels.original_size(image)


def test_what_a_file_says_of_itself_does_not_count():
    texts = PngInfo()
    texts.add_text("original_size", "4000x3000")
    image = Image.fromarray(np.dstack([COLOUR, np.full(GRADIENT.shape, 255, np.uint8)]))
    read = pixels.read(encoded(image, "PNG", pnginfo=texts))
    assert (read.mode, pixels.original_size(read)) == ("RGB", (30, 20))
    assert np.array_equal(np.asarray(read), COLOUR)


def test_square_stretches_the_whole_image():
    found = pixels.square(Image.fromarray(COLOUR), 10)
    expected = Image.fromarray(COLOUR).resize((10, 10), Image.Resampling.BILINEAR)
    assert found.shape == (10, 10, 3)
    assert found.dtype == np.uint8
    assert np.array_equal(found, np.asarray(expected))


@pytest.mark.parametrize(
    ("size", "short", "longest", "shape"),
    [((640, 480), 320, 1000, (320, 427)), ((480, 640), 320, 1000, (427, 320)), ((1000, 100), 320, 640, (64, 640))],
)
def test_short_side_keeps_the_aspect(size, short, longest, shape):
    assert pixels.short_side(Image.new("RGB", size), short, longest).shape == (*shape, 3)
    jpeg = encoded(Image.new("RGB", (size[0] * 4, size[1] * 4)), "JPEG")
    assert pixels.short_side(jpeg, short, longest).shape == (*shape, 3)


def test_a_path_its_bytes_and_its_image_give_the_same_pixels(tmp_path):
    path = tmp_path / "große Straße.JPG"
    path.write_bytes(encoded(Image.fromarray(COLOUR).resize((900, 600)), "JPEG"))
    from_path = pixels.square(path, 64)
    assert np.array_equal(from_path, pixels.square(path.read_bytes(), 64))
    with Image.open(path) as image:
        assert np.abs(from_path.astype(int) - pixels.square(image, 64)).max() <= 3  # the path's was decoded smaller
        assert image.size == (900, 600)
    path.unlink()  # no handle is left open, so Windows allows it too


def test_the_callers_image_is_not_changed():
    image = Image.fromarray(COLOUR)
    result = pixels.read(image)
    result.putpixel((0, 0), (1, 2, 3))
    assert np.array_equal(np.asarray(image), COLOUR)
    assert image.info == {}


def test_unreadable_images_say_why(tmp_path):
    good = encoded(Image.fromarray(COLOUR).resize((300, 200)), "JPEG")
    cases = {
        "no such file": tmp_path / "none.jpg",
        "ends too early": good[: len(good) // 2],
        "not an image": b"hello",
    }
    for reason, source in cases.items():
        with pytest.raises(UnreadableImage) as caught:
            pixels.read(source)
        assert reason in caught.value.reason


def test_a_lack_of_memory_is_not_called_damage(monkeypatch):
    def lacks(image):
        raise MemoryError

    monkeypatch.setattr(pixels, "to_rgb", lacks)
    with pytest.raises(UnreadableImage, match="not enough memory"):
        pixels.read(encoded(Image.fromarray(COLOUR), "PNG"))


def test_sixteen_bits_take_little_memory():
    image = Image.fromarray(np.zeros((1000, 1000), np.uint16))
    tracemalloc.start()
    try:
        pixels.to_rgb(image)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10 * 1000 * 1000, "bytes of each pixel, beside what Pillow takes"


def test_a_decompression_bomb_is_refused(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(UnreadableImage, match="more pixels than is safe"):
        pixels.read(encoded(Image.new("RGB", (20, 20)), "PNG"))


def test_postscript_is_never_opened():
    with pytest.raises(UnreadableImage, match="not an image of a format that is read"):
        pixels.read(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n")
