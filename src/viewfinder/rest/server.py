"""The server itself."""

from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from viewfinder.rest.here import Here
from viewfinder.service.library import datasets

router = APIRouter(tags=["server"])


class VersionAnswer(BaseModel):
    """Which Viewfinder this is."""

    version: str


class HealthAnswer(BaseModel):
    """That the server can use its library."""

    status: Literal["ok"]


@router.get("/version")
def get_version() -> VersionAnswer:
    """Return the version."""
    try:
        return VersionAnswer(version=version("viewfinder"))
    except PackageNotFoundError:
        return VersionAnswer(version="unknown")


@router.get("/health")
def get_health(library: Here) -> HealthAnswer:
    """Say that the server works, and can read its library."""
    datasets.datasets(library)
    return HealthAnswer(status="ok")
