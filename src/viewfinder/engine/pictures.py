"""Pictures: images that were decoded once, kept on disk at the size that training needs. No torch."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import PIL
from PIL import Image

from viewfinder.data import pixels, slots
from viewfinder.data.slots import Slots

FORMAT = 1
HEADER = struct.Struct("<4I")  # width and height, and those of the original
CHANNELS = 3


@dataclass(frozen=True)
class Pictures:
    """A cache of `count` RGB images by number; it may be sent to other processes, which then share it.

    A process opens its files when it first needs them.
    """

    folder: Path
    count: int
    size_bytes: int
    most_bytes: int

    @classmethod
    def below(cls, root: Path, described: Iterable[object], count: int, largest: tuple[int, int]) -> "Pictures":
        """Return the cache below the folder `root` of what `described` tells from others, and make room for it.

        `largest` is (width, height), or (height, width), of the largest image.
        """
        name = slots.key((FORMAT, PIL.__version__, *described))
        size = HEADER.size + largest[0] * largest[1] * CHANNELS
        return cls(root / name, count, size, slots.make_room(root, name, count * size))

    def get(self, number: int) -> Image.Image | None:
        """Return an image, or None if it is not there."""
        content = _slots(self).get(number)
        if content is None:
            return None
        width, height, *original = HEADER.unpack_from(content)
        image = Image.frombytes("RGB", (width, height), memoryview(content)[HEADER.size :])
        image.info = {pixels.ORIGINAL_SIZE: tuple(original)}
        return image

    def put(self, number: int, image: Image.Image) -> None:
        """Keep an image that `pixels.read` gave, if there is room."""
        original = image.info[pixels.ORIGINAL_SIZE]
        _slots(self).put(number, HEADER.pack(*image.size, *original) + image.tobytes())

    def close(self) -> None:
        """Close the files that this process has open."""
        if opened := _OPEN.pop(self, None):
            opened.close()


_OPEN: dict[Pictures, Slots] = {}


def _slots(pictures: Pictures) -> Slots:
    if pictures not in _OPEN:
        _OPEN[pictures] = Slots(pictures.folder, pictures.count, pictures.size_bytes, pictures.most_bytes)
    return _OPEN[pictures]
