"""Using a model: in this process (`load`), or as a job in a folder (`python -m viewfinder.engine predict JOB`)."""

import functools
import io
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import polars as pl
from PIL import Image
from torch import nn

from viewfinder import atomic, catalogue, events, lock, tasks
from viewfinder.engine import device, layers, saved
from viewfinder.engine.examples import Item, Loader
from viewfinder.engine.features import FeatureLoader
from viewfinder.engine.graphs import Graph
from viewfinder.engine.judge import Found, Judgement, collected, in_turn
from viewfinder.engine.task import engine_of
from viewfinder.errors import InputError
from viewfinder.home import default_home
from viewfinder.run import RunFolder

PROGRESS_S = 0.5
PART_S = 20
MAX_THREADS = 8
MANY = 500  # images from which on converting the backbone, some seconds when it is done first, is worth it
AHEAD = 1  # batches that the backbone computes before it is asked for them


class Model:
    """A trained model, ready to predict. It keeps the weights in memory; use one from one thread at a time."""

    def __init__(self, folder: Path, devices: str = "auto") -> None:
        self.device = device.choose(devices)
        self._network, self.info = saved.read(folder, self.device)
        self._row = catalogue.get(self.info.model)
        self._task = engine_of(self.info.task)(self._row, self.info.input_size, self.info.classes, self.device)

    @property
    def task(self) -> str:
        """The task: `classification` or `detection`."""
        return self.info.task

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the network's outputs."""
        return self.info.classes

    def predict(self, images: "str | Path | Image.Image | Sequence[str | Path | Image.Image]") -> pl.DataFrame:
        """Return predictions in the form of predictions.parquet, one row an image, in order.

        Detections are those with the model's threshold. Raises InputError for an image that cannot be read.
        """
        several = [images] if isinstance(images, str | Path | Image.Image) else list(images)
        judgement = self.judge([Item(image, _name(image, i)) for i, image in enumerate(several, start=1)])
        if judgement.unreadable:
            bad = judgement.unreadable[0]
            raise InputError(f"'{bad.item.name}' cannot be read: {bad.error}.")
        return above(judgement.predictions, self.info.threshold)

    def judge(
        self, items: Sequence[Item], progress: Callable[[int, int], None] = lambda done, images: None
    ) -> Judgement:
        """Return what the network finds in images, before any threshold."""
        return collected(self._task, self.in_turn(items, len(items) >= MANY), len(items), progress)

    def in_turn(self, items: Sequence[Item], many: bool) -> Iterator[Found]:
        """Yield what the network finds, a batch at a time; with `many` the backbone is converted first."""
        threads, recipe = min(MAX_THREADS, device.cores()), self._task.recipe()
        with ThreadPoolExecutor(threads) as pool, Loader(threads, pool) as loader:
            graph = self._backbone if many else None
            if graph is None:
                yield from in_turn(self._judging, self._task, items, loader.of(recipe), self._precision)
                return
            features = FeatureLoader(loader, graph, "fp32", recipe, items, 0, Path(), AHEAD)
            head = layers.without_frozen(self._network, self._row, 0)
            yield from in_turn(head, self._task, items, features.batches)

    def table(self, found: Sequence[Found], threshold: float | None) -> pl.DataFrame:
        """Return predictions with the boxes from `threshold` on; unreadable images have an `error` instead."""
        names, outputs = ([one for some in found for one in getattr(some, part)] for part in ("names", "outputs"))
        unreadable = [(bad.item.name, bad.error) for some in found for bad in some.unreadable]
        errors = pl.DataFrame(unreadable, {"image": pl.String, "error": pl.String}, orient="row")
        return pl.concat([above(self._task.table(names, outputs), threshold), errors], how="diagonal")

    @property
    def _precision(self) -> str:
        """The precision of the training's metrics, if this machine has it."""
        return self.info.precision if device.has_bf16(self.device) else "fp32"

    @functools.cached_property
    def _judging(self) -> nn.Module:
        """The network in the form that gave the training's metrics, if this machine has OpenVINO."""
        if self.info.engine != "openvino" or self.device.type != "cpu":
            return self._network
        try:
            from viewfinder.engine import dense  # what a classifier does without takes long to import

            return dense.judging(self._network, self._precision, default_home() / "cache" / "graphs")
        except Exception:  # noqa: BLE001 - whatever OpenVINO cannot do on this machine, torch can
            return self._network

    @functools.cached_property
    def _backbone(self) -> Graph | None:
        """The backbone as a graph, several times faster once it is converted; None where torch must do."""
        if not tasks.get(self.task).frozen_apart or self.device.type != "cpu":
            return None
        part = layers.frozen_part(self._network, self._row, 0)
        try:
            return Graph(part, self._row, self.info.input_size, "fp32", default_home() / "cache" / "graphs")
        except Exception:  # noqa: BLE001 - whatever OpenVINO cannot do on this machine, torch can
            return None


def above(table: pl.DataFrame, threshold: float | None) -> pl.DataFrame:
    """Return predictions with only the boxes of confidence ≥ `threshold`; None, as for a class: all."""
    if threshold is None:
        return table
    kept = [
        json.dumps([box for box in json.loads(boxes) if box["confidence"] >= threshold], ensure_ascii=False)
        for boxes in table["boxes"]
    ]
    return table.with_columns(boxes=pl.Series(kept, dtype=pl.String))


def _name(image: str | Path | Image.Image, number: int) -> str:
    return f"image {number}" if isinstance(image, Image.Image) else str(image)


def load(path: str | Path, devices: str = "auto") -> Model:
    """Return the model of a run folder, or of a copied `model` folder.

    Raises RunError when there is none.
    """
    folder = Path(path)
    return Model(folder if (folder / "model.json").is_file() else RunFolder.open(folder).model_path(), devices)


def predict(job: Path) -> None:
    """Predict the images of a job's images.parquet with the model and the threshold its request.json names.

    Predictions are written in parts, each at the latest PART_S after its first image: `part-N.parquet` in the folder
    `parts` ends with the N-th image. What was written before is not predicted again. Raises KeyboardInterrupt when the
    file `stop` appears, and when nobody waits for the answer any more; all that was predicted is written then.
    """
    request: dict[str, Any] = json.loads((job / "request.json").read_text(encoding="utf-8"))
    if request.get("nice") and hasattr(os, "nice"):
        os.nice(request["nice"])
    names = pl.read_parquet(job / "images.parquet", glob=False)["image"].to_list()
    model = load(request["run"])
    with Parts(RunFolder(job), Path(request["parts"]), model, len(names), request["threshold"]) as parts:
        left = [Item(name, name) for name in names[parts.done :]]
        for found in model.in_turn(left, len(names) >= MANY):
            parts.add(found)


class Parts:
    """The parts in which a job's predictions are written; what was added is written when a `with` block ends.

    Raises KeyboardInterrupt when nobody waits any more: then another job may be about to go on with the parts.
    """

    def __init__(self, job: RunFolder, folder: Path, model: Model, images: int, threshold: float | None) -> None:
        self.job, self.folder, self.model, self._images, self._threshold = job, folder, model, images, threshold
        self._found: list[Found] = []
        self._written = self._told = time.monotonic()

    def __enter__(self) -> Self:
        held = lock.take(self.folder / "lock") if self._wanted else None
        if held is None:
            raise KeyboardInterrupt
        if not self._wanted:  # any more: another command may have found the lock free just before
            held.close()
            raise KeyboardInterrupt
        self._lock = held
        self.done = max((int(part.stem.partition("-")[2]) for part in self.folder.glob("part-*.parquet")), default=0)
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            if self._found or not self._images:
                self._write()

    def add(self, found: Found) -> None:
        """Take a batch, and tell how many images are done; raise KeyboardInterrupt when it shall not go on."""
        self._found.append(found)
        self.done += found.images
        now = time.monotonic()
        if now - self._written >= PART_S:
            self._write()
        if self.done == self._images or now - self._told >= PROGRESS_S:
            self._told = now
            told = events.Evaluating(time=time.time(), split="prediction", done=self.done, images=self._images)
            self.job.append(told)
        if not self._wanted:
            raise KeyboardInterrupt

    @property
    def _wanted(self) -> bool:
        """Whether whoever asked waits for the answer: it holds a lock, which goes with it however it ends."""
        try:
            free = lock.take(self.job.path / "asked.lock")
        except OSError:  # the job's folder is gone
            return False
        if free is not None:
            free.close()
        return free is None and not self.job.stop_requested

    def _write(self) -> None:
        content = io.BytesIO()
        self.model.table(self._found, self._threshold).write_parquet(content)
        part = self.folder / f"part-{self.done:09}.parquet"
        atomic.replace(part, lambda file: file.write(content.getvalue()))
        self._found, self._written = [], time.monotonic()
