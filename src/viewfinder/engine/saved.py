"""Saved models: weights in fp32 under the architecture's own names, and what is needed to use them."""

from pathlib import Path

import torch
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import nn

from viewfinder import catalogue
from viewfinder.engine import build
from viewfinder.errors import RunError
from viewfinder.run import ModelInfo, RunFolder, read_model_info


def write(run: RunFolder, network: nn.Module, info: ModelInfo) -> None:
    """Replace the run's model."""
    tensors = {name: t.detach().cpu().contiguous() for name, t in network.state_dict().items()}
    run.write_model(info, to_bytes(tensors))


def read(folder: Path, device: torch.device) -> tuple[nn.Module, ModelInfo]:
    """Return the network of a model's folder in eval mode, and its description."""
    info = read_model_info(folder)
    with torch.random.fork_rng(devices=[]):
        network = build.network(catalogue.get(info.model), len(info.classes), info.batch_norm)
    path = folder / "model.safetensors"
    try:
        network.load_state_dict(load_file(path))
    except Exception as error:  # noqa: BLE001 - a damaged file raises anything
        raise RunError(f"The model '{path}' cannot be read: {error}") from None
    return network.to(device).eval(), info
