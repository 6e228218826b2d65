"""The catalogue as plain data."""

from typing import Any

from viewfinder import catalogue, tasks, weights
from viewfinder.catalogue import Model


def models() -> list[dict[str, Any]]:
    """Return every model that can be trained, with what a person needs to choose one."""
    return [_row(model) for model in catalogue.ROWS]


def _row(model: Model) -> dict[str, Any]:
    task = tasks.get(model.task)
    return {
        "name": model.name,
        "task": model.task,
        "default": model.name == task.default_model,
        "bundled": model.name == task.bundled_model,
        "input_size": model.input_size,
        "parameters": model.parameters,
        "mflops": model.mflops,
        "backbone_layers": [layer.name for layer in model.layers],
        "retrained_layers": model.retrained_layers,
        "batch_size": model.batch_size,
        "epochs": model.epochs,
        "learning_rates": dict(model.learning_rates),
        "weights": model.weights.file,
        "weights_mb": model.weights.size_mb,
        "trained_on": model.weights.trained_on,
        "licence": model.weights.licence,
    }


def weights_at_hand() -> dict[str, str]:
    """Return, for each model, in words whether the weights it starts from are on this machine; nothing is fetched."""
    return {name: _where(entry) for entry in weights.inventory() for name in entry.models}


def _where(entry: weights.Entry) -> str:
    if entry.path is None:
        return "are downloaded when needed"
    return "come with Viewfinder" if entry.weights.package else "are on this machine"
