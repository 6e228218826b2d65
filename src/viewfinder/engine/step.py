"""A step of learning: forward in the precision of the run, backward, and the optimizer."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn, optim

from viewfinder.engine import device


class Steps:
    """Takes the optimizer's steps on a device, in a precision: fp32, bf16 or fp16. `clip` limits the gradient's norm.

    In fp16 the loss is scaled up, not to lose small gradients. A step whose scaled gradients overflow changes nothing
    but the scale. It counts as a step all the same: rates depend on its number alone.
    """

    def __init__(self, optimizer: optim.Optimizer, on: torch.device, precision: str, clip: float | None) -> None:
        self.optimizer, self.device, self.precision, self.clip = optimizer, on, precision, clip
        self.scaler = torch.amp.GradScaler(on.type, enabled=precision == "fp16")
        self._torch: Any = torch.cuda if on.type == "cuda" else torch.cpu

    def take(self, network: nn.Module, loss: Callable[[], Tensor], rate: float) -> float:
        """Take one step; return the loss, unscaled. One that is not finite is returned too, and changes nothing."""
        return self.take_in_parts(network, [(1.0, loss)], rate)

    def take_in_parts(
        self,
        network: nn.Module,
        parts: Iterable[tuple[float, Callable[[], Tensor]]],
        rate: float,
        agreed: Callable[[float], float] = float,
    ) -> float:
        """Take one step over the sum of losses, each times its share; only one of them needs memory at a time.

        `agreed` returns the loss of all processes for that of this one: they all take the step, or none does.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        total = 0.0
        for share, loss in parts:
            with device.autocast(network, self.device, self.precision):
                value = loss()
            value = value if share == 1 else value * share
            read = self._reading(value)
            torch.autograd.backward(self.scaler.scale(value))
            total += read()
        total = agreed(total)
        if math.isfinite(total):
            self._apply()
        return total

    def state(self) -> dict[str, Any]:
        """Return what a resumed training needs; `scaler` is empty but in fp16."""
        return {"optimizer": self.optimizer.state_dict(), "scaler": self.scaler.state_dict()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up such a state; one of a training in another precision says nothing of the scale."""
        self.optimizer.load_state_dict(state["optimizer"])
        if scale := state.get("scaler"):
            self.scaler.load_state_dict(scale)

    def _reading(self, value: Tensor) -> Callable[[], float]:
        """Return what reads a number of the device: a GPU goes on to the backward pass in the meantime."""
        copy = value.detach().to("cpu", non_blocking=self.device.type == "cuda")
        copied = self._torch.Event()
        copied.record(self._torch.current_stream(self.device))

        def read() -> float:
            copied.synchronize()
            return float(copy)

        return read

    def _apply(self) -> None:
        if self.clip is not None:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_([p for group in self.optimizer.param_groups for p in group["params"]], self.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()


def step_seed(seed: int, epoch: int, step: int, rank: int = 0) -> int:
    """Return the seed of torch's generator for one optimizer step: dropout, stochastic depth and samplers.

    Of processes that train together, each has its own, by its `rank`.
    """
    words = [seed, epoch, step, rank] if rank else [seed, epoch, step]
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> np.uint64(1))
