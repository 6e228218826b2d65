"""The processes that train one run together, each on a device of its own; most runs have one."""

import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import torch
from torch import nn

Given = TypeVar("Given")


class Group:
    """A process that trains alone. `rank` counts from 0, of `size`; the first one leads: it alone writes and tells."""

    rank, size = 0, 1

    def share(self, items: Sequence[Given]) -> list[Given]:
        """Return this process's part of a step's items: as many as the others', or one more in the first ones."""
        whole, left = divmod(len(items), self.size)
        start = self.rank * whole + min(self.rank, left)
        return list(items[start : start + whole + (self.rank < left)])

    def each_nth(self, items: Sequence[Given]) -> list[Given]:
        """Return this process's part of items to judge; together the processes have each of them once."""
        return list(items[self.rank :: self.size])

    def any(self, flag: bool) -> bool:
        """Return whether any process says so."""
        return flag

    def sums(self, *values: float) -> list[float]:
        """Return the sum of each value over all processes."""
        return list(values)

    def gathered(self, value: Given) -> list[Given]:
        """Return the values of all processes, in order of their ranks."""
        return [value]

    def wait(self) -> None:
        """Wait until all processes are here."""

    def follow(self, network: nn.Module) -> None:
        """Give the network the leading process's statistics of batch norms, which are the model's."""

    def joined(self, network: nn.Module) -> nn.Module:
        """Return the network whose gradients are the mean over all processes."""
        return network

    def apart(self, network: nn.Module) -> AbstractContextManager[Any]:
        """Leave the gradients of a forward pass to this process, to be added to those of the next one."""
        return nullcontext()


class Together(Group):
    """One of several processes that torch's launcher started."""

    def __init__(self, device: torch.device) -> None:
        from torch import distributed

        self._distributed: Any = distributed
        self.device = device
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
        self.rank, self.size = distributed.get_rank(), distributed.get_world_size()

    def any(self, flag: bool) -> bool:
        """Return whether any process says so."""
        return self.sums(float(flag))[0] > 0

    def sums(self, *values: float) -> list[float]:
        """Return the sum of each value over all processes, in double precision."""
        told = torch.tensor(values, dtype=torch.float64, device=self.device)
        self._distributed.all_reduce(told)
        return [float(value) for value in told]

    def gathered(self, value: Given) -> list[Given]:
        """Return the values of all processes, in order of their ranks."""
        found: list[Any] = [None] * self.size
        self._distributed.all_gather_object(found, value)
        return found

    def wait(self) -> None:
        """Wait until all processes are here."""
        self._distributed.barrier()

    def follow(self, network: nn.Module) -> None:
        """Give the network the leading process's statistics of batch norms, which are the model's."""
        for buffer in network.buffers():
            self._distributed.broadcast(buffer, 0)

    def joined(self, network: nn.Module) -> nn.Module:
        """Return the network whose gradients are the mean over all processes; batch norms keep their own statistics.

        On GPUs `synchronised` batch norms share theirs.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # what takes its place is not in torch 2.9
            return nn.parallel.DistributedDataParallel(network, broadcast_buffers=False)

    def apart(self, network: nn.Module) -> AbstractContextManager[Any]:
        """Leave the gradients of a forward pass to this process, to be added to those of the next one."""
        assert isinstance(network, nn.parallel.DistributedDataParallel)
        return network.no_sync()


def synchronised(network: nn.Module, group: Group, device: torch.device) -> nn.Module:
    """Return a network whose batch norms, on GPUs, see the images of all processes."""
    if group.size == 1 or device.type != "cuda":
        return network
    return over_all_processes(network)


def over_all_processes(network: nn.Module) -> nn.Module:
    """Return the network with torch's synchronised batch norms, which do besides what the norms they replace do."""
    own = [(name, module.synchronise) for name, module in network.named_modules() if hasattr(module, "synchronise")]
    made: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
    for name, synchronise in own:
        synchronise(made.get_submodule(name))
    return made
