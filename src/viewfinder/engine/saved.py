"""Saved models: weights in fp32 under the architecture's own names, and what is needed to use them."""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import IO

import torch
from safetensors.torch import load_file
from torch import nn

from viewfinder import catalogue
from viewfinder.engine import build
from viewfinder.errors import RunError
from viewfinder.run import ModelInfo, RunFolder, read_model_info

TYPES = {torch.float32: "F32", torch.int64: "I64"}


def write(run: RunFolder, network: nn.Module, info: ModelInfo) -> None:
    """Replace the run's model."""
    tensors = {name: t.detach().cpu().contiguous() for name, t in network.state_dict().items()}
    run.write_model(info, partial(_write, tensors))


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


def _write(tensors: Mapping[str, torch.Tensor], file: IO[bytes]) -> None:
    """Write tensors on the CPU, contiguous, in the format of safetensors: its length, a header, and their bytes.

    The format is told at https://huggingface.co/docs/safetensors. The library's own writer copies all tensors first,
    and where there is no memory for that it ends the process, or never returns.
    """
    header, end = {}, 0
    tensors = dict(sorted(tensors.items(), key=lambda named: -named[1].itemsize))  # so that each lies as torch needs it
    for name, tensor in tensors.items():
        begin, end = end, end + tensor.nbytes
        header[name] = {"dtype": TYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # so that the first tensor lies on a multiple of 8 bytes
    file.write(len(text).to_bytes(8, "little") + text)
    for tensor in tensors.values():
        file.write(tensor.reshape(-1).view(torch.uint8).numpy().data)
