"""Runs side by side, and whether the difference is more than chance."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from viewfinder.rest.finite import finite
from viewfinder.rest.here import Here
from viewfinder.rest.problems import documented
from viewfinder.service import comparing
from viewfinder.service.library import runs

router = APIRouter(tags=["results"])


class ComparedRunAnswer(BaseModel):
    """A run beside others: what was trained, on what it was judged, its metrics, and its epochs."""

    id: str
    run: str = Field(description="Its name")
    status: str
    dataset: str
    fingerprint: str
    model: str
    substituted: str | None
    optimized: str
    monitored_split: str
    judged_on: str | None
    judged_images: int | None
    metrics: dict[str, float | None]
    epochs_done: int
    best_epoch: int | None
    seconds: float | None
    device: str | None
    epochs: list[dict[str, Any]]


class ComparedMetricAnswer(BaseModel):
    """A metric in each run; `best` are the numbers of the runs, from 0, in which it is best: none, of other images."""

    metric: str
    values: list[float | None]
    best: list[int]


class DifferenceAnswer(BaseModel):
    """How much a metric differs from that of the first run, with its 95 % interval, and what that says."""

    metric: str
    difference: float | None
    low: float | None
    high: float | None
    verdict: str
    sentence: str


class ChanceAnswer(BaseModel):
    """Whether a run (its number, from 0) differs from the first by more than chance; `reason`: why nobody can tell."""

    run: int
    images: int
    reason: str | None
    basis: str
    metrics: list[DifferenceAnswer]


class ComparedAnswer(BaseModel):
    """Runs side by side. `designs`: each setting that differs, with its value in each run."""

    task: str
    runs: list[ComparedRunAnswer]
    same_images: bool = Field(description="Whether the metrics of all runs are of the same images")
    designs: dict[str, list[Any]]
    metrics: list[ComparedMetricAnswer]
    chance: list[ChanceAnswer]
    warnings: list[str]


@router.get("/compare", responses=documented(404, 409, 422))
def compare_runs(
    library: Here,
    run: Annotated[
        list[Annotated[str, Field(max_length=64)]],
        Query(min_length=2, max_length=runs.MOST_COMPARED, description="The ids of the runs"),
    ],
) -> ComparedAnswer:
    """Put runs of one task side by side, and compare each with the first by a paired bootstrap."""
    rows = runs.to_compare(library, run)
    folders = [runs.folder(library, row) for row in rows]
    found = comparing.compare(folders, [row.name for row in rows])
    for row, one in zip(rows, found["runs"], strict=True):
        one["id"] = row.id
    return ComparedAnswer.model_validate(finite(found))
