"""Tokens: what programs sign in with."""

import hashlib
import secrets
from dataclasses import dataclass

import sqlalchemy as sa

from viewfinder.errors import StoreError
from viewfinder.service.library.library import Library, new_id
from viewfinder.store import Token

PREFIX = "vf_"  # so that a token that was published by mistake is found
USED_S = 60.0
LONGEST_NAME = 200


@dataclass(frozen=True)
class NewToken:
    """A token that was made. `secret` is known here only: it is kept nowhere."""

    row: Token
    secret: str


def create(library: Library, name: str) -> NewToken:
    """Make a token; its name says what it is for. Raises StoreError for no name, or one that is too long."""
    name = name.strip()
    if not 0 < len(name) <= LONGEST_NAME:
        raise StoreError(f"A token needs a name of 1 to {LONGEST_NAME} characters that says what it is for.")
    secret = PREFIX + secrets.token_urlsafe(32)
    row = Token(id=new_id(), name=name, digest=_digest(secret), created=library.clock())
    with library.database.writing() as session:
        session.add(row)
    return NewToken(row, secret)


def tokens(library: Library) -> list[Token]:
    """Return all tokens, the newest first."""
    with library.database.reading() as session:
        return list(session.scalars(sa.select(Token).order_by(Token.created.desc())))


def revoke(library: Library, identity: str) -> None:
    """Make a token worthless from now on; raise NotFoundError when there is none of that id."""
    row = library.get(Token, identity)
    with library.database.writing() as session:
        session.execute(sa.delete(Token).where(Token.id == row.id))


def verify(library: Library, secret: str) -> Token | None:
    """Return the token of a secret, or None; that it was used is written down once a minute at most."""
    with library.database.reading() as session:
        row = session.scalars(sa.select(Token).where(Token.digest == _digest(secret))).one_or_none()
    if row is None:
        return None
    now = library.clock()
    if row.used is None or now - row.used >= USED_S:
        with library.database.writing() as session:
            session.execute(sa.update(Token).where(Token.id == row.id).values(used=now))
    return row


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
