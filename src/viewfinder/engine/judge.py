"""Judging images: the same code gives the metrics of an epoch, a test and a prediction."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import torch
from torch import nn

from viewfinder.engine.examples import Example, Item, Load, in_batches
from viewfinder.engine.task import TaskEngine


@dataclass(frozen=True)
class Judgement:
    """The mean loss (NaN without targets), a row of predictions for each readable image, and the unreadable ones."""

    loss: float
    predictions: pl.DataFrame
    unreadable: list[Example]


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
    network.eval()
    names: list[str] = []
    outputs: list[Any] = []
    unreadable: list[Example] = []
    total = done = 0.0
    for examples in load(in_batches(items, task.judged_together), 1):
        unreadable += [example for example in examples if example.error]
        readable = [example for example in examples if not example.error]
        for group in _of_one_shape(readable):
            with torch.inference_mode(), torch.autocast(task.device.type, torch.bfloat16, enabled=precision == "bf16"):
                loss, found = task.judge(network, task.batch(group))
            names += [example.item.name for example in group]
            outputs += found
            total += loss * len(group)
        done += len(examples)
        progress(int(done), len(items))
    loss = total / len(names) if names else math.nan
    return Judgement(loss, task.table(names, outputs), unreadable)


def _of_one_shape(examples: Sequence[Example]) -> list[list[Example]]:
    """Return runs of neighbours of one shape: then nothing is padded, and no image depends on another."""
    groups: list[list[Example]] = []
    for example in examples:
        if groups and groups[-1][0].pixels.shape == example.pixels.shape:
            groups[-1].append(example)
        else:
            groups.append([example])
    return groups
