"""The design: the complete, validated description of a training.

One frozen Pydantic tree. Each setting is declared once, with its bounds and its help; flags, forms, schema and docs
derive from it. `auto` is a value like any other until `resolve` replaces it.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from viewfinder import catalogue, tasks
from viewfinder.errors import DesignError, unknown

Auto = Literal["auto"]
DEVICES = "auto, cpu, cpu:2 (two processes), cuda:0, several as [cuda:0, cuda:1], mps, xpu"
Optimizer = Literal["adam", "sgd", "rmsprop", "adamax", "adagrad", "adadelta", "adamw"]
VIEWS = 4  # of each image, where what the frozen layers make of them is kept


class Section(BaseModel):
    """A part of a design: frozen, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _fill_in_empty_sections(cls, data: Any) -> Any:
        """Let `augmentation:` with nothing below it, as YAML reads a section of comments, be the default section."""
        if not isinstance(data, Mapping):
            return data
        sections = {name for name, field in cls.model_fields.items() if field.default_factory}
        return {name: value for name, value in data.items() if value is not None or name not in sections}

    @model_validator(mode="before")
    @classmethod
    def _take_true_and_false_for_words(cls, data: Any) -> Any:
        """Refuse `epochs: true`, which pydantic would count as 1."""
        if not isinstance(data, Mapping):
            return data
        switches = {name for name, field in cls.model_fields.items() if field.annotation is bool}
        return {
            name: str(value).lower() if isinstance(value, bool) and name not in switches else value
            for name, value in data.items()
        }


class Target(Section):
    """What is to be learned."""

    classes: tuple[str, ...] | None = Field(None, description="Classes to learn, as strings; null: all that are found")

    @field_validator("classes")
    @classmethod
    def _name_several(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if value is not None and (not value or len(set(value)) < len(value)):
            raise ValueError("name each class once, and at least one; null learns all that are found")
        return value


class Split(Section):
    """Which images train the model and which judge it."""

    test_ratio: float = Field(0.2, gt=0, lt=1, description="Share of all images kept for the test split")
    validation_ratio: float = Field(
        0.0, ge=0, lt=1, description="Share of all images kept for validation; 0: the test split is monitored"
    )
    stratify: bool = Field(True, description="Give each split the same share of every class")
    group_column: str | None = Field(
        None, description="Table column whose equal values stay in one split, such as a patient; null: none"
    )
    seed: int = Field(0, ge=0, lt=2**32, description="Another number draws another split")

    @model_validator(mode="after")
    def _leave_images_to_train(self) -> Self:
        if self.test_ratio + self.validation_ratio >= 1:
            raise ValueError("test_ratio and validation_ratio together must stay below 1, or nothing is left to train")
        return self


class Metrics(Section):
    """How the model is judged."""

    optimize: str = Field(description="Metric for early stopping, the plateau schedule and the best epoch")


class Color(Section):
    """Brightness, contrast and hue."""

    enabled: bool = Field(True, description="Draw this category at all")
    probability: float = Field(0.5, ge=0, le=1, description="Chance that an image gets it in an epoch")
    brightness: float = Field(0.2, ge=0, le=1, description="Largest change; 0.2 is 80 % to 120 %")
    contrast: float = Field(0.2, ge=0, le=1, description="Largest change; 0.2 is 80 % to 120 %")
    hue: float = Field(0.05, ge=0, le=0.5, description="Largest shift around the colour circle; 0.5 is half a turn")


class Affine(Section):
    """Flips and rotation."""

    enabled: bool = Field(True, description="Draw this category at all")
    probability: float = Field(0.5, ge=0, le=1, description="Chance that an image gets it in an epoch")
    horizontal_flip: bool = Field(True, description="Mirror left and right, every other time")
    vertical_flip: bool = Field(False, description="Mirror top and bottom, every other time")
    rotate: bool = Field(True, description="Turn by a random angle")
    max_rotation: float = Field(15.0, ge=0, le=180, description="Largest angle in degrees, either way")


class Crop(Section):
    """A random part of the image, enlarged to the whole."""

    enabled: bool = Field(True, description="Draw this category at all")
    probability: float = Field(0.5, ge=0, le=1, description="Chance that an image gets it in an epoch")
    min_kept_ratio: float = Field(0.75, gt=0, le=1, description="Smallest share of the area that is kept")


class Augmentation(Section):
    """Random changes of the training images; each category is drawn per image, per epoch, on its own."""

    color: Color = Field(default_factory=Color, description="Brightness, contrast and hue")
    affine: Affine = Field(default_factory=Affine, description="Flips and rotation")
    crop: Crop = Field(default_factory=Crop, description="A random part of the image, enlarged to the whole")

    @property
    def is_on(self) -> bool:
        """Whether images are changed at all."""
        return any(category.enabled and category.probability > 0 for category in (self.color, self.affine, self.crop))


class PlateauSchedule(Section):
    """Lower the rate when the metric stalls."""

    kind: Literal["plateau"] = Field("plateau", description="plateau | step | exponential | none")
    factor: float = Field(0.1, gt=0, lt=1, description="The rate is multiplied by this")
    patience: int = Field(2, ge=0, description="after more than this many epochs without a better metric")


class StepSchedule(Section):
    """Lower the rate every few epochs."""

    kind: Literal["step"] = Field(description="plateau | step | exponential | none")
    step_size: int = Field(10, ge=1, description="Every this many epochs")
    gamma: float = Field(0.1, gt=0, le=1, description="the rate is multiplied by this")


class ExponentialSchedule(Section):
    """Lower the rate after every epoch."""

    kind: Literal["exponential"] = Field(description="plateau | step | exponential | none")
    gamma: float = Field(0.95, gt=0, le=1, description="The rate is multiplied by this after every epoch")


class NoSchedule(Section):
    """Keep the rate."""

    kind: Literal["none"] = Field(description="plateau | step | exponential | none")


Schedule = Annotated[PlateauSchedule | StepSchedule | ExponentialSchedule | NoSchedule, Field(discriminator="kind")]


class EarlyStopping(Section):
    """When to conclude a training before its last epoch."""

    enabled: bool = Field(True, description="Stop when the metric no longer improves")
    min_delta: Auto | Annotated[float, Field(ge=0)] = Field(
        "auto", description="Smallest change that is an improvement"
    )
    patience: int = Field(5, ge=1, description="Epochs in a row without one before training stops")


class Training(Section):
    """Model and training parameters."""

    model: str = Field(description="Name in the catalogue: see `viewfinder models`")
    weights: str = Field("pretrained", description="pretrained | none (start from random) | path of a weight file")
    input_size: Auto | Annotated[int, Field(ge=32, le=2048)] = Field(
        "auto", description="Pixels: side of the square (classification) or short side (detection)"
    )
    retrained_layers: Auto | Annotated[int, Field(ge=0)] = Field(
        "auto", description="The last N backbone layers learn with the head; the others stay frozen; 0: head only"
    )
    optimizer: Optimizer = Field("adam", description="adam | sgd | rmsprop | adamax | adagrad | adadelta | adamw")
    learning_rate: Auto | Annotated[float, Field(gt=0)] = Field("auto", description="Rate after the warm-up")
    weight_decay: Auto | Annotated[float, Field(ge=0)] = Field("auto", description="Pull of the weights towards zero")
    gradient_clip: Auto | Literal["none"] | Annotated[float, Field(gt=0)] = Field(
        "auto", description="Largest norm of the gradient in a step; none: no limit"
    )
    class_weights: Literal["none", "balanced"] = Field(
        "none", description="none | balanced: rare classes count more in the loss (classification)"
    )
    schedule: Schedule = Field(
        default_factory=lambda: PlateauSchedule(), description="How the learning rate changes at the end of an epoch"
    )
    warmup: bool = Field(True, description="Raise the rate from near zero during the first epoch")
    epochs: Auto | Annotated[int, Field(ge=1, le=100_000)] = Field(
        "auto", description="Upper limit of passes over the images"
    )
    early_stopping: EarlyStopping = Field(
        default_factory=EarlyStopping, description="When to conclude a training before its last epoch"
    )
    batch_size: Auto | Annotated[int, Field(ge=1, le=65536)] = Field("auto", description="Images per step and device")

    @model_validator(mode="before")
    @classmethod
    def _plateau_unless_said(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and isinstance(data.get("schedule"), Mapping) and "kind" not in data["schedule"]:
            return {**data, "schedule": {"kind": "plateau", **data["schedule"]}}
        return data


class Runtime(Section):
    """Where and how it is computed."""

    devices: str = Field(
        "auto",
        description="auto | cpu | cpu:2 (two processes) | cuda:0 | [cuda:0, cuda:1] | mps | xpu; batch_size is of "
        "each. Several GPUs, mps and xpu are not tested",
    )
    strict: bool = Field(
        False, description="Refuse to train when this machine does not have the device; else the CPU is used, and told"
    )
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto", description="auto | fp32 | bf16 | fp16 (GPU only). Of training; classifiers are always judged in fp32"
    )
    engine: Literal["auto", "openvino", "torch"] = Field(
        "auto",
        description="auto | openvino | torch: what computes frozen layers, and judges images with a detector; "
        "auto suits nearly always. openvino is faster on a CPU; torch computes all in every epoch",
    )
    views: Auto | Annotated[int, Field(ge=0)] = Field(
        "auto",
        description="Augmented views of each image, drawn once and used in turn; 0: a fresh view in every epoch. "
        "auto: 4 for classifiers with frozen layers on a CPU: epochs after the fourth are faster, the more layers "
        "are frozen; else 0",
    )
    workers: Auto | Annotated[int, Field(ge=0)] = Field(
        "auto", description="Processes that load images; 0: the trainer itself. Never changes results"
    )
    seed: int = Field(0, ge=0, lt=2**32, description="Another number draws other heads, orders and augmentations")

    @field_validator("devices", mode="before")
    @classmethod
    def _known_devices(cls, value: Any) -> Any:
        """Take a list of devices as names with commas between them."""
        names = [str(name) for name in value] if isinstance(value, list | tuple) else str(value).split(",")
        names = [name.strip() for name in names]
        known = r"cuda(:\d+)?" if len(names) > 1 else r"auto|cpu(:[1-9]\d?)?|(cuda|xpu)(:\d+)?|mps"
        for name in names or [""]:
            if not re.fullmatch(known, name):
                several = " Several are possible of GPUs only." if len(names) > 1 else ""
                raise ValueError(f"'{name}' is not a device.{several} Choose: {DEVICES}")
        if len(set(names)) < len(names):
            raise ValueError(f"'{','.join(names)}' names a device twice. Each process has one of its own")
        return ",".join(names)

    @property
    def processes(self) -> int:
        """How many processes train together, each on a device of its own."""
        kind, _, number = self.devices.partition(":")
        return int(number) if kind == "cpu" and number else len(self.devices.split(","))

    @model_validator(mode="after")
    def _fit_the_device(self) -> Self:
        if self.precision == "fp16" and not self.devices.startswith(("auto", "cuda")):
            raise ValueError(
                f"precision 'fp16' is for NVIDIA GPUs, not for '{self.devices}'. Choose auto, fp32 or bf16."
            )
        return self


class Design(Section):
    """The whole of it. Its sections are the tabs of the Design page.

    Raises `pydantic.ValidationError`, a ValueError; `viewfinder.design_file.parse` turns it into a DesignError.
    """

    task: Literal["classification", "detection"] = Field("classification", description="classification | detection")
    target: Target = Field(default_factory=Target, description="What is to be learned")
    split: Split = Field(default_factory=Split, description="Which images train the model and which judge it")
    metrics: Metrics = Field(description="How the model is judged")
    augmentation: Augmentation = Field(default_factory=Augmentation, description="Random changes of training images")
    training: Training = Field(description="Model and training parameters")
    runtime: Runtime = Field(default_factory=Runtime, description="Where and how it is computed")

    @model_validator(mode="before")
    @classmethod
    def _fill_in_task_defaults(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        task = tasks.get(str(data.get("task", "classification")))
        defaults = {"metrics": {"optimize": task.default_metric}, "training": {"model": task.default_model}}
        return merge(merge(defaults, task.overrides), data)

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        task = tasks.get(self.task)
        if self.metrics.optimize not in task.metrics:
            raise ValueError("metrics.optimize: " + unknown("metric", self.metrics.optimize, task.metrics))
        row = catalogue.get(self.training.model)
        if row.task != self.task:
            names = ", ".join(r.name for r in catalogue.of_task(self.task))
            raise ValueError(f"training.model: '{row.name}' does {row.task}, not {self.task}. Choose one of: {names}.")
        self._check_retrained_layers(row)
        if self.training.class_weights == "balanced" and not task.class_weights:
            raise ValueError(f"training.class_weights: 'balanced' is not available for {self.task}. Choose 'none'.")
        return self

    def _check_retrained_layers(self, row: catalogue.Model) -> None:
        count, depth = self.training.retrained_layers, len(row.layers)
        if count == "auto":
            return
        if count > depth:
            raise ValueError(
                f"training.retrained_layers: {count} is more than the {depth} backbone layers of {row.name}. "
                f"Choose 0 (head only) to {depth} (all)."
            )
        if self.training.weights == "none" and count < depth:
            raise ValueError(
                f"training.retrained_layers: {count} freezes layers that hold random numbers, because training.weights "
                f"is 'none'. Leave it at auto (all {depth} layers), or start from pretrained weights."
            )

    @property
    def monitored_split(self) -> str:
        """The split on which stopping, schedule and best epoch are decided, when the source brings none of its own."""
        return "validation" if self.split.validation_ratio > 0 else "test"


def merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return `below` with the values of `above` laid over it, key by key; another schedule kind replaces its keys."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        if isinstance(value, Mapping) and isinstance(old, Mapping) and _same_kind(old, value):
            merged[key] = merge(old, value)
        elif value is not None or not isinstance(old, Mapping):  # an empty section changes nothing
            merged[key] = value
    return merged


def _same_kind(below: Mapping[str, Any], above: Mapping[str, Any]) -> bool:
    kind = below.get("kind", "plateau")  # a schedule that names none is one
    return bool(above.get("kind", kind) == kind)


def views(design: Design) -> int:
    """Return how many views of each training image are drawn, once for all epochs; 0: a fresh one in every epoch."""
    if not design.augmentation.is_on:
        return 1
    return (VIEWS if _keeps_features(design) else 0) if design.runtime.views == "auto" else design.runtime.views


def _keeps_features(design: Design) -> bool:
    """Return whether a training keeps what frozen layers make of images, as far as its design tells."""
    runtime, training, row = design.runtime, design.training, catalogue.get(design.training.model)
    retrained = row.retrained_layers if training.retrained_layers == "auto" else training.retrained_layers
    apart = tasks.get(design.task).frozen_apart and retrained < len(row.layers) and training.weights != "none"
    return apart and runtime.engine != "torch" and runtime.devices.startswith(("auto", "cpu"))


def resolve(design: Design) -> Design:
    """Return the design with every `auto` of its training section replaced from the catalogue row and the optimizer.

    `runtime` is resolved where the training runs, because only that machine knows its devices.
    """
    row, training = catalogue.get(design.training.model), design.training
    from_scratch = training.weights == "none"
    defaults: dict[str, Any] = {
        "input_size": row.input_size,
        "retrained_layers": len(row.layers) if from_scratch else row.retrained_layers,
        "learning_rate": row.learning_rates[training.optimizer],
        "weight_decay": 0.01 if training.optimizer == "adamw" else 0.0,
        "gradient_clip": row.gradient_clip or "none",
        "epochs": row.epochs,
        "batch_size": row.batch_size,
    }
    chosen = {name: getattr(training, name) for name in defaults}
    values = {name: defaults[name] if value == "auto" else value for name, value in chosen.items()}
    stopping = training.early_stopping
    if stopping.min_delta == "auto":
        stopping = stopping.model_copy(update={"min_delta": row.min_delta})
    resolved = training.model_copy(update={**values, "early_stopping": stopping})
    return design.model_copy(update={"training": resolved})


def require_classes(design: Design, found: tuple[str, ...]) -> tuple[str, ...]:
    """Return the classes to learn, in the order of `found`; raise DesignError for one not found, or too few."""
    wanted = design.target.classes
    if wanted is None:
        return found
    for name in wanted:
        if name not in found:
            raise DesignError("target.classes: " + unknown("class", name, found))
    kept = tuple(name for name in found if name in wanted)
    if len(kept) < tasks.get(design.task).least_classes:
        raise DesignError(
            f"target.classes: '{kept[0]}' alone: classification needs two classes or more. "
            f"Choose from: {', '.join(found)}."
        )
    return kept
