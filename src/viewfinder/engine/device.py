"""The device a run computes on, its precision, and how many processes load its images."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.util import find_spec

import torch
from torch import Tensor, nn

from viewfinder import processor
from viewfinder.design import Runtime
from viewfinder.errors import DesignError
from viewfinder.words import plural

MAX_WORKERS = 8
FAST_FP16 = (7, 0)  # the first GPUs that are faster in it: of 2017, with tensor cores


def resolve(runtime: Runtime) -> Runtime:
    """Return the runtime section with every `auto` replaced by what suits this machine.

    Raises DesignError for a device that is not there, if the section is strict.
    """
    there = runtime.devices == "auto" or all(available(torch.device(name)) for name in runtime.devices.split(","))
    if runtime.strict and not there:
        raise DesignError(
            f"runtime.devices: there is no '{runtime.devices}' on this machine, and runtime.strict is true. Choose "
            "auto or cpu, or leave runtime.strict at false: then the CPU is used."
        )
    devices = runtime.devices if there else "cpu"
    devices = str(choose(devices)) if devices == "auto" else devices
    device = own(devices, 0)
    precision = _precision(runtime.precision, device)
    workers = runtime.workers
    if workers == "auto":
        workers = min(MAX_WORKERS, max(1, (cores() - 1) // Runtime(devices=devices).processes))
    engine = runtime.engine
    if engine == "auto":
        engine = "openvino" if device.type == "cpu" and find_spec("openvino") else "torch"
    changes = {"devices": devices, "precision": precision, "workers": workers, "engine": engine}
    return runtime.model_copy(update=changes)


def _precision(wanted: str, device: torch.device) -> str:
    """Return the precision to train in; fp16 is for GPUs alone, elsewhere it means auto."""
    on_gpu = device.type == "cuda"
    if wanted == "auto" or (wanted == "fp16" and not on_gpu):
        half = "fp16" if on_gpu and torch.cuda.get_device_capability(device) >= FAST_FP16 else "fp32"
        return "bf16" if has_bf16(device) else half
    return wanted


def has_bf16(device: torch.device) -> bool:
    """Return whether the device computes in bfloat16 itself, not by emulation."""
    if device.type == "cuda":
        with torch.cuda.device(device):
            return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()  # not in every torch
    return device.type == "cpu" and bool(capabilities.get("avx512_bf16"))


def own(devices: str, rank: int) -> torch.device:
    """Return the device of a process of a run, by its rank."""
    names = devices.split(",")
    return torch.device("cpu" if devices.startswith("cpu") else names[rank])


def choose(wanted: str) -> torch.device:
    """Return the device that was asked for, or the CPU where it is not there; auto is the first GPU, else the CPU."""
    if wanted == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    device = torch.device(wanted)
    return device if available(device) else torch.device("cpu")


def available(device: torch.device) -> bool:
    """Return whether this machine has the device."""
    if device.type == "cuda":
        return torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count()
    if device.type == "xpu":
        return torch.xpu.is_available() and (device.index or 0) < torch.xpu.device_count()
    return device.type == "cpu" or (device.type == "mps" and torch.backends.mps.is_available())


def name(device: torch.device) -> str:
    """Return what people call the device."""
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    return f"{processor.name()}, {plural(cores(), 'core')}"


def cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def changes_images(device: torch.device) -> bool:
    """Return whether the device itself augments the images that it trains on; else their loading does."""
    return device.type == "cuda"


def autocast(network: nn.Module, device: torch.device, precision: str) -> AbstractContextManager[None]:
    """Compute in a precision, fp32, bf16 or fp16, where that is safe; the weights are float32 in each."""
    if precision == "bf16":
        return bf16(network, device)
    return torch.autocast(device.type, torch.float16) if precision == "fp16" else nullcontext()


@contextmanager
def bf16(network: nn.Module, device: torch.device) -> Iterator[None]:
    """Compute in bfloat16 where that is safe and fast.

    On a CPU depthwise convolutions that learn compute in float32, unless they are 3 × 3 and go pixel by pixel: the
    backward pass of all others takes up to twelve times as long in bfloat16.
    """
    slow = [module for module in network.modules() if device.type == "cpu" and _is_slow(module)]
    for module in slow:
        module.forward = _in_fp32(module.forward)
    try:
        with torch.autocast(device.type, torch.bfloat16):
            yield
    finally:
        for module in slow:
            del module.forward  # the instance's; the class's own is back


def _is_slow(module: nn.Module) -> bool:
    if not isinstance(module, nn.Conv2d) or not module.weight.requires_grad:
        return False
    return module.groups == module.in_channels > 1 and (module.kernel_size, module.stride) != ((3, 3), (1, 1))


def _in_fp32(forward: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    def converted(x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return forward(x.float())

    return converted
