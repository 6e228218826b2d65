"""A look at every image file: its hash, its size, its orientation, and whether it can be decoded to the end."""

import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from viewfinder.data.pixels import DECODING_ERRORS, ORIENTATION, SWAPS_SIDES, open_image, quiet_decoder, reason_for

_BATCH = 512  # files handed to the threads at once
_LARGE_PX = 24_000_000
_one_large = threading.Lock()  # decoded one at a time, so that memory stays bounded


@dataclass(frozen=True)
class Probe:
    """What a file holds. `problem` is why it cannot be used, in words; then the rest means nothing.

    `stored` is (width, height) before EXIF `orientation` (1 to 8) is applied, `upright` after.
    """

    sha256: str = ""
    stored: tuple[int, int] = (0, 0)
    upright: tuple[int, int] = (0, 0)
    orientation: int = 1
    problem: str = ""


def probe(path: Path) -> Probe:
    """Look at one file; never raises for what is wrong with it."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            if file.tell() == 0:
                return Probe(problem="the file is empty")
            file.seek(0)
            with open_image(file) as image:
                orientation = image.getexif().get(ORIENTATION, 1)
                orientation = orientation if orientation in range(1, 9) else 1
                width, height = image.size
                turned_by_pillow = image.format == "TIFF"
                # The smallest draft still reads all of a JPEG, and so finds out whether it is whole.
                image.draft("L", (1, 1))
                if width * height > _LARGE_PX:
                    with _one_large:
                        image.load()
                else:
                    image.load()
    except DECODING_ERRORS as error:
        return Probe(problem=reason_for(error))
    swapped = (height, width) if orientation in SWAPS_SIDES else (width, height)
    stored, upright = (swapped, (width, height)) if turned_by_pillow else ((width, height), swapped)
    return Probe(digest, stored, upright, orientation)


def probe_all(paths: Sequence[Path], progress: Callable[[int, int], None] | None = None) -> Iterator[Probe]:
    """Look at every file, in threads, and yield the findings in the order of `paths`.

    `progress(done, total)` is called after each.
    """
    workers = min(8, (os.cpu_count() or 1) + 1)
    with quiet_decoder(), ThreadPoolExecutor(workers, thread_name_prefix="probe") as pool:
        for start in range(0, len(paths), _BATCH):
            for index, found in enumerate(pool.map(probe, paths[start : start + _BATCH]), start + 1):
                if progress:
                    progress(index, len(paths))
                yield found
