"""Sample data sets, made without a network from real data that scikit-learn brings along."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from viewfinder.errors import InputError, unknown

Array = NDArray[np.uint8]
Bounds = tuple[int, int, int, int]  # xmin, ymin, width, height

DIGIT_PX = 32
SCENE_SIZE = (320, 240)  # width, height
SCENE_DIGITS = (4, 7)  # the fewest and the most in a scene
DIGIT_HEIGHTS = (40, 76)
_MARGIN_PX = 4


@dataclass(frozen=True)
class Sample:
    """A data set that can be written: its name, its task, one line on what it is, and how to write it."""

    name: str
    task: str
    description: str
    write: Callable[[Path], None]


def write_digits(dest: Path) -> None:
    """Write scikit-learn's 1,797 handwritten digits as PNG images, a folder for each class."""
    _make_empty(dest)
    images, labels = _digits()
    for number, (values, label) in enumerate(zip(images, labels, strict=True)):
        folder = dest / str(label)
        folder.mkdir(exist_ok=True)
        _enlarged(values, DIGIT_PX).save(folder / f"digit_{number:04d}.png")


def write_digit_scenes(dest: Path, images: int = 240, seed: int = 0) -> None:
    """Write photos onto which handwritten digits are set, with their boxes as COCO JSON.

    Each digit of scikit-learn's set is used at most once, so that none is both in training and in test. Boxes are the
    exact bounds of the ink. The same seed gives the same scenes.
    """
    digits, labels = _digits()
    if images * SCENE_DIGITS[1] > len(labels):
        most = len(labels) // SCENE_DIGITS[1]
        raise InputError(f"There are too few digits for {images} scenes. Ask for {most} at most.")
    _make_empty(dest)
    (dest / "images").mkdir()
    rng = np.random.default_rng(seed)
    order = list(rng.permutation(len(labels)))
    photos = _photos()
    records: dict[str, list[dict[str, Any]]] = {"images": [], "annotations": []}
    for number in range(1, images + 1):
        count = int(rng.integers(SCENE_DIGITS[0], SCENE_DIGITS[1] + 1))
        chosen = [order.pop() for _ in range(count)]
        scene, found = _scene(photos, [(digits[i], int(labels[i])) for i in chosen], rng)
        name = f"images/scene_{number:04d}.jpg"
        Image.fromarray(scene).save(dest / name, quality=92)
        _record(records, number, name, found)
    text = json.dumps({**records, "categories": [{"id": digit, "name": str(digit)} for digit in range(10)]}, indent=1)
    (dest / "annotations.json").write_text(text + "\n", encoding="utf-8", newline="\n")


SAMPLES: Mapping[str, Sample] = MappingProxyType(
    {
        sample.name: sample
        for sample in (
            Sample("digits", "classification", "1,797 handwritten digits, a folder for each of 0 to 9", write_digits),
            Sample(
                "digit-scenes",
                "detection",
                "240 photos with handwritten digits set on them, and their boxes as COCO JSON",
                write_digit_scenes,
            ),
        )
    }
)


def get(name: str) -> Sample:
    """Return the sample of that name; raise InputError with the choices for an unknown one."""
    if name not in SAMPLES:
        raise InputError(unknown("sample", name, SAMPLES))
    return SAMPLES[name]


def _make_empty(dest: Path) -> None:
    if dest.exists() and (not dest.is_dir() or any(dest.iterdir())):
        raise InputError(f"'{dest}' is there already and not an empty folder. Choose another place, or remove it.")
    dest.mkdir(parents=True, exist_ok=True)


def _digits() -> tuple[Array, NDArray[np.int64]]:
    """Return the digits' ink, 0 to 255, [n, 8, 8], and which digit each is."""
    from sklearn.datasets import load_digits

    content = load_digits()
    return np.round(content.images * (255 / 16)).astype(np.uint8), content.target.astype(np.int64)


def _photos() -> list[Array]:
    from sklearn.datasets import load_sample_images

    return [np.asarray(photo, dtype=np.uint8) for photo in load_sample_images().images]


def _enlarged(values: Array, size_px: int) -> Image.Image:
    return Image.fromarray(values).resize((size_px, size_px), Image.Resampling.BICUBIC)


def _record(records: dict[str, list[dict[str, Any]]], number: int, name: str, found: list[tuple[Bounds, int]]) -> None:
    width, height = SCENE_SIZE
    records["images"].append({"id": number, "file_name": name, "width": width, "height": height})
    for bounds, digit in found:
        records["annotations"].append(
            {
                "id": len(records["annotations"]) + 1,
                "image_id": number,
                "category_id": digit,
                "bbox": list(bounds),
                "area": bounds[2] * bounds[3],
                "iscrowd": 0,
            }
        )


def _scene(
    photos: list[Array], digits: list[tuple[Array, int]], rng: np.random.Generator
) -> tuple[Array, list[tuple[Bounds, int]]]:
    """Return a part of a photo with the digits set on it, and where the ink of each is."""
    scene = _crop(photos[int(rng.integers(len(photos)))], rng).astype(np.float64)
    found: list[tuple[Bounds, int]] = []
    plates: list[Bounds] = []
    for values, digit in digits:
        ink = _ink(values, int(rng.integers(DIGIT_HEIGHTS[0], DIGIT_HEIGHTS[1] + 1)))
        plate = _place((ink.shape[1] + 2 * _MARGIN_PX, ink.shape[0] + 2 * _MARGIN_PX), plates, rng)
        if plate is None:
            continue  # no room is left for it
        plates.append(plate)
        _paint(scene, ink, plate, rng)
        found.append(((plate[0] + _MARGIN_PX, plate[1] + _MARGIN_PX, ink.shape[1], ink.shape[0]), digit))
    return np.floor(scene + 0.5).clip(0, 255).astype(np.uint8), found


def _crop(photo: Array, rng: np.random.Generator) -> Array:
    """Return a part of the photo of the scene's size, taken 1 to 1.3 times as large, perhaps mirrored."""
    width, height = SCENE_SIZE
    scale = float(rng.uniform(1.0, 1.3))
    wide, high = int(width * scale), int(height * scale)
    left = int(rng.integers(photo.shape[1] - wide + 1))
    top = int(rng.integers(photo.shape[0] - high + 1))
    part = Image.fromarray(photo[top : top + high, left : left + wide])
    resized = np.asarray(part.resize(SCENE_SIZE, Image.Resampling.BILINEAR))
    return resized[:, ::-1] if rng.random() < 0.5 else resized


def _ink(values: Array, height_px: int) -> NDArray[np.float64]:
    """Return how much ink each pixel has, 0 to 1, cut to where there is any; the whole digit is `height_px` high."""
    rows, columns = np.flatnonzero(values.max(axis=1) > 40), np.flatnonzero(values.max(axis=0) > 40)
    part = values[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    width_px = max(1, round(height_px * part.shape[1] / part.shape[0]))
    padded = np.pad(part, 1)  # so that strokes end softly, as they do elsewhere
    step = height_px / part.shape[0]
    size = (width_px + round(2 * step), height_px + round(2 * step))
    large = np.asarray(Image.fromarray(padded).resize(size, Image.Resampling.BICUBIC), dtype=np.float64) / 255
    ink = np.clip((large - 0.3) / 0.3, 0, 1)  # strokes with clear edges
    rows, columns = np.flatnonzero(ink.max(axis=1) > 0.5), np.flatnonzero(ink.max(axis=0) > 0.5)
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _place(size: tuple[int, int], plates: list[Bounds], rng: np.random.Generator) -> Bounds | None:
    """Return a place for a plate of `size` that touches no other; None when none was found."""
    for _ in range(60):
        left = int(rng.integers(SCENE_SIZE[0] - size[0] + 1))
        top = int(rng.integers(SCENE_SIZE[1] - size[1] + 1))
        plate = (left, top, *size)
        if not any(_overlap(plate, other) for other in plates):
            return plate
    return None


def _overlap(one: Bounds, other: Bounds) -> bool:
    return (
        one[0] < other[0] + other[2]
        and other[0] < one[0] + one[2]
        and one[1] < other[1] + other[3]
        and other[1] < one[1] + one[3]
    )


def _paint(scene: NDArray[np.float64], ink: NDArray[np.float64], plate: Bounds, rng: np.random.Generator) -> None:
    """Darken the plate in a colour of its own and lay bright ink on it."""
    left, top, width, height = plate
    area = scene[top : top + height, left : left + width]
    area *= 0.25
    area += rng.uniform(0, 50, 3)
    inner = area[_MARGIN_PX : height - _MARGIN_PX, _MARGIN_PX : width - _MARGIN_PX]
    inner += (rng.uniform(200, 255, 3) - inner) * ink[:, :, None]
