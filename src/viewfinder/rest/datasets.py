"""Datasets: what was imported, what is in it, and its images."""

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, Field

from viewfinder.data.check import summarise
from viewfinder.data.diagnostics import Diagnostic
from viewfinder.rest.boxes import BoxAnswer, boxes
from viewfinder.rest.here import Here, Id
from viewfinder.rest.paging import Limit, Offset, Page, page, part
from viewfinder.rest.pictures import IMMUTABLE, JPEG, jpeg
from viewfinder.rest.problems import documented
from viewfinder.rest.strict import StrictRoute
from viewfinder.service.library import datasets, gallery
from viewfinder.store import Dataset

router = APIRouter(tags=["datasets"], route_class=StrictRoute)


class DatasetAnswer(BaseModel):
    """A dataset. `created` is in seconds since 1970 (UTC)."""

    id: str
    name: str
    task: str
    format: str
    fingerprint: str
    images: int
    classes: list[str]
    created: float

    @classmethod
    def of(cls, row: Dataset) -> "DatasetAnswer":
        """Return a row as an answer."""
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class ClassAnswer(BaseModel):
    """A class: how many images show it, and how many objects are of it (null: images have no objects)."""

    name: str
    images: int
    objects: int | None
    splits: dict[str, int]


class FindingAnswer(BaseModel):
    """A file, or nothing where it is about the whole, and what is to be said of it."""

    file: str
    reason: str


class FindingsAnswer(BaseModel):
    """Findings of a kind: how many, and the first of them."""

    severity: str
    kind: str
    count: int
    examples: list[FindingAnswer]


class CheckAnswer(BaseModel):
    """What is in a dataset, and what is wrong with it: as `viewfinder check` says it."""

    name: str
    root: str
    format: str
    task: str
    fingerprint: str
    images: int
    classes: list[ClassAnswer]
    objects: int | None
    background_images: int | None
    splits: dict[str, int]
    groups: int
    distinct_images: int
    sizes: dict[str, Any]
    formats: dict[str, int]
    findings: dict[str, int]
    diagnostics: list[FindingsAnswer]


class DiagnosticAnswer(FindingAnswer):
    """A finding. `error`: it was left out; `warning`: it deserves a look; `info`: nothing needs to be done."""

    severity: str
    kind: str

    @classmethod
    def of(cls, found: Diagnostic) -> "DiagnosticAnswer":
        """Return a finding as an answer."""
        return cls(**found.as_dict())


class ImageAnswer(BaseModel):
    """An image: its label, or its objects, and the address of a small picture of it."""

    image: str = Field(description="Its path below the dataset's root")
    sha256: str
    label: str | None
    objects: list[BoxAnswer] | None
    thumbnail: str

    @classmethod
    def of(cls, row: dict[str, Any], folder: str) -> "ImageAnswer":
        """Return a row of the index as an answer; `folder` is the address of the thumbnails."""
        objects = boxes(row["boxes"]) if row.get("boxes") is not None else None
        thumbnail = f"{folder}/{quote(row['sha256'])}.jpg"
        return cls(
            image=row["image"], sha256=row["sha256"], label=row.get("label"), objects=objects, thumbnail=thumbnail
        )


@router.get("/datasets", responses=documented(422))
def list_datasets(library: Here, request: Request, limit: Limit = 50, offset: Offset = 0) -> Page[DatasetAnswer]:
    """List the datasets, the newest first."""
    rows = datasets.datasets(library)
    return page(request, [DatasetAnswer.of(row) for row in part(rows, offset, limit)], len(rows), offset)


@router.get("/datasets/{identity}", responses=documented(404, 422))
def get_dataset(library: Here, identity: Id) -> DatasetAnswer:
    """Return a dataset."""
    return DatasetAnswer.of(library.get(Dataset, identity))


@router.get("/datasets/{identity}/check", responses=documented(404, 422))
def check_dataset(library: Here, identity: Id) -> CheckAnswer:
    """Say what is in a dataset, and what is wrong with it."""
    return CheckAnswer.model_validate(summarise(datasets.index(library, library.get(Dataset, identity))))


@router.get("/datasets/{identity}/diagnostics", responses=documented(404, 422))
def list_diagnostics(
    library: Here, identity: Id, request: Request, limit: Limit = 50, offset: Offset = 0
) -> Page[DiagnosticAnswer]:
    """List every single finding, the gravest first."""
    found = datasets.index(library, library.get(Dataset, identity)).diagnostics
    return page(request, [DiagnosticAnswer.of(one) for one in part(found, offset, limit)], len(found), offset)


@router.get("/datasets/{identity}/images", responses=documented(404, 422))
def list_images(
    library: Here,
    identity: Id,
    request: Request,
    shows: Annotated[str | None, Query(max_length=1000, description="Only images that show this class")] = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> Page[ImageAnswer]:
    """List the images of a dataset, in the order of their paths."""
    rows, found = gallery.part(library, library.get(Dataset, identity), shows, offset, limit)
    folder = f"{request.scope.get('root_path', '')}/datasets/{identity}/thumbnails"
    return page(request, [ImageAnswer.of(row, folder) for row in rows], found, offset)


@router.get(
    "/datasets/{identity}/thumbnails/{sha256}.jpg", response_class=Response, responses=documented(404, 422) | JPEG
)
def get_thumbnail(
    library: Here,
    identity: Id,
    sha256: Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="Of the image's bytes")],
) -> Response:
    """Return a small picture of an image, its objects drawn."""
    return jpeg(gallery.thumbnail(library, library.get(Dataset, identity), sha256), IMMUTABLE)
