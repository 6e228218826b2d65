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
    Started | Step | Epoch | Evaluating | Diagnostic | Note | Stopped | Finished | Failed, Field(discriminator="type")
]
ADAPTER: TypeAdapter[AnyEvent] = TypeAdapter(AnyEvent)
