"""What a design will do, before it is trained: how much it learns on how many images, and how long that takes here."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass

from viewfinder import catalogue, schedule
from viewfinder.data import split
from viewfinder.data.dataset import Dataset as Index
from viewfinder.design import Design, PlateauSchedule, require_classes, resolve
from viewfinder.service.devices import missing
from viewfinder.service.estimate import Estimate, estimate
from viewfinder.service.library import datasets
from viewfinder.service.library.calibration import uncorrected
from viewfinder.service.library.library import Library, write
from viewfinder.store import Dataset
from viewfinder.words import plural

Speed = Callable[[str], float]
SPLITS = ("train", "validation", "test")
MOST_EPOCHS, MOST_POINTS = 10_000, 450  # in the plot of the learning rate
SHORT_S = 100  # below, a time is told in seconds
SMALL = 200  # training images for each retrained layer, under which more layers than usual are likely too many


@dataclass(frozen=True)
class Parts:
    """What a split makes of a dataset: images in each split, and of each class in each split, images or objects."""

    images: dict[str, int]
    classes: dict[str, dict[str, int]]


@dataclass(frozen=True)
class Outlook:
    """`design` is resolved; `counts` are images per split; `trained_share` is of the model's parameters."""

    design: Design
    counts: dict[str, int]
    estimate: Estimate
    trained_share: float

    @property
    def sentence(self) -> str:
        """Return the whole in a sentence."""
        training = self.design.training
        layers = len(catalogue.get(training.model).layers)
        what = f"Retrains {training.retrained_layers} of {layers} layers of {training.model}"
        return f"{what} on {plural(self.counts['train'], 'image')}, {self.time}."

    @property
    def time(self) -> str:
        """Return the expected time in words."""
        seconds = self.estimate.seconds
        if seconds is None:
            return "how long that takes shows in the first epoch"
        if seconds[1] < SHORT_S:
            return f"{max(1, round(seconds[0]))} to {max(2, round(seconds[1]))} s here"
        least, most = (max(1, round(value / 60)) for value in seconds)
        return f"{least} to {most} min here" if most > least else f"about {plural(most, 'minute')} here"

    @property
    def device_warning(self) -> str | None:
        """Return a warning where this machine has not the device that the design names; None otherwise."""
        return missing(self.design.runtime.devices)

    @property
    def warning(self) -> str | None:
        """Return a warning where the training images are few for what is retrained; None otherwise."""
        training = self.design.training
        row, retrained = catalogue.get(training.model), int(training.retrained_layers)
        if training.weights == "none" or retrained <= row.retrained_layers or self.counts["train"] >= SMALL * retrained:
            return None
        return (
            f"{plural(self.counts['train'], 'training image')} are few for {retrained} retrained layers: the model may "
            f"learn them by heart. {row.retrained_layers} layers are usual for {row.name}."
        )


def outlook(parts: Parts, design: Design, speed: Speed = uncorrected) -> Outlook:
    """Return what a design will do with a dataset of these parts; `speed` tells that of this machine for a model."""
    resolved = resolve(design)
    judged = parts.images["validation"] or parts.images["test"]
    expected = estimate(resolved, parts.images["train"], judged, speed=lambda: speed(resolved.training.model))
    return Outlook(resolved, parts.images, expected, _trained_share(resolved, len(parts.classes)))


def parts(index: Index, design: Design) -> Parts:
    """Return what a design's classes and split make of a dataset; raise InputError when it cannot be split so."""
    wanted, classes = design.split, design.target.classes
    index = index.select(require_classes(design, index.classes)) if classes else index
    split_of = split.assign(
        index, test_ratio=wanted.test_ratio, validation_ratio=wanted.validation_ratio, stratify=wanted.stratify,
        seed=wanted.seed,
    )["split"]  # fmt: skip
    counts = {name: dict.fromkeys(SPLITS, 0) for name in index.classes}
    for name, shown in zip(split_of, index.shown(), strict=True):
        for one in shown:
            counts[one][name] += 1
    images = Counter(split_of)
    return Parts({name: images[name] for name in SPLITS}, counts)


def parts_of(library: Library, dataset: Dataset, index: Index, design: Design) -> Parts:
    """Return `parts` of a kept dataset, of which `index` are the images; made once, then kept.

    A dataset never changes, and dividing a hundred thousand images takes a second. What a table groups is read anew.
    """
    if design.split.group_column:
        return parts(datasets.grouped(dataset, index, design.split.group_column), design)
    key = hashlib.sha256(f"{design.split.model_dump_json()} {design.target.model_dump_json()}".encode()).hexdigest()
    kept = library.home / "datasets" / dataset.id / "parts" / f"{key[:16]}.json"
    try:
        return Parts(**json.loads(kept.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        found = parts(index, design)
        write(kept, json.dumps(asdict(found)).encode())
        return found


def seconds_per_epoch(
    parts: Parts, design: Design, model: str, speed: Speed = uncorrected
) -> tuple[float, float] | None:
    """Return the (least, most) seconds that an epoch of another model would take; None where it cannot be known."""
    training = design.training.model_copy(update={"model": model, "input_size": "auto", "retrained_layers": "auto"})
    other = design.model_copy(update={"training": training})
    return outlook(parts, other, speed).estimate.seconds_per_epoch


def _trained_share(design: Design, classes: int) -> float:
    row, retrained = catalogue.get(design.training.model), int(design.training.retrained_layers)
    frozen = sum(layer.parameters for layer in row.layers[: len(row.layers) - retrained])
    return 1 - frozen / row.parameters_for(classes)


def rates(design: Design, steps: int = 20) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """Return the learning rate over the epochs as (epoch, rate), and an example drop where it waits for the metric.

    Of a resolved design, and of its first 10,000 epochs at most. On a plateau schedule the rate falls only if the
    metric stalls, so the drop is an example.
    """
    training = design.training
    epochs, base = min(int(training.epochs), MOST_EPOCHS), float(training.learning_rate)

    stride = -(-epochs // MOST_POINTS)

    def rate(epoch: int, step: int, history: list[float]) -> float:
        return schedule.learning_rate(base, training.schedule, training.warmup, step, steps, history, True)

    rising = [float(epoch) for epoch in range(epochs)]
    first = [((step + 1) / steps, rate(0, step, [])) for step in range(steps)]
    later = [(float(epoch + 1), rate(epoch, 0, rising[:epoch])) for epoch in range(1, epochs, stride)]
    if not isinstance(training.schedule, PlateauSchedule) or epochs < 3:
        return first + later, []
    stalled = [1.0] * epochs
    example = [(float(epoch + 1), rate(epoch, 0, stalled[:epoch])) for epoch in range(1, epochs, stride)]
    return first + later, example
