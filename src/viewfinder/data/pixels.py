"""Images as pixels: the one way in which a file is decoded and resized.

Training, evaluation and prediction all read through `square` or `short_side`, so that a model meets exactly the pixels
that it was trained on.
"""

import io
import os
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from viewfinder.errors import InputError

Pixels: TypeAlias = NDArray[np.uint8]
ImageSource: TypeAlias = "str | os.PathLike[str] | bytes | Image.Image"

EXTENSIONS = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif")
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "DIB", "TIFF", "GIF")
FORMAT_WORDS = "JPEG, PNG, WebP, BMP, TIFF and GIF"

ORIENTATION = 0x0112  # the EXIF tag
SWAPS_SIDES = (5, 6, 7, 8)  # its values that exchange width and height
ORIGINAL_SIZE = (-1, -1)  # in the `info` of an image that was read; no file has such a key

# What Pillow's decoders raise for files that are broken in one way or another.
DECODING_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    AssertionError,
    EOFError,
    MemoryError,
    RuntimeError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Warning,
)


class UnreadableImage(InputError):  # noqa: N818 (named for what it is about)
    """An image cannot be decoded; `reason` says why, in words that follow the file's name."""

    def __init__(self, reason: str, name: str = "the image") -> None:
        super().__init__(f"{name} cannot be read: {reason}")
        self.reason = reason


@contextmanager
def quiet_decoder() -> Iterator[None]:
    """Silence Pillow's warnings about odd files while many are read; enter it outside of threads."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        warnings.filterwarnings("ignore", module=r"PIL\..*")
        yield


def read(source: ImageSource, at_least: int | None = None) -> Image.Image:
    """Return the image upright (as EXIF says), in RGB.

    `source` is a path, the bytes of a file, or an open image. The first frame of an animation is taken, 16-bit values
    are scaled to 8 bits, transparency is laid over white. With `at_least` a JPEG may come smaller than it is stored,
    but with no side below that many pixels; `original_size` still tells the size it is stored with.
    Raises `UnreadableImage`.
    """
    try:
        with _opened(source) as image:
            # A draft changes the image itself, so it is not made of one that is the caller's.
            return _upright_rgb(image, None if image is source else at_least)
    except UnreadableImage:
        raise
    except DECODING_ERRORS as error:
        raise UnreadableImage(reason_for(error), _name(source)) from error


def original_size(image: Image.Image) -> tuple[int, int]:
    """Return (width, height) of the whole upright image that `read` made `image` from."""
    width, height = image.info.get(ORIGINAL_SIZE, image.size)
    return int(width), int(height)


def upright_size(source: ImageSource) -> tuple[int, int]:
    """Return (width, height) of the upright image without decoding it; raise `UnreadableImage`."""
    try:
        with _opened(source) as image:
            swaps = image.getexif().get(ORIENTATION, 1) in SWAPS_SIDES and image.format != "TIFF"
            return (image.height, image.width) if swaps else image.size
    except DECODING_ERRORS as error:
        raise UnreadableImage(reason_for(error), _name(source)) from error


def square(source: ImageSource, size_px: int) -> Pixels:
    """Return the whole image stretched to a square: uint8 [size_px, size_px, 3]."""
    return _resized(read(source, at_least=2 * size_px), (size_px, size_px))


def short_side(source: ImageSource, size_px: int, longest_px: int) -> Pixels:
    """Return the image with its aspect kept: uint8 [H, W, 3].

    The short side becomes `size_px`, unless the long one would then exceed `longest_px`, which it becomes instead.
    """
    image = read(source, at_least=2 * size_px)
    return _resized(image, short_side_size(original_size(image), size_px, longest_px))


def at_most(image: Image.Image, size: tuple[int, int], *, final: bool) -> Image.Image:
    """Return an image that `read` gave, stretched so that it is no wider and no higher than `size` (width, height).

    `final`: it is the size of `square` or `short_side`, which then make of it what they make of the image itself.
    Otherwise it is reduced as sharply as possible, because it will be resized again.
    """
    smaller = (min(image.width, size[0]), min(image.height, size[1]))
    if smaller == image.size:
        return image
    reduced = image.resize(smaller, Image.Resampling.BILINEAR if final else Image.Resampling.LANCZOS)
    reduced.info = {ORIGINAL_SIZE: original_size(image)}
    return reduced


def short_side_size(size: tuple[int, int], size_px: int, longest_px: int) -> tuple[int, int]:
    """Return the (width, height) to which `short_side` resizes an image of `size` (width, height)."""
    scale = min(size_px / min(size), longest_px / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def reason_for(error: BaseException) -> str:
    """Return in plain words why decoding failed."""
    text = str(error)
    if isinstance(error, UnidentifiedImageError):
        return f"it is not an image of a format that is read ({FORMAT_WORDS})"
    if isinstance(error, MemoryError):
        return "this machine has not enough memory for it"
    if isinstance(error, Image.DecompressionBombError):
        return "it has more pixels than is safe to decode"
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, PermissionError):
        return "permission to read the file is denied"
    if isinstance(error, IsADirectoryError):
        return "it is a folder"
    if "truncated" in text.lower():
        return f"the file ends too early ({text})"
    return f"the file is damaged ({text or type(error).__name__})"


def open_image(file: str | os.PathLike[str] | IO[bytes]) -> Image.Image:
    """Return the image, not yet decoded, if it is of one of the formats that are read."""
    return Image.open(file, formats=FORMATS)


@contextmanager
def _opened(source: ImageSource) -> Iterator[Image.Image]:
    if isinstance(source, Image.Image):
        yield source  # the caller's own: it stays open
        return
    with (
        io.BytesIO(source) if isinstance(source, bytes) else Path(source).open("rb") as stream,
        open_image(stream) as image,
    ):
        yield image


def _name(source: ImageSource) -> str:
    return f"'{os.fspath(source)}'" if isinstance(source, (str, os.PathLike)) else "the image"


def _upright_rgb(image: Image.Image, at_least: int | None) -> Image.Image:
    if ORIGINAL_SIZE in image.info:
        return image  # it was read before
    stored, orientation = image.size, image.getexif().get(ORIENTATION, 1)
    # TIFF files are turned by Pillow itself while loading, and already report the upright size.
    swaps = orientation in SWAPS_SIDES and image.format != "TIFF"
    if at_least is not None:
        image.draft("RGB", (at_least, at_least))
    image.load()
    upright = to_rgb(ImageOps.exif_transpose(image))
    upright.info = {ORIGINAL_SIZE: (stored[1], stored[0]) if swaps else stored}
    return upright


def to_rgb(image: Image.Image) -> Image.Image:
    """Return a new RGB image: any mode, any depth, transparency over white."""
    if image.mode.startswith(("I", "F")):
        image = _eight_bits(image)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image)
    return image.copy() if image.mode == "RGB" else image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Scale a grey image of more than 8 bits to 8 bits.

    16-bit values, 0 to 65535, are divided by 257. Of the other depths, whose white is not defined, values within 0 to 1
    (floating point), 0 to 255 or 0 to 65535 are taken to use that range, and anything else is stretched to fill it.
    """
    if image.mode.startswith("I;16"):  # in whole numbers: in floating point it would take several times the memory
        whole, rest = np.divmod(np.asarray(image), np.uint16(257))
        return Image.fromarray(whole.astype(np.uint8) + (rest > 128))
    values = np.nan_to_num(np.asarray(image).astype(np.float64), posinf=0.0, neginf=0.0)
    low, high = _range(values, floating=image.mode.startswith("F"))
    scaled = (values - low) * (255.0 / (high - low)) if high > low else values * 0.0
    return Image.fromarray(np.floor(scaled + 0.5).clip(0, 255).astype(np.uint8))


def _range(values: NDArray[np.float64], floating: bool) -> tuple[float, float]:
    least, most = float(values.min()), float(values.max())
    limits = (1.0, 255.0, 65535.0) if floating else (255.0, 65535.0)
    for limit in limits:
        if least >= 0 and most <= limit:
            return 0.0, limit
    return least, most


def _resized(image: Image.Image, size: tuple[int, int]) -> Pixels:
    if image.size != size:
        image = image.resize(size, Image.Resampling.BILINEAR)
    return np.array(image, dtype=np.uint8)
