"""Images of datasets: chosen as in the gallery, one by one, and pictures of them."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, Field

from viewfinder.rest.boxes import BoxAnswer, boxes, plain
from viewfinder.rest.here import Here, Id
from viewfinder.rest.paging import Limit, Offset, Page, page
from viewfinder.rest.pictures import IMMUTABLE, JPEG, jpeg
from viewfinder.rest.problems import documented
from viewfinder.service.library import datasets, examples, gallery
from viewfinder.service.library.gallery import Asked
from viewfinder.store import Dataset

router = APIRouter(tags=["datasets"])
Sort = Literal["name", "name_last", "largest", "smallest"]
Sha256 = Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="Of the image's bytes")]
Name = Annotated[str, Query(max_length=4096, description="Its path below the dataset's root")]


class ImageAnswer(BaseModel):
    """An image: its label, or its objects, and the address of a small picture of it.

    `sha256` and `thumbnail` are null of a file that was left out, and is only the subject of a finding.
    """

    image: str = Field(description="Its path below the dataset's root")
    sha256: str | None
    label: str | None
    objects: list[BoxAnswer] | None
    thumbnail: str | None

    @classmethod
    def of(cls, row: dict[str, Any], folder: str) -> "ImageAnswer":
        """Return a row of the index as an answer; `folder` is the address of the thumbnails."""
        objects = boxes(row["boxes"]) if row.get("boxes") is not None else None
        sha256, label = row["sha256"], row.get("label")
        return cls(image=row["image"], sha256=sha256, label=label, objects=objects, thumbnail=_small(folder, sha256))


class OneAnswer(BaseModel):
    """An image in full, and its place among those that were asked for: `number` of `total`, the names beside it.

    `size` is (width, height) in pixels; it and `bytes` are null where they are not known.
    """

    image: str
    sha256: str | None
    classes: list[str]
    objects: list[BoxAnswer]
    size: tuple[int, int] | None
    bytes: int | None
    split: str | None
    findings: list[str]
    number: int
    total: int
    before: str | None
    after: str | None
    thumbnail: str | None
    picture: str | None = Field(description="The address of a large picture of it")

    @classmethod
    def of(cls, one: gallery.One, thumbnails: str, pictures: str) -> "OneAnswer":
        """Return an image as an answer; the others are the addresses of pictures."""
        same = {name: getattr(one, name) for name in ("size", "split", "findings", "number", "before", "after")}
        found = one.picture
        return cls(
            **same, image=found.image, sha256=found.sha256, classes=list(found.classes), objects=plain(one.boxes),
            bytes=one.file_bytes, total=one.found, thumbnail=_small(thumbnails, found.sha256),
            picture=_small(pictures, found.sha256),
        )  # fmt: skip


class ExampleAnswer(BaseModel):
    """An image that shows a class."""

    sha256: str
    thumbnail: str | None


def _asked(
    shows: Annotated[str | None, Query(max_length=1000, description="Only images that show this class")] = None,
    split: Annotated[str | None, Query(max_length=1000, description="Only images of this split of the source")] = None,
    problem: Annotated[
        str | None, Query(max_length=200, description="Only files that a finding names: its severity.kind")
    ] = None,
    find: Annotated[str, Query(max_length=1000, description="Only images with this in their names")] = "",
    sort: Annotated[
        Sort, Query(description="; ".join(f"{name}: {text}" for name, text in gallery.SORTS.items()))
    ] = "name",
) -> Asked:
    return Asked(shows, split, problem, find, sort)


Chosen = Annotated[Asked, Depends(_asked)]


@router.get("/datasets/{identity}/images", responses=documented(404, 422))
def list_images(
    library: Here, identity: Id, request: Request, asked: Chosen, limit: Limit = 50, offset: Offset = 0
) -> Page[ImageAnswer]:
    """List the images of a dataset for which all conditions hold."""
    rows, found = gallery.part(library, library.get(Dataset, identity), asked, offset, limit)
    folder = _folder(request, identity, "thumbnails")
    return page(request, [ImageAnswer.of(row, folder) for row in rows], found, offset)


@router.get("/datasets/{identity}/image", responses=documented(404, 422))
def get_image(library: Here, identity: Id, request: Request, image: Name, asked: Chosen) -> OneAnswer:
    """Return an image with all that is known of it, and its place among those for which all conditions hold."""
    one = gallery.one(library, library.get(Dataset, identity), image, asked)
    return OneAnswer.of(one, _folder(request, identity, "thumbnails"), _folder(request, identity, "images"))


@router.get("/datasets/{identity}/examples", responses=documented(404, 422))
def list_examples(library: Here, identity: Id, request: Request) -> dict[str, list[ExampleAnswer]]:
    """Return a few images of each class, those that show only it first."""
    found = examples.examples(datasets.index(library, library.get(Dataset, identity)))
    folder = _folder(request, identity, "thumbnails")
    return {
        name: [ExampleAnswer(sha256=one, thumbnail=_small(folder, one)) for one in images]
        for name, images in found.items()
    }


@router.get(
    "/datasets/{identity}/thumbnails/{sha256}.jpg", response_class=Response, responses=documented(404, 422) | JPEG
)
def get_thumbnail(library: Here, identity: Id, sha256: Sha256) -> Response:
    """Return a small picture of an image, its objects drawn."""
    return jpeg(gallery.thumbnail(library, library.get(Dataset, identity), sha256), IMMUTABLE)


@router.get("/datasets/{identity}/images/{sha256}.jpg", response_class=Response, responses=documented(404, 422) | JPEG)
def get_full_picture(library: Here, identity: Id, sha256: Sha256) -> Response:
    """Return a large picture of an image, its objects drawn."""
    return jpeg(gallery.full(library, library.get(Dataset, identity), sha256), IMMUTABLE)


@router.get("/datasets/{identity}/left-out.jpg", response_class=Response, responses=documented(404, 422) | JPEG)
def get_left_out(library: Here, identity: Id, image: Name) -> Response:
    """Return a small picture of an image that was left out, if it can be shown."""
    return jpeg(gallery.left_out(library, library.get(Dataset, identity), image))


def _folder(request: Request, identity: str, name: str) -> str:
    return f"{request.scope.get('root_path', '')}/datasets/{identity}/{name}"


def _small(folder: str, sha256: str | None) -> str | None:
    return f"{folder}/{sha256}.jpg" if sha256 else None
