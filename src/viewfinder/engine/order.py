"""The order in which training images are seen."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

from viewfinder.data import pixels
from viewfinder.engine.examples import Item, Recipe, in_batches, shuffled

PER_OCTAVE = 2  # kinds of shapes while the ratio of width to height doubles


class Order:
    """The batches of every epoch; they depend on the seed and the epoch alone.

    Where images keep their aspect, batches hold images of one shape, as far as they can: less is padded.
    """

    def __init__(self, items: Sequence[Item], recipe: Recipe, batch: int, seed: int) -> None:
        self._items, self._batch, self._seed = items, batch, seed
        self._shapes = shapes(items) if recipe.longest_px is not None and batch > 1 else None

    @property
    def steps(self) -> int:
        """The number of batches of an epoch."""
        return math.ceil(len(self._items) / self._batch)

    def batches(self, epoch: int) -> list[list[Item]]:
        """Return the batches of an epoch."""
        order = shuffled(len(self._items), self._seed, epoch)
        if self._shapes:
            order = by_shape(order, self._shapes, self._batch)
        return in_batches(self._items, self._batch, order)


def shapes(items: Iterable[Item]) -> list[int | None]:
    """Return the kind of shape of each item's image, from its header; None for one that cannot be read."""
    return [_shape(item) for item in items]


def _shape(item: Item) -> int | None:
    try:
        width, height = pixels.upright_size(item.path)
    except pixels.UnreadableImage:
        return None
    return round(PER_OCTAVE * math.log2(width / height))


def by_shape(order: Iterable[int], shapes: Sequence[int | None], batch: int) -> list[int]:
    """Return an order of the same indices in which each `batch` of them, but for the last ones, have one shape.

    Full batches come in the order in which they fill up; what is left of each shape comes last.
    """
    waiting: dict[int | None, list[int]] = defaultdict(list)
    ordered: list[int] = []
    for index in order:
        group = waiting[shapes[index]]
        group.append(index)
        if len(group) == batch:
            ordered += group
            group.clear()
    return ordered + [index for group in waiting.values() for index in group]
