"""What if: a model is tried on an image; what it says comes at once."""

import asyncio
from pathlib import Path as Folder
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from viewfinder.rest.boxes import FoundAnswer
from viewfinder.rest.finite import finite
from viewfinder.rest.here import Here, Id
from viewfinder.rest.problems import documented
from viewfinder.rest.raw import RAW, whole
from viewfinder.run import read_model_info
from viewfinder.service.library import runs, saved, trials
from viewfinder.service.library.library import Library
from viewfinder.service.library.trials import Samples, Trial
from viewfinder.store import Run, SavedModel

router = APIRouter(tags=["trying"])
PROBLEMS = documented(404, 409, 422, 503)
Name = Annotated[str, Query(max_length=1000, description="The image's name, for what may be said of it")]
Threshold = Annotated[
    float | None, Query(ge=0, le=1, description="Least confidence of a detection; without it: the model's own")
]


class LikelyAnswer(BaseModel):
    """A class, and how likely it is."""

    name: str
    probability: float | None


class TriedAnswer(BaseModel):
    """What a model says of an image: its classes, the most likely first, or the objects it finds."""

    size: tuple[int, int] = Field(description="Width and height in pixels, upright")
    classes: list[LikelyAnswer] | None = None
    found: list[FoundAnswer] | None = None
    threshold: float | None = Field(None, description="The least confidence of what was found; null: a classifier")


@router.post("/runs/{identity}/try", responses=PROBLEMS, openapi_extra=RAW)
async def try_run(
    library: Here, identity: Id, request: Request, name: Name = "image", threshold: Threshold = None
) -> TriedAnswer:
    """Try a run's model on an image that is sent, its bytes as they are."""
    model = await to_thread.run_sync(of_run, library, identity)
    return await _tried(library, model, request, name, threshold)


@router.post("/saved-models/{identity}/try", responses=PROBLEMS, openapi_extra=RAW)
async def try_saved_model(
    library: Here, identity: Id, request: Request, name: Name = "image", threshold: Threshold = None
) -> TriedAnswer:
    """Try the active version of a saved model on an image that is sent, its bytes as they are."""
    model = await to_thread.run_sync(of_saved, library, identity)
    return await _tried(library, model, request, name, threshold)


def of_run(library: Library, identity: str) -> Folder:
    """Return the folder of a run's model; raise RunError when it has none yet."""
    return runs.folder(library, library.get(Run, identity)).model_path()


def of_saved(library: Library, identity: str) -> Folder:
    """Return the folder of the active version of a saved model."""
    return saved.active_folder(library, library.get(SavedModel, identity))


async def _tried(library: Library, model: Folder, request: Request, name: str, threshold: float | None) -> TriedAnswer:
    info = await to_thread.run_sync(read_model_info, model)
    content = await whole(request.stream(), trials.MOST_FILE_BYTES)
    asked = trials.look(library, Trial(model, Samples(model)), name, content)
    said = finite((await asyncio.wrap_future(asked)).head)
    answer = TriedAnswer(size=said["size"], classes=said.get("classes"))
    if "boxes" in said:
        answer.threshold = info.threshold if threshold is None else threshold
        least = answer.threshold or 0.0
        answer.found = [FoundAnswer(**box) for box in said["boxes"] if (box["confidence"] or 0.0) >= least]
    return answer
