"""How fast folders of JPEGs are predicted: `python benchmarks/predicting.py [MODEL ...] [--images N]`.

Prints images/s, decoding included, each the median of interleaved repetitions in this process, loading of the model and
conversion of its graph not included:

- torch: plain torch with a DataLoader, as tutorials teach it;
- onnxruntime, openvino: the exported model, in the precision that each chooses itself, with the same DataLoader;
- Viewfinder, torch: Viewfinder's model where there are few images, or no OpenVINO;
- Viewfinder: its model where there are many images, in fp32;
- limit: 1 / (core-seconds to decode, resize and infer an image), each measured alone.

ONNX Runtime is in the extra `peers`: `pip install -e ".[peers]"`.
"""

import argparse
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import images
import tables
import torch
from peers.job import WORKERS, as_published
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from viewfinder import catalogue
from viewfinder.data import pixels
from viewfinder.engine import build, device, loop, predict
from viewfinder.engine.examples import Item
from viewfinder.service.preparing import prepare

MODELS = ("efficientnet_lite0", "efficientnet_b0")
BATCH = 32
PACKAGES = {"torch": ("torch",), "onnxruntime": ("onnxruntime", "onnx", "onnxscript"), "openvino": ("openvino",)}
Infer = Callable[[Tensor], object]


class Files(Dataset[Tensor]):
    """Images of a folder as a network takes them."""

    def __init__(self, files: Sequence[Path], row: catalogue.Model) -> None:
        self.files, size = files, (row.input_size, row.input_size)
        scaled = v2.ToDtype(torch.float32, scale=True)
        self.change = v2.Compose([v2.Resize(size), v2.ToImage(), scaled, v2.Normalize(row.mean, row.std)])

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, number: int) -> Tensor:
        changed: Tensor = self.change(Image.open(self.files[number]).convert("RGB"))
        return changed


def with_onnxruntime(network: nn.Module, example: Tensor, folder: Path) -> Infer:
    """Return the network as ONNX Runtime computes it."""
    import onnxruntime

    path, batch = folder / "model.onnx", torch.export.Dim("batch")
    torch.onnx.export(
        network, (example,), path, input_names=["images"], dynamic_shapes=({0: batch},), dynamo=True, verbose=False
    )
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda images: session.run(None, {"images": images.numpy()})


def with_openvino(network: nn.Module, example: Tensor) -> Infer:
    """Return the network as OpenVINO computes it."""
    import openvino

    with warnings.catch_warnings(action="ignore", category=FutureWarning):  # of torch, about how OpenVINO converts
        converted = openvino.convert_model(network, example_input=example, input=[-1, *example.shape[1:]])
    compiled = openvino.compile_model(converted, "CPU")
    return lambda images: compiled(images.numpy())


def peers(row: catalogue.Model, folder: Path) -> dict[str, Infer]:
    """Return a network as each peer that is installed computes it."""
    network = as_published(build.network(row, images.CLASSES, "live")).eval()
    example = torch.rand(BATCH, 3, row.input_size, row.input_size)
    ways: dict[str, Callable[[], Infer]] = {
        "torch": lambda: network,
        "onnxruntime": lambda: with_onnxruntime(network, example, folder),
        "openvino": lambda: with_openvino(network, example),
    }
    return {name: way() for name, way in ways.items() if all(tables.installed(package) for package in PACKAGES[name])}


def script(infer: Infer, files: Files) -> None:
    """Predict as a tutorial does."""
    with torch.inference_mode():
        for batch in DataLoader(files, BATCH, num_workers=WORKERS):
            infer(batch)


def trained(name: str, folder: Path) -> predict.Model:
    """Return a model after one epoch, with random weights."""
    images.weights(name, folder / "images", folder / "weights.pth")
    wanted = {
        "training.model": name, "training.weights": str(folder / "weights.pth"), "training.retrained_layers": 0,
        "training.epochs": 1, "split.test_ratio": 0.5,
    }  # fmt: skip
    run = prepare(folder / "images", settings=wanted, out=folder / name).run
    loop.train(run)
    return predict.load(run.path, "cpu")


def ours(model: predict.Model, items: Sequence[Item], many: bool) -> None:
    """Predict with the graph of the backbone, or without it."""
    predict.MANY = 1 if many else sys.maxsize
    model.judge(items)


def limit(model: predict.Model, files: Sequence[Path], size: int) -> float:
    """Return the images/s that decoding, resizing and the graph allow on all cores."""
    graph: Any = model._backbone
    graph([pixels.square(file, size) for file in files[:8]])  # the first time takes longest
    began = time.process_time()
    graph([pixels.square(file, size) for file in files[:64]])
    return device.cores() * min(64, len(files)) / (time.process_time() - began)


def seconds(work: Callable[[], object]) -> float:
    """Return how long something takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def measure(name: str, folder: Path, files: Sequence[Path], repetitions: int) -> list[tables.Measurement]:
    """Return the images/s of every contestant in every repetition, and the limit."""
    row, model, found = catalogue.get(name), trained(name, folder), []
    items = [Item(str(file), file.name) for file in files]
    ways: dict[str, tuple[str, Callable[[], object]]] = {
        peer: ("peer", lambda infer=infer: script(infer, Files(files, row)))  # type: ignore[misc]
        for peer, infer in peers(row, folder).items()
    }
    ways["Viewfinder, torch"] = ("ours", lambda: ours(model, items, many=False))
    ways["Viewfinder"] = ("ours", lambda: ours(model, items, many=True))
    ways["Viewfinder"][1]()  # the first time takes longest
    for _ in range(repetitions):
        for contestant, (role, work) in ways.items():
            found.append(_measurement(name, contestant, role, len(files) / seconds(work)))
        found.append(_measurement(name, "limit", "shown", limit(model, files, row.input_size)))
    return found


def _measurement(case: str, contestant: str, role: str, speed: float) -> tables.Measurement:
    return tables.Measurement("predicting", case, contestant, role, {"images_per_second": speed})


def main() -> None:
    """Measure all models and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=MODELS)
    parser.add_argument("--images", type=int, default=640)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--json", type=Path, help="append every measurement to this file of JSON Lines")
    asked = parser.parse_args()
    print(tables.head("predicting"))
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        os.environ["VIEWFINDER_HOME"] = str(folder / "home")
        images.classified(folder / "images", asked.images)
        files = sorted((folder / "images").rglob("*.jpg"))
        for name in asked.models:
            found = measure(name, folder, files, asked.repetitions)
            tables.append(asked.json, found)
            print(tables.rows(found), flush=True)
    print(f"\n{tables.versions(package for packages in PACKAGES.values() for package in packages)}")


if __name__ == "__main__":
    main()
