"""Judging images: the same code gives the metrics of an epoch, a test and a prediction."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import nn

from viewfinder.engine import memory
from viewfinder.engine.examples import Example, Item, Load, in_batches
from viewfinder.engine.task import TaskEngine

FOLLOWED = 12


@dataclass(frozen=True)
class Judgement:
    """The mean loss (NaN without targets), a row of predictions for each readable image, and the unreadable ones."""

    loss: float
    predictions: pl.DataFrame
    unreadable: list[Example]


@dataclass(frozen=True)
class Found:
    """What a network finds in the images of a batch: names and outputs of the readable ones, and their summed loss."""

    names: list[str]
    outputs: list[Any]
    loss: float
    unreadable: list[Example]

    @property
    def images(self) -> int:
        """How many images these are, the unreadable ones too."""
        return len(self.names) + len(self.unreadable)


def judge(
    network: nn.Module,
    task: TaskEngine,
    items: Sequence[Item],
    load: Load,
    progress: Callable[[int, int], None] = lambda done, images: None,
    precision: str = "fp32",
) -> Judgement:
    """Judge images with a network in eval mode.

    `load` gives examples without augmentation; `progress` is told how many of how many are done.
    """
    return collected(task, in_turn(network, task, items, load, precision), len(items), progress)


def in_turn(
    network: nn.Module, task: TaskEngine, items: Sequence[Item], load: Load, precision: str = "fp32"
) -> Iterator[Found]:
    """Judge images as `judge` does; yield what is found a batch at a time, in order."""
    network.eval()
    for examples in load(in_batches(items, task.judged_together), 1):
        names: list[str] = []
        outputs: list[Any] = []
        total = 0.0
        for group in _of_one_shape([example for example in examples if not example.error]):
            loss, found = _judged(network, task, group, precision)
            names += [example.item.name for example in group]
            outputs += found
            total += loss * len(group)
        yield Found(names, outputs, total, [example for example in examples if example.error])


def collected(
    task: TaskEngine,
    batches: Iterable[Found],
    images: int,
    progress: Callable[[int, int], None] = lambda done, images: None,
) -> Judgement:
    """Return what was found in all batches as one; `progress` is told how many of the `images` are done."""
    names: list[str] = []
    outputs: list[Any] = []
    unreadable: list[Example] = []
    total, done = 0.0, 0
    for found in batches:
        names += found.names
        outputs += found.outputs
        unreadable += found.unreadable
        total += found.loss
        done += found.images
        progress(done, images)
    loss = total / len(names) if names else math.nan
    return Judgement(loss, task.table(names, outputs), unreadable)


def merged(parts: Sequence[Judgement], order: pl.Series) -> Judgement:
    """Return what several processes judged as one; `order` are the names of all images."""
    if len(parts) == 1:
        return parts[0]
    counts = [part.predictions.height for part in parts]
    losses = [part.loss * count for part, count in zip(parts, counts, strict=True) if count]
    together = pl.concat([part.predictions for part in parts if part.predictions.height] or [parts[0].predictions])
    predictions = order.rename("image").to_frame().join(together, on="image", maintain_order="left")
    unreadable = [example for part in parts for example in part.unreadable]
    return Judgement(sum(losses) / sum(counts) if losses else math.nan, predictions, unreadable)


def _judged(network: nn.Module, task: TaskEngine, group: list[Example], precision: str) -> tuple[float, list[Any]]:
    """Return the mean loss of examples and what the network says of each; of half of them, where memory lacks."""
    try:
        with torch.inference_mode(), torch.autocast(task.device.type, torch.bfloat16, enabled=precision == "bf16"):
            return task.judge(network, task.batch(group))
    except Exception as error:
        if len(group) == 1 or not memory.is_lack(error):
            raise
    memory.release()
    middle = len(group) // 2
    (loss, found), (other, more) = (
        _judged(network, task, half, precision) for half in (group[:middle], group[middle:])
    )
    return (loss * middle + other * (len(group) - middle)) / len(group), found + more


def _of_one_shape(examples: Sequence[Example]) -> list[list[Example]]:
    """Return runs of neighbours of one shape: then nothing is padded, and no image depends on another."""
    groups: list[list[Example]] = []
    for example in examples:
        if groups and groups[-1][0].pixels.shape == example.pixels.shape:
            groups[-1].append(example)
        else:
            groups.append([example])
    return groups


def followed(names: Sequence[str]) -> list[str]:
    """Return the images whose predictions are told after every epoch: always the same twelve, drawn at random."""
    order = np.random.default_rng(0).permutation(len(names))
    return [sorted(names)[number] for number in order[:FOLLOWED]]
