"""Where a training stands, from its events: for a terminal, a page, or anybody else who watches."""

from dataclasses import dataclass, field

from viewfinder.design import Design
from viewfinder.events import AnyEvent, Epoch, Evaluating, Started, Step
from viewfinder.run import RunFolder
from viewfinder.tasks import Metric
from viewfinder.tasks import get as task_of

LEAST_STEPS, LEAST_SECONDS = 3, 5.0  # one or the other is seen before a time is told


@dataclass
class TrainingProgress:
    """The state of a training after the events that were added.

    `metric` is the one that is optimised, on `monitored_split`; `best` holds its best value and that epoch.
    """

    metric: Metric
    epochs: int
    patience: int | None
    monitored_split: str = "test"
    epoch: int = 0
    steps: int = 0
    step: int = 0
    loss: float | None = None
    images: int = 0
    images_per_second: float | None = None
    judging: tuple[str, int, int] | None = None
    value: float | None = None
    best: tuple[float, int] | None = None
    patience_left: int | None = None
    device: str = ""
    epoch_seconds: list[float] = field(default_factory=list)
    _epoch_began: float = 0.0
    _first_step: Step | None = None
    _last_step: Step | None = None

    @classmethod
    def of(cls, design: Design) -> "TrainingProgress":
        """Return the state before the first event of a run of a resolved design."""
        stopping = design.training.early_stopping
        patience = stopping.patience if stopping.enabled else None
        metric = task_of(design.task).metrics[design.metrics.optimize]
        return cls(metric, int(design.training.epochs), patience, patience_left=patience)

    @classmethod
    def of_run(cls, run: RunFolder) -> "TrainingProgress":
        """Return the state after all events of a run so far."""
        progress = cls.of(run.design())
        for _, event in run.events():
            progress.add(event)
        return progress

    def add(self, event: AnyEvent) -> None:
        """Take account of an event."""
        match event:
            case Started():
                self.epoch, self.epochs, self.steps, self.images = event.epoch, event.epochs, event.steps, event.images
                self.monitored_split, self.device = event.monitored_split, event.device
                self.step, self.judging, self._epoch_began = 0, None, event.time
                self._first_step = self._last_step = None
            case Step():
                self.epoch, self.step, self.steps, self.loss = event.epoch, event.step, event.steps, event.loss
                self.images_per_second, self.judging = event.images_per_second, None
                self._first_step, self._last_step = self._first_step or event, event
            case Evaluating():
                self.judging = (event.split, event.done, event.images)
            case Epoch():
                self._finish_epoch(event)
            case _:
                pass

    def seconds_left(self) -> float | None:
        """Return the time until the last epoch is done, unless early stopping ends it sooner; None: not known.

        In the first epoch it follows from the steps after the first, which takes much longer than any other, as soon
        as a few of them are done; later from how long whole epochs took.
        """
        epoch = self._seconds_an_epoch()
        if epoch is None:
            return None
        done = self.step / self.steps if self.steps and self.step < self.steps else float(self.step > 0)
        finished = self.epoch - 1 + done if self.epoch else 0.0
        return max(0.0, (self.epochs - finished) * epoch)

    def _seconds_an_epoch(self) -> float | None:
        if self.epoch_seconds:
            recent = self.epoch_seconds[-3:]
            return sum(recent) / len(recent)
        if self._first_step is None or self._last_step is None:
            return None
        steps, seconds = (self._last_step.step - self._first_step.step, self._last_step.time - self._first_step.time)
        enough = steps >= LEAST_STEPS or (steps and seconds >= LEAST_SECONDS)
        return self.steps * seconds / steps if enough else None

    def _finish_epoch(self, event: Epoch) -> None:
        self.epoch, self.step, self.judging = event.epoch, self.steps, None
        self.value = event.metrics.get(self.metric.name)
        if event.best and self.value is not None:
            self.best = (self.value, event.epoch)
        self.patience_left = event.patience_left
        self.epoch_seconds.append(max(event.seconds, event.time - self._epoch_began))  # with the judging
        self._epoch_began = event.time
