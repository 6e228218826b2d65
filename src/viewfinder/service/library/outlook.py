"""What a design will do, before it is trained: how much it learns on how many images, and how long that takes here."""

from dataclasses import dataclass
from functools import cache

from viewfinder import catalogue, schedule
from viewfinder.data import split
from viewfinder.data.dataset import Dataset as Index
from viewfinder.design import Design, PlateauSchedule, resolve
from viewfinder.service.estimate import Estimate, estimate, measured_speed
from viewfinder.words import plural


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
        least, most = (max(1, round(value / 60)) for value in seconds)
        return f"{least} to {most} min here" if most > least else f"about {plural(most, 'minute')} here"


def outlook(index: Index, design: Design) -> Outlook:
    """Return what a design will do with a dataset; raise InputError when it cannot be split so."""
    resolved, wanted = resolve(design), design.split
    images = split.assign(
        index, test_ratio=wanted.test_ratio, validation_ratio=wanted.validation_ratio, stratify=wanted.stratify,
        seed=wanted.seed,
    )  # fmt: skip
    counts = {name: int((images["split"] == name).sum()) for name in ("train", "validation", "test")}
    judged = counts["validation"] or counts["test"]
    expected = estimate(resolved, counts["train"], judged, speed=_speed)
    classes = len(design.target.classes or index.classes)
    return Outlook(resolved, counts, expected, _trained_share(resolved, classes))


@cache
def _speed() -> float:
    return measured_speed()


def _trained_share(design: Design, classes: int) -> float:
    row, retrained = catalogue.get(design.training.model), int(design.training.retrained_layers)
    frozen = sum(layer.parameters for layer in row.layers[: len(row.layers) - retrained])
    return 1 - frozen / row.parameters_for(classes)


def rates(design: Design, steps: int = 20) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """Return the learning rate over the epochs as (epoch, rate), and an example drop where it waits for the metric.

    Of a resolved design. On a plateau schedule the rate falls only if the metric stalls, so the drop is an example.
    """
    training = design.training
    epochs, base = int(training.epochs), float(training.learning_rate)

    def rate(epoch: int, step: int, history: list[float]) -> float:
        return schedule.learning_rate(base, training.schedule, training.warmup, step, steps, history, True)

    rising = [float(epoch) for epoch in range(epochs)]
    first = [((step + 1) / steps, rate(0, step, [])) for step in range(steps)]
    later = [(float(epoch + 1), rate(epoch, 0, rising[:epoch])) for epoch in range(1, epochs)]
    if not isinstance(training.schedule, PlateauSchedule) or epochs < 3:
        return first + later, []
    stalled = [1.0] * epochs
    example = [(float(epoch + 1), rate(epoch, 0, stalled[:epoch])) for epoch in range(1, epochs)]
    return first + later, example
