"""Building a network from its row of the catalogue, and filling it with weights."""

import json
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from viewfinder import catalogue
from viewfinder.catalogue import Model
from viewfinder.engine import layers
from viewfinder.errors import WeightsError


class Family(Protocol):
    """What a row's `builder` names."""

    @staticmethod
    def build(row: Model, classes: int, batch_norm: str) -> nn.Module:
        """Return a network with random weights from torch's generator."""

    @staticmethod
    def arrange(network: nn.Module) -> None:
        """Give a network the memory format that runs fastest."""

    @staticmethod
    def from_file(weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the tensors of a published file under the network's names, without what depends on the classes."""


def family(row: Model) -> Family:
    """Return what builds the row's network."""
    module, _, name = row.builder.partition(":")
    return cast(Family, getattr(import_module(module), name))


def network(row: Model, classes: int, batch_norm: str) -> nn.Module:
    """Return a network with random weights, with the memory format and the pooling that run fastest."""
    made_by = family(row)
    built = made_by.build(row, classes, batch_norm)
    layers.average_globally(built)
    made_by.arrange(built)
    return built


def load_pretrained(built: nn.Module, row: Model, path: Path) -> None:
    """Fill a network from a weight file; what depends on the classes keeps its random weights.

    Raises WeightsError when the file is not the model's.
    """
    wanted = built.state_dict()
    try:
        found = family(row).from_file(read(path))
    except WeightsError as error:
        raise WeightsError(f"'{path}' does not hold weights of {row.name}: {error}.") from None
    wrong = [name for name, tensor in found.items() if name not in wanted or wanted[name].shape != tensor.shape]
    backbone = tuple(f"{module}." for layer in row.layers for module in layer.modules)
    missing = [n for n in wanted if n.startswith(backbone) and n not in found and not n.endswith("num_batches_tracked")]
    if wrong or missing:
        odd = f"'{wrong[0]}' does not fit" if wrong else f"'{missing[0]}' is missing"
        raise WeightsError(
            f"'{path}' does not hold weights of {row.name}: {len(wrong) + len(missing)} tensors differ; {odd}. "
            f"The file to use is {row.weights.file}."
        )
    built.load_state_dict(found, strict=False)


def check_weights(job: Path) -> None:
    """Raise WeightsError unless the file that a job's request.json names holds weights of its model."""
    request = json.loads((job / "request.json").read_text(encoding="utf-8"))
    row = catalogue.get(request["model"])
    load_pretrained(network(row, 2, "frozen"), row, Path(request["weights"]))


def read(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a .safetensors or .pth file, without executing anything in it."""
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # noqa: BLE001 - a damaged file raises anything: zip, pickle, header and OS errors
        raise WeightsError("the file cannot be read: it is damaged, or no .pth or .safetensors file") from None
    if not isinstance(loaded, dict) or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise WeightsError("the file is not a dictionary of tensors")
    return dict(loaded)
