"""Tokens: what programs sign in with."""

from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from viewfinder.rest.here import Here, Id
from viewfinder.rest.paging import Limit, Offset, Page, page, part
from viewfinder.rest.problems import JSON_BODY, documented
from viewfinder.rest.strict import StrictRoute
from viewfinder.service.library import access
from viewfinder.store import Token

router = APIRouter(tags=["tokens"], route_class=StrictRoute)


class TokenRequest(BaseModel):
    """The token to make."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"name": "The nightly import"}]})
    name: str = Field(min_length=1, max_length=200, description="What it is for")


class TokenAnswer(BaseModel):
    """A token. Times are in seconds since 1970 (UTC); `used`: when it was used last, to the minute; null: never."""

    id: str
    name: str
    created: float
    used: float | None

    @classmethod
    def of(cls, row: Token) -> "TokenAnswer":
        """Return a row as an answer."""
        return cls(id=row.id, name=row.name, created=row.created, used=row.used)


class SecretAnswer(TokenAnswer):
    """A token that was made."""

    secret: str = Field(description="Send it as `Authorization: Bearer SECRET`. It is told here only, and kept nowhere")


@router.post("/tokens", status_code=HTTPStatus.CREATED, responses=documented(*JSON_BODY))
def create_token(library: Here, response: Response, wanted: TokenRequest) -> SecretAnswer:
    """Make a token; its secret is in this answer, and never again."""
    made = access.create(library, wanted.name)
    response.headers["Cache-Control"] = "no-store"
    return SecretAnswer(**TokenAnswer.of(made.row).model_dump(), secret=made.secret)


@router.get("/tokens", responses=documented(422))
def list_tokens(library: Here, request: Request, limit: Limit = 50, offset: Offset = 0) -> Page[TokenAnswer]:
    """List the tokens, the newest first."""
    rows = access.tokens(library)
    return page(request, [TokenAnswer.of(row) for row in part(rows, offset, limit)], len(rows), offset)


@router.delete("/tokens/{identity}", status_code=HTTPStatus.NO_CONTENT, responses=documented(404, 422))
def revoke_token(library: Here, identity: Id) -> None:
    """Make a token worthless from now on."""
    access.revoke(library, identity)
