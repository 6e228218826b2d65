"""Tokens, passwords and sessions."""

import hashlib
import json
import os
import stat
import sys

import pytest

from viewfinder.errors import InputError, NotFoundError, StoreError
from viewfinder.service.library import access
from viewfinder.service.library.library import Library
from viewfinder.service.library.sessions import KEPT_S, Sessions
from viewfinder.store import Token

PASSWORD = "correct horse"


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def library(tmp_path, clock):
    opened = Library.open(tmp_path / "home", clock)
    yield opened
    opened.database.close()


def test_a_token_is_shown_once_and_its_digest_kept(library, tmp_path):
    made = access.create(library, " nightly import ")
    assert made.secret.startswith("vf_")
    assert len(made.secret) > 40
    (row,) = access.tokens(library)
    assert (row.name, row.digest) == ("nightly import", hashlib.sha256(made.secret.encode()).hexdigest())
    library.database.close()
    assert all(made.secret.encode() not in path.read_bytes() for path in (tmp_path / "home").iterdir())


def test_a_token_is_verified_until_it_is_revoked(library):
    made, other = access.create(library, "one"), access.create(library, "two")
    assert access.verify(library, made.secret).id == made.row.id
    assert access.verify(library, made.secret + "x") is None
    assert access.verify(library, "") is None
    access.revoke(library, made.row.id)
    assert access.verify(library, made.secret) is None
    assert access.verify(library, other.secret).id == other.row.id
    with pytest.raises(NotFoundError, match="There is no token"):
        access.revoke(library, made.row.id)


def test_its_use_is_written_down_once_a_minute(library, clock):
    made, used = access.create(library, "one"), []
    for clock.now in (2000.0, 2059.0, 2060.0):
        access.verify(library, made.secret)
        used.append(library.get(Token, made.row.id).used)
    assert used == [2000.0, 2000.0, 2060.0]


@pytest.mark.parametrize("name", ["", "  ", "x" * 201])
def test_a_token_has_a_name(library, name):
    with pytest.raises(StoreError, match="A token needs a name"):
        access.create(library, name)


def test_a_session_lasts_fourteen_days(library, clock):
    sessions = Sessions(library, PASSWORD)
    assert (sessions.is_password(PASSWORD), sessions.is_password("wrong horse"), sessions.is_password("")) == (
        True,
        False,
        False,
    )
    kept = sessions.begin()
    clock.now += KEPT_S - 1
    assert sessions.find(kept).ends == clock.now + 1
    clock.now += 1
    assert sessions.find(kept) is None
    assert KEPT_S == 14 * 24 * 3600


def test_what_a_browser_keeps_cannot_be_made_up_or_changed(library):
    sessions = Sessions(library, PASSWORD)
    content, signature = sessions.begin().rsplit(".", 1)
    for forged in ("", "x", content, f"{content}.{'A' * len(signature)}", f"{content}x.{signature}"):
        assert sessions.find(forged) is None


def test_a_session_survives_a_restart_but_not_another_password(library):
    kept = Sessions(library, PASSWORD).begin()
    assert Sessions(library, PASSWORD).find(kept) is not None
    assert Sessions(library, PASSWORD + "!").find(kept) is None


def test_who_signed_out_stays_out_after_a_restart(library, clock):
    sessions = Sessions(library, PASSWORD)
    kept, other = sessions.begin(), sessions.begin()
    sessions.end(sessions.find(kept))
    for one in (sessions, Sessions(library, PASSWORD)):
        assert (one.find(kept), one.find(other) is not None) == (None, True)
    clock.now += KEPT_S + 1  # what is over by itself need not be remembered
    later = sessions.begin()
    sessions.end(sessions.find(later))
    assert len(json.loads((library.home / "signed-out.json").read_text())) == 1


def test_a_short_password_is_refused(library):
    with pytest.raises(InputError, match="at least 8"):
        Sessions(library, "1234567")


@pytest.mark.skipif(sys.platform == "win32", reason="permissions as POSIX has them")
def test_the_secret_is_its_owners_and_the_password_is_nowhere(library):
    before = os.umask(0)
    try:
        Sessions(library, PASSWORD)
    finally:
        os.umask(before)
    assert stat.S_IMODE((library.home / "secret").stat().st_mode) == 0o600
    secret = (library.home / "secret").read_bytes()
    Sessions(library, PASSWORD)
    assert (library.home / "secret").read_bytes() == secret
    assert all(PASSWORD.encode() not in path.read_bytes() for path in library.home.iterdir())
