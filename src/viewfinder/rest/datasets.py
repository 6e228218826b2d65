"""Datasets: what was imported, and what is in it."""

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel

from viewfinder.data.check import summarise
from viewfinder.data.diagnostics import Diagnostic
from viewfinder.rest.here import Here, Id
from viewfinder.rest.naming import NameRequest
from viewfinder.rest.paging import Limit, Offset, Page, page, part
from viewfinder.rest.problems import JSON_BODY, documented
from viewfinder.rest.strict import StrictRoute
from viewfinder.service.library import datasets, trash
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


@router.get("/datasets/{identity}/group-columns", responses=documented(404, 422))
def list_group_columns(library: Here, identity: Id) -> list[str]:
    """List the columns of a table by which images can be kept together in a split; none but for tables."""
    return datasets.group_columns(library.get(Dataset, identity))


@router.patch("/datasets/{identity}", responses=documented(404, *JSON_BODY))
def rename_dataset(library: Here, identity: Id, wanted: NameRequest) -> DatasetAnswer:
    """Give a dataset another name."""
    return DatasetAnswer.of(datasets.rename(library, identity, wanted.name))


@router.delete("/datasets/{identity}", status_code=HTTPStatus.NO_CONTENT, responses=documented(404, 409, 422))
def delete_dataset(library: Here, identity: Id) -> None:
    """Move a dataset to the trash, unless analyses use it."""
    trash.discard(library, library.get(Dataset, identity))
