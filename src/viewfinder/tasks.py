"""One row a task: its metrics, its default models, and where its engine is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from viewfinder.errors import DesignError, unknown


@dataclass(frozen=True)
class Metric:
    """A number that a training can optimise.

    `title` is what reports print; `explanation` is one plain sentence; `higher_is_better` is false only for losses.
    """

    name: str
    title: str
    explanation: str
    higher_is_better: bool = True


@dataclass(frozen=True)
class Task:
    """What a model is asked: which metrics judge it, which models can answer, which code trains it.

    `default_model` is trained when nothing is chosen; `bundled_model` when that one's weights cannot be had.
    Fewer than `least_classes` cannot be told apart. `class_weights` says whether the loss can weigh classes,
    `frozen_apart` whether frozen layers can be computed apart from the others.
    `overrides` are the defaults of the design that differ for this task, nested as in a design file. `engine` is a
    dotted name, so that this table does not import torch.
    """

    name: str
    title: str
    default_model: str
    bundled_model: str
    metrics: Mapping[str, Metric]
    default_metric: str
    engine: str
    least_classes: int = 1
    class_weights: bool = False
    frozen_apart: bool = False
    overrides: Mapping[str, Any] = field(default_factory=dict)


def _metrics(*rows: Metric) -> Mapping[str, Metric]:
    return MappingProxyType({row.name: row for row in rows})


CLASSIFICATION = Task(
    name="classification",
    title="Image classification",
    default_model="efficientnet_b4",
    bundled_model="efficientnet_lite0",
    metrics=_metrics(
        Metric("roc_auc", "ROC AUC", "How well the model ranks images of a class above the others; 0.5 is guessing."),
        Metric("accuracy", "Accuracy", "The share of images whose class was predicted correctly."),
        Metric(
            "precision", "Precision", "Of the images predicted as a class, the share that are of it; mean of classes."
        ),
        Metric("recall", "Recall", "Of the images of a class, the share that were found; mean of classes."),
        Metric("f1", "F1", "The harmonic mean of precision and recall; mean of classes."),
        Metric("log_loss", "Log loss", "How far the probabilities are from the truth; 0 is perfect.", False),
        Metric(
            "average_precision",
            "Average precision",
            "The area under the precision-recall curve; mean of classes.",
        ),
    ),
    default_metric="roc_auc",
    engine="viewfinder.engine.classification:Classification",
    least_classes=2,
    class_weights=True,
    frozen_apart=True,
)

DETECTION = Task(
    name="detection",
    title="Object detection",
    default_model="fasterrcnn_resnet50_fpn",
    bundled_model="fasterrcnn_efficientnet_lite0_fpn",
    metrics=_metrics(
        Metric("f1", "F1", "The harmonic mean of precision and recall at IoU 0.5 and the threshold; mean of classes."),
        Metric("precision", "Precision", "Of the objects the model reports, the share that are real; mean of classes."),
        Metric("recall", "Recall", "Of the real objects, the share that the model reports; mean of classes."),
        Metric("map", "AP 0.50:0.95", "COCO average precision, mean over IoU 0.50 to 0.95 and classes."),
        Metric("map_50", "AP 0.50", "COCO average precision where a box counts from IoU 0.50; mean of classes."),
    ),
    default_metric="map",
    engine="viewfinder.engine.detection:Detection",
    overrides={
        "augmentation": {"affine": {"rotate": False}},
        "training": {"schedule": {"kind": "exponential", "gamma": 0.75}},
    },
)

TASKS: Mapping[str, Task] = MappingProxyType({task.name: task for task in (CLASSIFICATION, DETECTION)})


def get(name: str) -> Task:
    """Return the task of that name; raise DesignError with the choices for an unknown one."""
    if name not in TASKS:
        raise DesignError(unknown("task", name, TASKS))
    return TASKS[name]
