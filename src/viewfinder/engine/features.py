"""Features: what the frozen layers make of images, computed once where their input does not change, and kept."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import tee
from pathlib import Path

import numpy as np
import PIL
import torch
from numpy.typing import NDArray

from viewfinder.data import slots
from viewfinder.data.slots import Slots
from viewfinder.engine.examples import Example, Item, Loader, Recipe
from viewfinder.engine.graphs import Graph

NO_PIXELS = np.zeros((0, 0, 3), np.uint8)


class FeatureLoader:
    """A loader whose examples carry features instead of pixels: [H, W, C], float32, or bfloat16 as uint16.

    `items` are those that may be asked for. They are kept below the folder `kept` for views 1 to `views`, and computed
    anew for all others. An example that was kept has no size of its original. `ahead` is how many batches are begun
    before one is given; what learns from them is slower with batches computed beside it.
    """

    def __init__(
        self,
        loader: Loader,
        graph: Graph,
        precision: str,
        recipe: Recipe,
        items: Sequence[Item],
        views: int,
        kept: Path,
        ahead: int = 0,
    ) -> None:
        self._loader, self._graph, self._recipe, self._views, self._ahead = loader, graph, recipe, views, ahead
        self._bf16 = precision == "bf16"
        self._number = {item.name: number for number, item in enumerate(items)}
        size = int(np.prod(graph.shape)) * (2 if self._bf16 else 4)
        name = slots.key(
            (PIL.__version__, graph.key, precision, recipe if views else None, [one.stamp() for one in items])
        )
        count = len(items) * views
        room = slots.make_room(kept, name, count * size) if count else 0
        self._kept = Slots(kept / name, count, size, room)

    def close(self) -> None:
        """Close the files of what is kept; the loader that loads for this one stays open."""
        self._kept.close()

    def batches(self, batches: Iterable[Sequence[Item]], view: int = 1) -> Iterator[list[Example]]:
        """Yield each batch of items as examples, in order; `view` tells which of the augmented views it is."""
        wanted, asked = tee(batches)
        missing = ([item for item in items if self._slot(item, view) not in self._kept] for items in asked)
        begun: deque[tuple[Sequence[Item], Callable[[], list[Example]]]] = deque()
        for items, loaded in zip(wanted, self._loader.batches(self._recipe, missing, view), strict=True):
            begun.append((items, self._begin(loaded, view)))
            if len(begun) > self._ahead:
                yield self._finished(*begun.popleft(), view)
        for items, finished in begun:
            yield self._finished(items, finished, view)

    def _finished(self, items: Sequence[Item], finished: Callable[[], list[Example]], view: int) -> list[Example]:
        fresh = {example.item.name: example for example in finished()}
        return [fresh.get(item.name) or self._read(item, view) for item in items]

    def _slot(self, item: Item, view: int) -> int:
        """Return the number under which an item is kept; that of one which is not is too large."""
        return (view - 1) * len(self._number) + self._number[item.name] if view <= self._views else self._kept.count

    def _begin(self, loaded: list[Example], view: int) -> Callable[[], list[Example]]:
        """Begin to compute the features of loaded examples; return what waits for them, and then keeps them."""
        readable = [example for example in loaded if not example.error]
        computed = self._graph.begin([example.pixels for example in readable])

        def finished() -> list[Example]:
            done = [example for example in loaded if example.error]
            for example, values in zip(readable, self._rounded(computed()), strict=True):
                self._kept.put(self._slot(example.item, view), values.tobytes())
                done.append(replace(example, pixels=NO_PIXELS, features=values))
            return done

        return finished

    def _rounded(self, features: NDArray[np.float32]) -> NDArray[np.generic]:
        if not self._bf16:
            return features
        rounded: NDArray[np.generic] = torch.from_numpy(features).bfloat16().view(torch.uint16).numpy()
        return rounded

    def _read(self, item: Item, view: int) -> Example:
        content = self._kept.get(self._slot(item, view))
        if content is None:  # it was damaged
            (example,) = self._begin([self._recipe.load(item, view)], view)()
            return example
        values = np.frombuffer(content, np.uint16 if self._bf16 else np.float32).reshape(self._graph.shape)
        return Example(item, NO_PIXELS, np.zeros((0, 4)), np.array(item.classes, np.int64), (0, 0), None, values)
