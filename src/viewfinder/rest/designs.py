"""Designs: what was chosen, what follows from it, and changes that overwrite nobody else's."""

import re
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.exceptions import HTTPException

from viewfinder.design import Design
from viewfinder.errors import InputError
from viewfinder.rest.here import Here, Id
from viewfinder.rest.problems import JSON_BODY, documented
from viewfinder.rest.strict import StrictRoute
from viewfinder.service.library import analyses, datasets
from viewfinder.service.library.calibration import machine_speed
from viewfinder.service.library.library import Library
from viewfinder.service.library.outlook import Outlook, Parts, outlook, parts
from viewfinder.store import Analysis, Dataset

router = APIRouter(tags=["designs"], route_class=StrictRoute)
ADDRESS = "/analyses/{identity}/design"
CHANGED = documented(404, 412, 428, *JSON_BODY)

Seen = Annotated[
    str | None,
    Header(alias="If-Match", max_length=1000, description='The ETag of the design that was read, such as "3"'),
]
Name = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Values = Annotated[
    dict[Name, Any],
    Body(
        min_length=1,
        description="Values by their dotted names; null: back to the default",
        examples=[{"training.epochs": 8, "training.schedule": {"kind": "step", "step_size": 3}, "split.seed": None}],
    ),
]
Whole = Annotated[
    dict[str, Any],
    Body(
        description="What is chosen, nested as in a design file; what is left out is at its default",
        examples=[{"training": {"model": "efficientnet_lite0", "epochs": 8}}],
    ),
]


class OutlookAnswer(BaseModel):
    """What a design will do. Times are (least, most) seconds, null where they cannot be known beforehand."""

    model_config = ConfigDict(from_attributes=True)
    sentence: str
    counts: dict[str, int] = Field(description="Images in each split")
    classes: dict[str, dict[str, int]] = Field(description="Images or objects of each class in each split")
    trained_share: float = Field(description="Of the model's parameters, the share that learns")
    epochs: int
    may_end_early: bool
    seconds_per_epoch: tuple[float, float] | None
    seconds: tuple[float, float] | None
    memory_mb: float

    @classmethod
    def of(cls, found: Outlook, divided: Parts) -> "OutlookAnswer":
        """Return an outlook on the parts of a dataset as an answer."""
        facts = {"sentence": found.sentence, "counts": found.counts, "trained_share": found.trained_share}
        return cls(**facts, classes=divided.classes, **vars(found.estimate))


class DesignAnswer(BaseModel):
    """A design: what was chosen, the whole with every default, and what it will do, or why it cannot be trained."""

    version: int
    chosen: dict[str, Any]
    whole: Design | None
    outlook: OutlookAnswer | None
    obstacle: str | None


@router.get(ADDRESS, responses=documented(404, 422))
def get_design(library: Here, identity: Id, response: Response) -> DesignAnswer:
    """Return an analysis's design; its ETag is needed to change it."""
    return answer(library, library.get(Analysis, identity), response)


@router.patch(ADDRESS, responses=CHANGED)
def change_design(library: Here, identity: Id, response: Response, values: Values, seen: Seen = None) -> DesignAnswer:
    """Change one or several values of a design, or none of them."""
    return answer(library, analyses.change_all(library, identity, values, version(seen)), response)


@router.put(ADDRESS, responses=CHANGED)
def replace_design(library: Here, identity: Id, response: Response, design: Whole, seen: Seen = None) -> DesignAnswer:
    """Put another design in its place."""
    return answer(library, analyses.replace(library, identity, design, version(seen)), response)


def version(seen: str | None) -> int | None:
    """Return the version that an If-Match names; None: any."""
    if seen is None:
        words = "Send the ETag of the design you read as If-Match, so that nobody's change is lost."
        raise HTTPException(HTTPStatus.PRECONDITION_REQUIRED, words)
    if seen.strip() == "*":
        return None
    found = re.fullmatch(r'\s*"(\d{1,15})"\s*', seen)
    if not found:
        words = f"If-Match: '{seen}' is no ETag of a design. Send the one you read, such as \"3\", or *."
        raise HTTPException(HTTPStatus.PRECONDITION_FAILED, words)
    return int(found[1])


def answer(library: Library, analysis: Analysis, response: Response) -> DesignAnswer:
    """Return an analysis's design as an answer, with its ETag."""
    response.headers["ETag"] = f'"{analysis.version}"'
    told = DesignAnswer(
        version=analysis.version, chosen=analyses.values_of(library, analysis), whole=None, outlook=None, obstacle=None
    )
    try:
        design = analyses.design_of(library, analysis)
        told.whole = design
        dataset = library.get(Dataset, analysis.dataset_id)
        index = datasets.grouped(dataset, datasets.index(library, dataset), design.split.group_column)
        divided = parts(index, design)
        found = outlook(divided, design, partial(machine_speed, library))
    except InputError as error:
        told.obstacle = str(error)
        return told
    told.whole, told.outlook = found.design, OutlookAnswer.of(found, divided)
    return told
