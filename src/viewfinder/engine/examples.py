"""Examples: images as a network takes them, with their targets, loaded by processes that never import torch."""

import hashlib
import math
import multiprocessing
import os
import threading
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from viewfinder.data import pixels
from viewfinder.design import Augmentation
from viewfinder.engine.augment import Boxes, Pixels, View, augment, resized
from viewfinder.engine.change import Pending, draw, placed
from viewfinder.engine.pictures import Pictures
from viewfinder.errors import TrainingError

CHUNK = 16  # items that a process takes at a time
PARTS = 2  # of a batch for each process, which then sends fewer answers, and no process waits long for another
SHARP, MOST_MARGIN = 1.25, 2.0  # see Recipe.margin


Made = TypeVar("Made")


@dataclass(frozen=True)
class Item:
    """An image to load: its path (or bytes, or the open image), its name in the dataset, its objects' class numbers.

    Classification has one class and no boxes; detection as many as boxes: [n, 4] xmin, ymin, xmax, ymax, in pixels of
    the original image. None: the boxes are not known. `number` is its place among the items of its split. A file that
    does not have the `sha256` was replaced; "": it is not known.
    """

    path: str | Path | bytes | Image.Image
    name: str
    classes: tuple[int, ...] = ()
    boxes: tuple[tuple[float, float, float, float], ...] | None = None
    number: int = -1
    sha256: str = ""

    def content(self) -> str | Path | bytes | Image.Image:
        """Return what its image is read from; raise UnreadableImage for a file that was replaced."""
        if not self.sha256 or not isinstance(self.path, str | Path):
            return self.path
        try:
            content = Path(self.path).read_bytes()
        except OSError as error:
            raise pixels.UnreadableImage(pixels.reason_for(error), f"'{self.path}'") from error
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise pixels.UnreadableImage("the file is not the one that was imported", f"'{self.path}'")
        return content

    def stamp(self) -> tuple[object, ...]:
        """Return what changes when the file does."""
        try:
            stat = Path(str(self.path)).stat()
        except OSError:
            return self.name, None
        return self.name, str(self.path), stat.st_size, stat.st_mtime_ns, self.sha256


@dataclass(frozen=True)
class Example:
    """A loaded image: uint8 [H, W, 3], boxes in its own pixels, and the (width, height) of the original.

    `error` says why an image could not be read; it then has no pixels. One that has `features`, what the frozen layers
    make of it ([H, W, C], float32, or bfloat16 as uint16), needs no pixels. The pixels of one with something `pending`
    are those of the image as it was read; its boxes are already where that puts them.
    """

    item: Item
    pixels: Pixels
    boxes: Boxes
    classes: NDArray[np.int64]
    original_size: tuple[int, int]
    error: str | None = None
    features: NDArray[np.generic] | None = None
    pending: Pending | None = None


@dataclass(frozen=True)
class Recipe:
    """How an image becomes an example.

    `longest_px` None: the whole image stretched to a square of `size_px`; otherwise its aspect is kept, with the short
    side `size_px` and the long one at most `longest_px`. The augmentation of an image depends on (seed, epoch, name).
    With `pending` it is only drawn, and left to the device that trains.
    """

    size_px: int
    longest_px: int | None = None
    augmentation: Augmentation | None = None
    seed: int = 0
    fill: tuple[int, int, int] = (0, 0, 0)
    kept: Pictures | None = field(default=None, repr=False)
    pending: bool = field(default=False, repr=False)

    def keeping(self, root: Path, items: Sequence[Item]) -> "Recipe":
        """Return a recipe that decodes each of these items once, and keeps it below the folder `root`."""
        described = (self.size_px, self.longest_px, self.margin, [(item.number, item.stamp()) for item in items])
        largest = math.ceil(self.size_px * self.margin), math.ceil((self.longest_px or self.size_px) * self.margin)
        return replace(self, kept=Pictures.below(root, described, len(items), largest))

    @property
    def margin(self) -> float:
        """How much larger than the network's input an image is kept.

        As much as the narrowest crop enlarges it, and a quarter more: resizing twice then takes no more than 3 % off
        the mean difference of neighbouring pixels. Never more than twice, as suffices for crops down to 0.4.
        """
        crop = self.augmentation.crop if self.augmentation else None
        crops = crop is not None and crop.enabled and crop.probability > 0
        return min(MOST_MARGIN, SHARP / math.sqrt(crop.min_kept_ratio)) if crop and crops else 1.0

    def resize(self, image: Image.Image) -> Pixels:
        """Return the image at the size that the network takes."""
        if self.longest_px is None:
            return pixels.square(image, self.size_px)
        return pixels.short_side(image, self.size_px, self.longest_px)

    def open(self, item: Item) -> Image.Image:
        """Return the image of an item, large enough for any example of it; raise UnreadableImage."""
        image = self.kept.get(item.number) if self.kept else None
        if image is None:
            image = pixels.read(item.content(), at_least=2 * self.size_px)
            if self.kept or self.pending:
                image = self._reduced(image)
            if self.kept:
                self.kept.put(item.number, image)
        return image

    def _reduced(self, image: Image.Image) -> Image.Image:
        """Return an image no larger than any example needs it."""
        size, longest = (math.ceil(side * self.margin) for side in (self.size_px, self.longest_px or 0))
        wanted = (
            (size, size)
            if self.longest_px is None
            else pixels.short_side_size(pixels.original_size(image), size, longest)
        )
        return pixels.at_most(image, wanted, final=self.margin == 1)

    def load(self, item: Item, epoch: int = 0) -> Example:
        """Return the example of an item in an epoch; an unreadable image gives one with an error."""
        try:
            image = self.open(item)
        except pixels.UnreadableImage as error:
            empty = np.zeros((0, 0, 3), np.uint8)
            return Example(item, empty, np.zeros((0, 4)), np.zeros(0, np.int64), (0, 0), error.reason)
        return self.example(image, item, epoch)

    def load_all(self, items: Sequence[Item], epoch: int = 0) -> list[Example]:
        """Return the examples of items in an epoch."""
        return [self.load(item, epoch) for item in items]

    def example(self, image: Image.Image, item: Item, epoch: int = 0) -> Example:
        """Return the example of an image that is already open."""
        whole = whole_view(image, item)
        if self.augmentation is None:
            return _example(item, resized(whole, self.resize), image)
        rng = np.random.default_rng([self.seed, epoch, zlib.crc32(item.name.encode())])
        if not self.pending:
            view = augment(image, whole.boxes, self.augmentation, rng, self.resize, self.fill)
            return _example(item, view, image)
        size, change = self._final_size(image), draw(image.size, whole.boxes, self.augmentation, rng)
        end = placed(change, image.size, whole.boxes, size)
        return _example(item, View(image, end.boxes, end.kept), image, Pending(end.change, size))

    def _final_size(self, image: Image.Image) -> tuple[int, int]:
        """Return the (width, height) to which `resize` brings an image, or a part of it."""
        if self.longest_px is None:
            return self.size_px, self.size_px
        return pixels.short_side_size(pixels.original_size(image), self.size_px, self.longest_px)


def _example(item: Item, view: View, image: Image.Image, pending: Pending | None = None) -> Example:
    """Return a view of an item's image as an example; classes of boxes that are gone go too."""
    classes = np.array(item.classes, np.int64)
    kept = classes[view.kept] if item.boxes else classes
    size = pixels.original_size(image)
    return Example(item, np.asarray(view.image), view.boxes, kept, size, pending=pending)


def whole_view(image: Image.Image, item: Item) -> View:
    """Return an open image with its item's boxes, in pixels of the image as it was decoded: a JPEG may come smaller."""
    width, height = pixels.original_size(image)
    boxes = np.array(item.boxes or (), np.float64).reshape(-1, 4)
    return View(image, boxes * np.array([image.width / width, image.height / height] * 2), np.arange(len(boxes)))


class LoadingEnded(TrainingError):  # noqa: N818 - not always an error
    """A process that loads images ended; perhaps because all of a training were told to."""


Load = Callable[[Iterable[Sequence[Item]], int], Iterator[list[Example]]]
"""Yields batches of items as examples, in order; the number is that of the augmented view."""


class Loader:
    """Loads batches ahead of their use, in `workers` processes; 0: in the caller itself.

    Nothing that it returns depends on the number of workers. Where processes cannot be started, which `trouble` then
    explains, it loads in the caller too. Close it, or use it in a `with` statement.
    """

    def __init__(self, workers: int, executor: Executor | None = None) -> None:
        self.workers, self.trouble = workers, ""
        self._executor = executor
        if executor is None and workers:
            try:
                self._executor = self._started()
            except OSError as error:  # a semaphore needs a little room in /dev/shm, which may be full or closed
                self.trouble = str(error)

    def _started(self) -> Executor:
        context = multiprocessing.get_context("spawn")
        executor = ProcessPoolExecutor(self.workers, mp_context=context, initializer=_end_with_parent)
        for _ in range(self.workers):
            executor.submit(os.getpid)  # they take seconds to start, while others prepare the network
        return executor

    def __enter__(self) -> "Loader":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End the processes; what they were loading is dropped."""
        if self._executor is not None:
            self._executor.shutdown(wait=True, cancel_futures=True)

    def of(self, recipe: Recipe) -> Load:
        """Return what loads by a recipe."""
        return partial(self.batches, recipe)

    def each(self, function: Callable[[Item], Made], items: Sequence[Item]) -> Iterator[Made]:
        """Yield what a function makes of each item, in order."""
        if self._executor is None:
            yield from map(function, items)
            return
        try:
            yield from self._executor.map(function, items, chunksize=CHUNK)
        except BrokenProcessPool:
            raise LoadingEnded("A process that loads images ended unexpectedly, perhaps for lack of memory.") from None

    def batches(self, recipe: Recipe, batches: Iterable[Sequence[Item]], epoch: int = 0) -> Iterator[list[Example]]:
        """Yield each batch of items as examples, in order, loading some ahead."""
        if self._executor is None:
            for items in batches:
                yield [recipe.load(item, epoch) for item in items]
            return
        ahead: deque[list[Future[list[Example]]]] = deque()
        try:
            for items in batches:
                parts = in_batches(items, math.ceil(len(items) / (PARTS * self.workers)) or 1)
                ahead.append([self._executor.submit(recipe.load_all, part, epoch) for part in parts])
                if len(ahead) > 1 + self.workers:
                    yield _joined(ahead.popleft())
            while ahead:
                yield _joined(ahead.popleft())
        except BrokenProcessPool:
            raise LoadingEnded(
                "A process that loads images ended unexpectedly, perhaps for lack of memory. Resume the run; "
                "`--set runtime.workers=0` loads images in the trainer itself."
            ) from None
        finally:
            for future in (f for futures in ahead for f in futures):
                future.cancel()


def _joined(parts: Iterable[Future[list[Example]]]) -> list[Example]:
    return [example for part in parts for example in part.result()]


def in_batches(items: Sequence[Item], size: int, order: Sequence[int] | None = None) -> list[list[Item]]:
    """Return the items in batches, in `order` (indices) if given; the last, partial batch is kept."""
    ordered = [items[i] for i in order] if order is not None else list(items)
    return [ordered[i : i + size] for i in range(0, len(ordered), size)]


def shuffled(count: int, seed: int, epoch: int) -> list[int]:
    """Return the order of `count` training images in an epoch; it depends on (seed, epoch) alone."""
    return [int(i) for i in np.random.default_rng([seed, epoch]).permutation(count)]


def absolute(root: Path, name: str) -> str:
    """Return the path of an image of a dataset whose names are relative to `root`."""
    return str(root / name)


def _end_with_parent() -> None:
    """Watch the parent from a thread, and end with it: a killed trainer leaves no process behind."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
