"""What can be chosen: models, their weights, tasks with their metrics, and the design's schema."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel

from viewfinder import tasks
from viewfinder.design import Design
from viewfinder.rest.here import Here
from viewfinder.rest.problems import documented
from viewfinder.rest.raw import RAW
from viewfinder.service.library import weight_files
from viewfinder.service.models import models
from viewfinder.service.weights import weights

router = APIRouter(tags=["catalogue"])


class ModelAnswer(BaseModel):
    """A model that can be trained. `bundled`: its weights come with the installation; `mflops`: 10⁶ multiply-adds."""

    name: str
    task: str
    default: bool
    bundled: bool
    input_size: int
    parameters: int
    mflops: int
    backbone_layers: list[str]
    retrained_layers: int
    batch_size: int
    epochs: int
    learning_rates: dict[str, float]
    weights: str
    weights_mb: float
    trained_on: str
    licence: str


class WeightsAnswer(BaseModel):
    """A weight file: of which models, and where it is on the server (null: it is not), or why it cannot be used."""

    file: str
    sha256: str
    trained_on: str
    licence: str
    size_mb: float
    url: str | None
    models: list[str]
    path: str | None
    origin: str | None
    problem: str | None


class MetricAnswer(BaseModel):
    """A number that a training can optimise."""

    name: str
    title: str
    explanation: str
    higher_is_better: bool


class TaskAnswer(BaseModel):
    """What a model can be asked, and how it is judged."""

    name: str
    title: str
    default_model: str
    default_metric: str
    metrics: list[MetricAnswer]


@router.get("/models")
def list_models() -> list[ModelAnswer]:
    """List the models that can be trained."""
    return [ModelAnswer.model_validate(row) for row in models()]


@router.get("/weights")
def list_weights() -> list[WeightsAnswer]:
    """List the pretrained weight files, and where each is."""
    return [WeightsAnswer.model_validate(row) for row in weights()]


@router.put("/weights/{name}", responses=documented(422), openapi_extra=RAW)
async def receive_weights(
    library: Here, name: Annotated[str, Path(max_length=200, description="Its name")], request: Request
) -> WeightsAnswer:
    """Send a weight file's bytes, as they are; only the published ones are kept."""
    return WeightsAnswer.model_validate(await weight_files.receive(library, name, request.stream()))


@router.get("/tasks")
def list_tasks() -> list[TaskAnswer]:
    """List the tasks with their metrics."""
    return [_task(task) for task in tasks.TASKS.values()]


@router.get("/design-schema")
def get_design_schema() -> dict[str, Any]:
    """Return the JSON Schema of a design: every setting with its bounds and its help."""
    return Design.model_json_schema()


def _task(task: tasks.Task) -> TaskAnswer:
    metrics = [MetricAnswer(**vars(metric)) for metric in task.metrics.values()]
    same = {name: getattr(task, name) for name in TaskAnswer.model_fields}
    return TaskAnswer(**{**same, "metrics": metrics})
