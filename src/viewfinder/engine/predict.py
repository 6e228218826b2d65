"""Using a model: in this process (`load`), or as a job in a folder (`python -m viewfinder.engine predict JOB`)."""

import functools
import json
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import polars as pl
from PIL import Image
from torch import nn

from viewfinder import catalogue, events, tasks
from viewfinder.engine import device, layers, saved
from viewfinder.engine.examples import Example, Item, Loader
from viewfinder.engine.features import FeatureLoader
from viewfinder.engine.graphs import Graph
from viewfinder.engine.judge import Judgement, judge
from viewfinder.engine.task import engine_of
from viewfinder.errors import InputError
from viewfinder.home import default_home
from viewfinder.run import RunFolder

PROGRESS_S = 0.5
MAX_THREADS = 8
MANY = 500  # images from which on converting the backbone, some seconds when it is done first, is worth it


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
        return self._above_threshold(judgement.predictions)

    def judge(
        self, items: Sequence[Item], progress: Callable[[int, int], None] = lambda done, images: None
    ) -> Judgement:
        """Return what the network finds in images, before any threshold."""
        threads, recipe = min(MAX_THREADS, device.cores()), self._task.recipe()
        with ThreadPoolExecutor(threads) as pool, Loader(threads, pool) as loader:
            graph = self._backbone if len(items) >= MANY else None
            if graph is None:
                return judge(self._judging, self._task, items, loader.of(recipe), progress, self._precision)
            features = FeatureLoader(loader, graph, "fp32", recipe, items, 0, Path())
            head = layers.without_frozen(self._network, self._row, 0)
            return judge(head, self._task, items, features.batches, progress)

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

    def _above_threshold(self, table: pl.DataFrame) -> pl.DataFrame:
        if self.info.threshold is None:
            return table
        least = self.info.threshold
        kept = [
            json.dumps([box for box in json.loads(boxes) if box["confidence"] >= least], ensure_ascii=False)
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
    """Predict the images of a job's images.parquet with the model its request.json names; write predictions.parquet.

    Raises KeyboardInterrupt when the file `stop` appears, and when nobody waits for the answer any more.
    """
    told = RunFolder(job)
    request: dict[str, Any] = json.loads((job / "request.json").read_text(encoding="utf-8"))
    last, parent = time.monotonic(), os.getppid()
    if request.get("nice") and hasattr(os, "nice"):
        os.nice(request["nice"])

    def progress(done: int, images: int) -> None:
        nonlocal last
        if told.stop_requested or not job.is_dir() or os.getppid() != parent:
            raise KeyboardInterrupt
        if done == images or time.monotonic() - last >= PROGRESS_S:
            last = time.monotonic()
            told.append(events.Evaluating(time=time.time(), split="prediction", done=done, images=images))

    names = pl.read_parquet(job / "images.parquet")["image"].to_list()
    judgement = load(request["run"]).judge([Item(name, name) for name in names], progress)
    for example in judgement.unreadable:
        told.append(_diagnostic(example))
    told.write_predictions(judgement.predictions)


def _diagnostic(example: Example) -> events.Diagnostic:
    reason = f"It cannot be read: {example.error}. It was left out."
    return events.Diagnostic(
        time=time.time(), severity="error", kind="corrupt_image", file=example.item.name, reason=reason
    )
