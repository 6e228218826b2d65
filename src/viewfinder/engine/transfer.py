"""Transfer: bytes on their way to the device that trains, while it computes."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import torch
from numpy.typing import NDArray
from torch import Tensor

from viewfinder.engine.augment import Pixels

Given = TypeVar("Given")
Made = TypeVar("Made")


def send(array: NDArray[Any], device: torch.device) -> Tensor:
    """Return an array on the device; a GPU may still be copying it, and uses it only when it is there."""
    return _sent(torch.from_numpy(array if array.flags.writeable else array.copy()), device)


def send_padded(images: Sequence[Pixels], device: torch.device) -> Tensor:
    """Return images uint8 [H, W, 3] as one tensor [n, H, W, 3], each at the top left; anything may be beyond."""
    height, width = (max(image.shape[axis] for image in images) for axis in (0, 1))
    together = torch.empty((len(images), height, width, 3), dtype=torch.uint8, pin_memory=device.type == "cuda")
    for place, image in zip(together.numpy(), images, strict=True):
        place[: image.shape[0], : image.shape[1]] = image
    return _sent(together, device)


def _sent(tensor: Tensor, device: torch.device) -> Tensor:
    """Return a tensor of this machine's memory on the device.

    Only from pinned memory a GPU copies on its own. torch keeps that memory until the copy is made.
    """
    if device.type != "cuda" or not tensor.numel():
        return tensor.to(device)
    return (tensor if tensor.is_pinned() else tensor.pin_memory()).to(device, non_blocking=True)


class Ahead:
    """Makes what a step needs before it is asked for, on a stream of the device's own: copies run beside the step.

    `count`: how many are made ahead. None: one on a GPU, none on a CPU, which has nothing to do in the meantime; torch
    has streams for it that do nothing.
    """

    def __init__(self, device: torch.device, count: int | None = None) -> None:
        on_gpu = device.type == "cuda"
        self.device, self.count = device, int(on_gpu) if count is None else count
        self._torch: Any = torch.cuda if on_gpu else torch.cpu
        self._stream = self._torch.Stream(device) if on_gpu else self._torch.Stream()

    def __call__(self, make: Callable[[Given], Made], given: Iterable[Given]) -> Iterator[Made]:
        """Yield what is made of each, in order."""
        ahead: deque[tuple[Made, Any]] = deque()
        self._stream.wait_stream(self._current)
        for one in given:
            with self._torch.stream(self._stream):
                ahead.append((make(one), self._stream.record_event()))
            if len(ahead) > self.count:
                yield self._handed_over(*ahead.popleft())
        while ahead:
            yield self._handed_over(*ahead.popleft())

    @property
    def _current(self) -> Any:
        return self._torch.current_stream(self.device)

    def _handed_over(self, made: Made, ready: Any) -> Made:
        """Let the current stream wait until this is made, and keep its memory until that stream is through with it."""
        self._current.wait_event(ready)
        for tensor in tensors(made):
            if tensor.is_cuda:
                tensor.record_stream(self._current)
        return made


def tensors(value: Any) -> Iterator[Tensor]:
    """Yield the tensors in objects, mappings and sequences."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from tensors(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from tensors(one)
    elif hasattr(value, "__dataclass_fields__"):
        yield from tensors(vars(value))
