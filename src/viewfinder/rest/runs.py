"""Runs: asked for, followed, stopped and resumed."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from viewfinder.errors import InputError, RunError
from viewfinder.rest.finite import finite
from viewfinder.rest.here import Here, Id
from viewfinder.rest.paging import Limit, Offset, Page, located, page, part
from viewfinder.rest.problems import JSON_BODY, documented
from viewfinder.rest.strict import StrictRoute
from viewfinder.run import Status
from viewfinder.service.library import names, runs, standing, trash
from viewfinder.service.library.library import Library
from viewfinder.service.progress import TrainingProgress
from viewfinder.store import Analysis, Run

router = APIRouter(tags=["runs"], route_class=StrictRoute)
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern="^[!-~]+$",
        description="A name for this request: sent again, it makes no second run",
    ),
]


class RunRequest(BaseModel):
    """The run to make."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"analysis": "0a1b2c3d"}]})
    analysis: str = Field(max_length=64, description="The id of its analysis")
    name: str = Field("", max_length=200, description="What to call it; empty: by its number")


class ResumeRequest(BaseModel):
    """How to go on."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"more": 10}]})
    more: int = Field(0, ge=0, le=100_000, description="Epochs more than it has done; 0: on to its own limit")


class ThresholdRequest(BaseModel):
    """From which confidence on a detector reports."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"threshold": 0.4}]})
    threshold: float = Field(ge=0, le=1)


class RunChange(BaseModel):
    """Another name, other notes; what is left out or null stays as it is."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"notes": "One more layer."}]})
    name: str | None = Field(None, min_length=1, max_length=200)
    notes: str | None = Field(None, max_length=10_000)


class BestAnswer(BaseModel):
    """The best value of the metric so far, and its epoch."""

    value: float | None
    epoch: int


class ProgressAnswer(BaseModel):
    """Where a training stands. `metric` is optimised on `split`; `value` is its last; null: not known yet."""

    metric: str
    split: str
    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float | None
    images_per_second: float | None
    value: float | None
    best: BestAnswer | None
    patience_left: int | None
    seconds_left: float | None
    device: str

    @classmethod
    def of(cls, now: TrainingProgress) -> "ProgressAnswer":
        """Return a progress as an answer."""
        same = {name: getattr(now, name) for name in cls.model_fields if name in vars(now)}
        best = {"value": now.best[0], "epoch": now.best[1]} if now.best else None
        other = {"metric": now.metric.name, "split": now.monitored_split, "seconds_left": now.seconds_left()}
        return cls.model_validate(finite({**same, **other, "best": best}))


class RunAnswer(BaseModel):
    """A run. Times are in seconds since 1970 (UTC); `substituted`: what is trained instead of what, and why."""

    id: str
    analysis: str
    name: str
    state: Status
    created: float
    started: float | None = None
    ended: float | None = None
    device: str | None = None
    epochs_done: int = 0
    best_epoch: int | None = None
    threshold: float | None = None
    substituted: str | None = None
    reason: str | None = None
    error: str | None
    notes: str

    @classmethod
    def of(cls, library: Library, row: Run) -> "RunAnswer":
        """Return a run as an answer; of one that lost its folder, what is left."""
        facts = {"id": row.id, "analysis": row.analysis_id, "name": row.name, "state": row.state, "error": row.error}
        facts["notes"] = row.notes
        try:
            info = runs.info(library, row)
        except RunError as error:
            return cls.model_validate({**facts, "created": row.created, "error": row.error or str(error)})
        told = {name: getattr(info, name) for name in cls.model_fields if hasattr(info, name)}
        state = row.state if row.state == "stopped" else info.status
        return cls.model_validate(finite({**told, **facts, "state": state, "error": info.error or row.error}))


class LiveAnswer(RunAnswer):
    """A run, and where its training stands; null: its folder is lost."""

    progress: ProgressAnswer | None = None
    reported: bool = Field(False, description="Whether there is a report")
    guessing: dict[str, str | float | None] | None = Field(None, description="What always saying the same would score")


@router.post("/runs", status_code=HTTPStatus.CREATED, responses=documented(404, 409, *JSON_BODY))
def create_run(library: Here, request: Request, response: Response, wanted: RunRequest, key: Key = None) -> RunAnswer:
    """Queue a training of an analysis's design as it is now."""
    row = runs.create(library, library.get(Analysis, wanted.analysis), wanted.name, key)
    response.headers.update(located(request, f"/runs/{row.id}"))
    return RunAnswer.of(library, row)


@router.get("/runs", responses=documented(404, 422))
def list_runs(
    library: Here,
    request: Request,
    analysis: Annotated[str | None, Query(max_length=64, description="Only runs of this analysis")] = None,
    state: Annotated[Status | None, Query(description="Only runs in this state")] = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> Page[RunAnswer]:
    """List the runs, the newest first."""
    of = library.get(Analysis, analysis) if analysis is not None else None
    rows = runs.runs(library, of, state)
    return page(request, [RunAnswer.of(library, row) for row in part(rows, offset, limit)], len(rows), offset)


@router.get("/runs/{identity}", responses=documented(404, 422))
def get_run(library: Here, identity: Id) -> LiveAnswer:
    """Return a run, and where its training stands."""
    row = library.get(Run, identity)
    answer = LiveAnswer.of(library, row)
    try:
        now = standing.now(library, identity)
    except InputError:
        return LiveAnswer.model_validate(answer.model_dump())
    progress = ProgressAnswer.of(now.watched.progress)
    more = {"progress": progress, "reported": now.reported, "guessing": finite(now.guessing)}
    return LiveAnswer.model_validate({**answer.model_dump(), **more})


@router.post("/runs/{identity}/stop", status_code=HTTPStatus.ACCEPTED, responses=documented(404, 409, 422))
def stop_run(library: Here, identity: Id) -> RunAnswer:
    """Ask a run to stop after its step; the best model is kept."""
    runs.stop(library, library.get(Run, identity))
    return RunAnswer.of(library, library.get(Run, identity))


@router.post("/runs/{identity}/resume", status_code=HTTPStatus.ACCEPTED, responses=documented(404, 409, *JSON_BODY))
def resume_run(library: Here, identity: Id, wanted: ResumeRequest) -> RunAnswer:
    """Queue a run that is over once more: to go on where it stopped, or for more epochs."""
    return RunAnswer.of(library, runs.resume(library, library.get(Run, identity), wanted.more))


@router.put("/runs/{identity}/threshold", responses=documented(404, 409, *JSON_BODY))
def use_threshold(library: Here, identity: Id, wanted: ThresholdRequest) -> RunAnswer:
    """Have a detector report objects from this confidence on."""
    row = library.get(Run, identity)
    runs.use_threshold(library, row, wanted.threshold)
    return RunAnswer.of(library, row)


@router.patch("/runs/{identity}", responses=documented(404, *JSON_BODY))
def change_run(library: Here, identity: Id, wanted: RunChange) -> RunAnswer:
    """Give a run another name or other notes."""
    row = library.get(Run, identity)
    if wanted.name is not None:
        names.rename(library, row, wanted.name)
    if wanted.notes is not None:
        names.write_notes(library, row, wanted.notes)
    return RunAnswer.of(library, library.get(Run, identity))


@router.delete("/runs/{identity}", status_code=HTTPStatus.NO_CONTENT, responses=documented(404, 409, 422))
def delete_run(library: Here, identity: Id) -> None:
    """Move a run to the trash, unless it is not over or a saved model came from it."""
    trash.discard(library, library.get(Run, identity))
