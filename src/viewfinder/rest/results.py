"""Results: the report, and what the model said of each test image."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from viewfinder.errors import InputError, RunError, unknown
from viewfinder.metrics.detection import NO_OBJECT, NOT_DETECTED
from viewfinder.rest.boxes import BoxAnswer, FoundAnswer, boxes, found
from viewfinder.rest.finite import finite
from viewfinder.rest.here import Here, Id
from viewfinder.rest.paging import Limit, Offset, Page, page, part
from viewfinder.rest.pictures import JPEG, jpeg
from viewfinder.rest.problems import documented
from viewfinder.service.library import runs
from viewfinder.service.library.judged import ORDERS, Judged, Order, View, Wanted
from viewfinder.service.library.library import Library
from viewfinder.store import Run

router = APIRouter(tags=["results"])
PROBLEMS = documented(404, 409, 422)
Threshold = Annotated[
    float | None, Query(ge=0, le=1, description="Least confidence of a detection; without it: the model's own")
]
Iou = Annotated[float | None, Query(ge=0.05, le=0.95, description="Least overlap with an object; without it: 0.5")]
ClassName = Annotated[str | None, Query(max_length=1000)]


class PredictionAnswer(BaseModel):
    """A test image: truth and prediction, labels with probabilities or objects with confidences."""

    row: int = Field(description="Its number, in the order of the images' names")
    image: str
    split: str
    label: str | None = None
    prediction: str | None = None
    probabilities: dict[str, float | None] | None = None
    objects: list[BoxAnswer] | None = None
    found: list[FoundAnswer] | None = None

    @classmethod
    def of(cls, judged: Judged, row: int) -> "PredictionAnswer":
        """Return a row of what was judged as an answer."""
        cells = judged.answers.row(row, named=True)
        one = cls(row=row, image=cells["image"], split=cells["split"])
        if judged.detects:
            one.objects, one.found = boxes(cells["boxes"]), found(cells["boxes_predicted"])
            return one
        one.label, one.prediction = cells["label"], cells["prediction"]
        one.probabilities = {name: finite(cells[f"proba_{name}"]) for name in judged.classes}
        return one


class ConfusionAnswer(BaseModel):
    """How often a thing of the class of a line was taken for that of a column."""

    labels: list[str]
    predicted_labels: list[str]
    counts: list[list[int]]


class CountedAnswer(BaseModel):
    """What is counted at a threshold and an overlap (null: a classifier has none)."""

    threshold: float | None
    iou: float | None
    confusion: ConfusionAnswer
    metrics: dict[str, float | None]
    per_class: list[dict[str, Any]]


@router.get("/runs/{identity}/report.json", response_class=JSONResponse, responses=PROBLEMS)
def get_report(library: Here, identity: Id) -> dict[str, Any]:
    """Return the report as data."""
    content: dict[str, Any] = finite(_report(library, library.get(Run, identity)))
    return content


@router.get("/runs/{identity}/predictions", responses=PROBLEMS)
def list_predictions(
    library: Here, identity: Id, request: Request, limit: Limit = 50, offset: Offset = 0
) -> Page[PredictionAnswer]:
    """List the test images with truth and prediction, in the order of their names."""
    judged = _judged(library, identity)
    rows = part(range(judged.answers.height), offset, limit)
    return page(request, [PredictionAnswer.of(judged, row) for row in rows], judged.answers.height, offset)


@router.get("/runs/{identity}/latest", responses=PROBLEMS)
def list_latest(library: Here, identity: Id) -> list[PredictionAnswer]:
    """List the few images that are judged anew after every epoch, as the latest says; none before the first."""
    judged = library.latest(runs.folder(library, library.get(Run, identity)))
    return [PredictionAnswer.of(judged, row) for row in range(judged.answers.height)] if judged else []


@router.get("/runs/{identity}/confusion", responses=PROBLEMS)
def count_confusion(library: Here, identity: Id, threshold: Threshold = None, iou: Iou = None) -> CountedAnswer:
    """Count what was right and what was taken for what; of a detector at any threshold and overlap."""
    judged = _judged(library, identity)
    view = _view(library, identity, judged, threshold, iou)
    counted = judged.counted(view)
    seen = {"threshold": view.threshold, "iou": view.least_iou} if view else {"threshold": None, "iou": None}
    return CountedAnswer.model_validate(finite({**counted, **seen}))


@router.get("/runs/{identity}/feed", responses=PROBLEMS)
def list_feed(
    library: Here,
    identity: Id,
    request: Request,
    truth: ClassName = None,
    predicted: ClassName = None,
    mistakes: Annotated[bool, Query(description="Only images in which the model is wrong")] = False,
    order: Annotated[
        Order, Query(description="; ".join(f"{name}: {text}" for name, text in ORDERS.items()))
    ] = "confidence",
    threshold: Threshold = None,
    iou: Iou = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> Page[PredictionAnswer]:
    """List the images in which a thing of a class was taken for another, or all in which the model is wrong."""
    judged = _judged(library, identity)
    for name, other in ((truth, NO_OBJECT), (predicted, NOT_DETECTED)):
        choices = [*judged.classes, *([other] if judged.detects else [])]
        if name is not None and name not in choices:
            raise InputError(unknown("class", name, choices))
    rows = judged.feed(Wanted(truth, predicted, mistakes, order), _view(library, identity, judged, threshold, iou))
    return page(request, [PredictionAnswer.of(judged, row) for row in part(rows, offset, limit)], len(rows), offset)


@router.get("/runs/{identity}/images/{row}.jpg", response_class=Response, responses=PROBLEMS | JPEG)
def get_picture(
    library: Here,
    identity: Id,
    row: int,
    threshold: Threshold = None,
    iou: Iou = None,
    full: Annotated[bool, Query(description="Up to 900 px instead of 320")] = False,
) -> Response:
    """Return a test image; a detector's objects are drawn as right, wrong or missed."""
    judged = _judged(library, identity)
    return jpeg(judged.picture(row, _view(library, identity, judged, threshold, iou), full))


def _judged(library: Library, identity: str) -> Judged:
    return library.judged(runs.folder(library, library.get(Run, identity)))


def _view(library: Library, identity: str, judged: Judged, threshold: float | None, iou: float | None) -> View | None:
    """Return how boxes are to be judged; None of a classifier, which must not be asked for it."""
    if not judged.detects and (threshold is not None or iou is not None):
        raise InputError("This is a classifier: it has no threshold and no overlap. Leave them out.")
    if threshold is None:
        threshold = runs.info(library, library.get(Run, identity)).threshold  # it may have been changed since
    return judged.view(threshold, iou)


def _report(library: Library, row: Run) -> dict[str, Any]:
    content = runs.folder(library, row).report()
    if not content:
        raise RunError(f"'{row.name}' has no report yet. `reported` of the run says when it has.")
    return content
