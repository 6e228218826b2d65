"""What run.json and model.json say."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

Status = Literal["queued", "running", "finished", "stopped", "failed"]


class DatasetInfo(BaseModel):
    """Which data a run was trained on. `root` is the folder its image paths are relative to; `counts` are per split."""

    model_config = ConfigDict(frozen=True)
    name: str
    source: str
    root: str
    format: str
    classes: tuple[str, ...]
    fingerprint: str
    images: int
    counts: dict[str, int]
    monitored_split: str


class Choices(BaseModel):
    """What a run computes with: chosen by measuring its first machine, and kept for as long as the run goes on.

    `threads` compute what learns, `streams` the graphs of what does not; `measured`: milliseconds of each way compared.
    """

    model_config = ConfigDict(frozen=True)
    engine: str
    precision: str
    threads: int
    streams: int
    measured: dict[str, dict[str, float]] = {}


class RunInfo(BaseModel):
    """run.json. Times are in seconds since 1970 (UTC).

    `weights` is the file the training started from ("" for none), `weights_origin` says in words where it was found;
    `substituted` what was trained instead of what, and why; `reason` why the run ended. `threshold` is the confidence
    from which a detector's model reports boxes, `optimum` the one that the training found to be the best. `near_copies`
    is how many test images are nearly the same as a training image; None: nobody looked yet.
    """

    model_config = ConfigDict(frozen=True)
    status: Status = "queued"
    created: float
    started: float | None = None
    ended: float | None = None
    seconds: float = 0.0
    versions: dict[str, str] = {}
    device: str | None = None
    device_name: str | None = None
    choices: Choices | None = None
    seed: int
    dataset: DatasetInfo
    weights: str = ""
    weights_origin: str = ""
    substituted: str | None = None
    reason: str | None = None
    error: str | None = None
    epochs_done: int = 0
    best_epoch: int | None = None
    threshold: float | None = None
    optimum: float | None = None
    near_copies: int | None = None


class ModelInfo(BaseModel):
    """model.json: what is needed to use model.safetensors, and where it comes from.

    `batch_norm`: "frozen" statistics of pretrained weights, or "live". `threshold`: least confidence of a detection,
    None for other tasks. `mean` and `std` are of values in 0 … 1. `precision` and `engine` are those that it was judged
    with; where a machine has them, it predicts with them too. `provenance`: run, design, data, versions.
    """

    model_config = ConfigDict(frozen=True)
    format: int = 1
    model: str
    task: str
    classes: tuple[str, ...]
    input_size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    batch_norm: Literal["frozen", "live"]
    threshold: float | None = None
    precision: Literal["fp32", "bf16"] = "fp32"
    engine: Literal["torch", "openvino"] = "torch"
    epoch: int
    provenance: dict[str, Any] = {}
