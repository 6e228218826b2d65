"""Near copies of judged images among the training images, which make the numbers of a report flattering."""

import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from viewfinder import events
from viewfinder.data.copies import Look, look, near_copies
from viewfinder.engine.examples import Item
from viewfinder.engine.telling import Teller

MOST_JUDGED, MOST_TRAINED, MOST_TOLD = 5_000, 20_000, 100
Each = Callable[[Callable[[Item], Any], Sequence[Item]], Iterator[Any]]


def look_at(item: Item) -> Look | None:
    """Return what the image of an item looks like; None for one that is flat or cannot be read."""
    source = item.path
    return look(source if isinstance(source, bytes | Image.Image) else Path(source))


def tell_of(judged: Sequence[Item], trained: Sequence[Item], each: Each, tell: Teller, obey: Callable[[], None]) -> int:
    """Tell which judged images are near copies of a training image; return how many.

    `each` applies a function to items, `obey` raises what ends it before. Of very many images, some are drawn at
    random, always the same.
    """
    some, others = _drawn(judged, MOST_JUDGED), _drawn(trained, MOST_TRAINED)
    looks: list[Look | None] = []
    for one in each(look_at, [*some, *others]):
        obey()
        looks.append(one)
    pairs = near_copies(looks[: len(some)], looks[len(some) :])
    for image, other in pairs[:MOST_TOLD]:
        tell(
            events.Diagnostic, severity="warning", kind="near_copy", file=some[image].name,
            reason=f"It is a test image, and nearly the same as the training image '{others[other].name}'.",
        )  # fmt: skip
    return len(pairs)


def _drawn(items: Sequence[Item], most: int) -> list[Item]:
    return list(items) if len(items) <= most else random.Random(0).sample(list(items), most)
