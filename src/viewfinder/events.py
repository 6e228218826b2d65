"""What a trainer tells: one JSON object a line in a run folder's events.jsonl, a union on `type`."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter


class Event(BaseModel):
    """Something that happened; `time` is in seconds since 1970 (UTC).

    A loss without bounds is written as "Infinity" or "NaN": JSON has no numbers for them.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="strings")
    time: float


class Started(Event):
    """A trainer began, or went on, with this run. `parameters` counts those that are trained, and all."""

    type: Literal["started"] = "started"
    epoch: int
    epochs: int
    steps: int
    images: int
    monitored_split: str
    device: str
    parameters: tuple[int, int]


class Step(Event):
    """An optimizer step. `step` counts from 1 to `steps` in its epoch, the loss is the mean of the epoch so far."""

    type: Literal["step"] = "step"
    epoch: int
    step: int
    steps: int
    loss: float
    learning_rate: float
    images_per_second: float


class Epoch(Event):
    """An epoch is done. `metrics` are of the monitored split; `patience_left` is null when early stopping is off."""

    type: Literal["epoch"] = "epoch"
    epoch: int
    learning_rate: float
    train_loss: float
    loss: float
    metrics: dict[str, float | None]
    best: bool
    patience_left: int | None
    seconds: float
    images_per_second: float


class Evaluating(Event):
    """Images of a split are being judged, or predicted: `done` of `images`."""

    type: Literal["evaluating"] = "evaluating"
    split: str
    done: int
    images: int


class Diagnostic(Event):
    """Something in the data to look at: see `viewfinder.data.diagnostics`."""

    type: Literal["diagnostic"] = "diagnostic"
    severity: str
    kind: str
    file: str
    reason: str


class Note(Event):
    """A sentence for the person who reads: a substitution, a choice that was made."""

    type: Literal["note"] = "note"
    message: str


class Retry(Event):
    """A step did not fit into memory. Its images, and all later ones, are computed `images` at a time."""

    type: Literal["retry"] = "retry"
    epoch: int
    step: int
    images: int
    reason: str

    @property
    def message(self) -> str:
        """The same in words."""
        return (
            f"Step {self.step} of epoch {self.epoch} did not fit into memory. From there on {self.images} images are "
            "computed at a time, and their gradients added up: a step still learns from all of its images."
        )


class Skipped(Event):
    """A step whose loss was not finite was left out; `skipped` of this epoch so far, of at most `most`."""

    type: Literal["skipped"] = "skipped"
    epoch: int
    step: int
    loss: float
    learning_rate: float
    skipped: int
    most: int

    @property
    def message(self) -> str:
        """The same in words."""
        return (
            f"The loss of step {self.step} of epoch {self.epoch} was {self.loss}, at a learning rate of "
            f"{self.learning_rate:.3g}. The step was left out, as number {self.skipped} of at most {self.most} in an "
            "epoch."
        )


class Stopped(Event):
    """The trainer stopped before the end, and can be resumed."""

    type: Literal["stopped"] = "stopped"
    reason: str


class Finished(Event):
    """The run is complete."""

    type: Literal["finished"] = "finished"
    reason: str
    best_epoch: int
    metrics: dict[str, float | None]


class Failed(Event):
    """The run failed; what was finished is kept."""

    type: Literal["failed"] = "failed"
    error: str


AnyEvent = Annotated[
    Started | Step | Epoch | Evaluating | Diagnostic | Note | Retry | Skipped | Stopped | Finished | Failed,
    Field(discriminator="type"),
]
ADAPTER: TypeAdapter[AnyEvent] = TypeAdapter(AnyEvent)
