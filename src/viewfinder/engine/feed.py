"""Where the examples of a training come from, and what of the network they still have to pass."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image
from torch import nn

from viewfinder import tasks
from viewfinder.catalogue import Model
from viewfinder.design import Design, views
from viewfinder.engine import layers
from viewfinder.engine.examples import Item, Load, Loader, Made, Recipe
from viewfinder.engine.features import NO_PIXELS, FeatureLoader
from viewfinder.engine.graphs import Graph
from viewfinder.engine.task import Batch, TaskEngine

CONVERSION_S = 15  # what the largest model may take
Say = Callable[[str], None]


def _to_nobody(message: str) -> None:
    pass


class Feed:
    """Gives the examples of a run to `network`: the whole network, or the part of it behind the frozen layers.

    With the engine `openvino` the frozen layers are constant functions. What they make of an image is kept below
    `home`, for as many views of it as the design draws. Images that are needed more than once are decoded once, and
    kept there too. Use it in a `with` statement; `trouble` then says why the frozen layers cannot be computed apart,
    if so. `streams` is how many images a graph computes at a time; 0: as many as there are cores. `on_device` leaves
    augmentation to the device, unless graphs compute the frozen layers. `say` is told, in a sentence, of what takes
    long and happens once.
    """

    def __init__(
        self,
        network: nn.Module,
        row: Model,
        task: TaskEngine,
        design: Design,
        home: Path,
        streams: int = 0,
        on_device: bool = False,
        say: Say = _to_nobody,
    ) -> None:
        self.network, self.design, self.trouble, self._streams = network, design, "", streams
        self._on_device, self._say = on_device, say
        self._task, self._row, self._home = task, row, home
        self._whole, self._retrained = network, int(design.training.retrained_layers)
        self._graphs: dict[str, Graph] = {}
        self._loads: dict[str, Load] = {}
        self._open = ExitStack()

    def __enter__(self) -> "Feed":
        self._loader = self._open.enter_context(Loader(int(self.design.runtime.workers)))
        if self._loader.trouble:
            self._say(
                f"Images are loaded by the trainer itself: no process can be started for it ({self._loader.trouble})."
            )
        if self.design.runtime.engine == "openvino" and self._retrained < len(self._row.layers):
            try:
                self.network = self._separated()
            except Exception as error:  # noqa: BLE001 - whatever OpenVINO cannot do on this machine, torch can
                self._graphs.clear()
                self.trouble = f"{type(error).__name__}: {error}"
        return self

    def _separated(self) -> nn.Module:
        """Make the frozen layers constant functions, for training and for judging; return what else learns."""
        kept, trained_in = self._home / "cache" / "graphs", str(self.design.runtime.precision)
        if not tasks.get(self.design.task).frozen_apart:
            from viewfinder.engine import dense  # what a classifier does without takes long to import

            return dense.learning(self._whole, trained_in, kept, self._tell_conversion)
        part = layers.frozen_part(self._whole, self._row, self._retrained)
        for precision in dict.fromkeys((trained_in, "fp32")):
            size = int(self.design.training.input_size)
            told = self._tell_conversion
            self._graphs[precision] = Graph(part, self._row, size, precision, kept, self._streams, told)
        return layers.without_frozen(self._whole, self._row, self._retrained)

    def _tell_conversion(self) -> None:
        what = f"the frozen layers of {self._row.name}"
        self._say(f"Once, {what} are converted for this machine; this can take up to {CONVERSION_S} s.")

    def __exit__(self, *exc: object) -> None:
        self._open.close()

    @property
    def views(self) -> int:
        """How many views of each training image are drawn, once for all epochs; 0: a fresh one in every epoch."""
        return views(self.design)

    def view(self, epoch: int) -> int:
        """Return which view of the training images an epoch uses; both are counted from 1."""
        return (epoch - 1) % self.views + 1 if self.views else epoch

    @property
    def judged_with(self) -> tuple[str, str]:
        """The precision and the engine that images are judged with; after a training in fp16 it is fp32."""
        runtime = self.design.runtime
        precision = "bf16" if runtime.precision == "bf16" else "fp32"
        return (precision, runtime.engine) if self._task.judged_as_trained else ("fp32", "torch")

    def each(self, function: Callable[[Item], Made], items: Sequence[Item]) -> Iterator[Made]:
        """Yield what a function makes of each item, in the processes that load images."""
        return self._loader.each(function, items)

    def blank(self) -> Batch:
        """Return a batch of one black image, for a process that has none in a step that all take together."""
        size = int(self.design.training.input_size)
        example = self._task.recipe().load(self._task.labelled(Image.new("RGB", (size, size))))
        if self._graphs:
            graph, half = self._graphs[str(self.design.runtime.precision)], self.design.runtime.precision == "bf16"
            features = np.zeros(graph.shape, np.uint16 if half else np.float32)
            example = replace(example, pixels=NO_PIXELS, features=features)
        return self._task.batch([example])

    def judging_network(self) -> nn.Module:
        """Return what judges images now; it does not follow what is learned later."""
        precision, engine = self.judged_with
        if engine != "openvino" or self.trouble:
            return self.network
        try:
            from viewfinder.engine import dense

            return dense.judging(self._whole, precision)
        except Exception as error:  # noqa: BLE001 - whatever OpenVINO cannot do on this machine, torch can
            self.trouble = f"{type(error).__name__}: {error}"
            self._say(f"Images are judged by torch: OpenVINO cannot ({self.trouble}).")
            return self.network

    def training(self, items: Sequence[Item]) -> Load:
        """Return what loads the training images."""
        if "training" not in self._loads:
            recipe = self._task.recipe(self.design if self.design.augmentation.is_on else None)
            if not self._graphs or self.views != 1:
                recipe = self._keeping(recipe, items)
            recipe = replace(recipe, pending=self._on_device and not self._graphs)
            precision = str(self.design.runtime.precision)
            self._loads["training"] = self._load(precision, recipe, items, self.views)
        return self._loads["training"]

    def judging(self, split: str, items: Sequence[Item]) -> Load:
        """Return what loads the images of a split as they are, to be judged."""
        if split not in self._loads:
            recipe = self._task.recipe() if self._graphs else self._keeping(self._task.recipe(), items)
            self._loads[split] = self._load("fp32", recipe, items, 1)
        return self._loads[split]

    def _keeping(self, recipe: Recipe, items: Sequence[Item]) -> Recipe:
        keeping = recipe.keeping(self._home / "cache" / "images", items)
        if keeping.kept:
            self._open.callback(keeping.kept.close)
        return keeping

    def _load(self, precision: str, recipe: Recipe, items: Sequence[Item], views: int) -> Load:
        if not self._graphs:
            return self._loader.of(recipe)
        kept = self._home / "cache" / "features"
        loader = FeatureLoader(self._loader, self._graphs[precision], precision, recipe, items, views, kept)
        self._open.callback(loader.close)
        return loader.batches
