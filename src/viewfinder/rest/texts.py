"""Designs as text: put in place from YAML, and as the command that trains them."""

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from viewfinder.errors import DesignError
from viewfinder.rest.designs import CHANGED, DesignAnswer, Seen, answer, version
from viewfinder.rest.here import Here, Id
from viewfinder.rest.problems import documented
from viewfinder.rest.raw import whole
from viewfinder.rest.strict import MOST_BYTES
from viewfinder.service.library import analyses, texts
from viewfinder.service.library.library import Library
from viewfinder.store import Analysis, Dataset

router = APIRouter(tags=["designs"])
YAML = {"requestBody": {"required": True, "content": {"application/yaml": {"schema": {"type": "string"}}}}}


class CommandAnswer(BaseModel):
    """A command for a terminal on the server's machine."""

    command: str


@router.put("/analyses/{identity}/design.yaml", responses=CHANGED, openapi_extra=YAML)
async def replace_design_text(
    library: Here, identity: Id, request: Request, response: Response, seen: Seen = None
) -> DesignAnswer:
    """Put the design of a design file, in YAML or JSON, in its place."""
    content = await whole(request.stream(), MOST_BYTES)
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise DesignError(f"The design is not text in UTF-8: {error}.") from None
    row = await run_in_threadpool(_replaced, library, identity, text, version(seen))
    return await run_in_threadpool(answer, library, row, response)


@router.get("/analyses/{identity}/command", responses=documented(404, 422))
def get_command(library: Here, identity: Id) -> CommandAnswer:
    """Return the command that trains an analysis's design on its dataset."""
    return CommandAnswer(command=texts.command(library, library.get(Analysis, identity)))


def _replaced(library: Library, identity: str, text: str, seen: int | None) -> Analysis:
    task = library.get(Dataset, library.get(Analysis, identity).dataset_id).task
    return analyses.replace(library, identity, texts.from_text(task, text), seen)
