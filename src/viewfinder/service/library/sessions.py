"""Sessions: who has signed in with the password of the pages.

What a browser keeps is signed with a key that depends on a secret of the library and on the password: another password
ends every session. Those that were signed out of are remembered until they would have ended by themselves.
"""

import contextlib
import hashlib
import hmac
import json
import os
import secrets
import threading
from dataclasses import dataclass
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from itsdangerous import BadData, URLSafeSerializer

from viewfinder.atomic import replace
from viewfinder.errors import InputError
from viewfinder.service.library.library import Library

KEPT_S = 14 * 24 * 3600.0
SHORTEST = 8
SECRET_BYTES = 32


@dataclass(frozen=True)
class Session:
    """A browser that has signed in, until `ends` (seconds since 1970)."""

    id: str
    ends: float


class Sessions:
    """The sessions of one password, which is kept as its argon2 hash only. Call it from any thread."""

    def __init__(self, library: Library, password: str) -> None:
        """Raise InputError for a password that is too short."""
        if len(password) < SHORTEST:
            raise InputError(f"The password has {len(password)} characters; choose one of at least {SHORTEST}.")
        self._hasher = PasswordHasher()
        self._hash = self._hasher.hash(password)
        key = hmac.digest(_secret(library.home / "secret"), password.encode(), "sha256")
        self._signer = URLSafeSerializer(key, "viewfinder.session", signer_kwargs={"digest_method": hashlib.sha256})
        self._clock, self._path, self._lock = library.clock, library.home / "signed-out.json", threading.Lock()
        self._ended = _read(self._path)

    def is_password(self, given: str) -> bool:
        """Return whether this is the password; it takes a while on purpose."""
        try:
            return self._hasher.verify(self._hash, given)
        except VerificationError:
            return False

    def begin(self) -> str:
        """Return what the browser of a new session keeps."""
        return str(self._signer.dumps([secrets.token_hex(16), self._clock() + KEPT_S]))

    def find(self, kept: str) -> Session | None:
        """Return the session of what a browser kept; None when it is over, or none of ours."""
        try:
            session = Session(*self._signer.loads(kept))
        except BadData:
            return None
        return None if self.is_over(session) else session

    def is_over(self, session: Session) -> bool:
        """Return whether a session was signed out of, or its time is over."""
        return session.ends <= self._clock() or session.id in self._ended

    def end(self, session: Session) -> None:
        """Sign out: the session is over, also after a restart."""
        with self._lock:
            now = self._clock()
            self._ended = {key: ends for key, ends in self._ended.items() if ends > now} | {session.id: session.ends}
            content = json.dumps(self._ended).encode()
            replace(self._path, lambda file: file.write(content))


def _read(path: Path) -> dict[str, float]:
    with contextlib.suppress(OSError, ValueError):
        return {str(key): float(ends) for key, ends in json.loads(path.read_bytes()).items()}
    return {}


def _secret(path: Path) -> bytes:
    """Return the secret of a library, made once; only its owner can read it."""
    with contextlib.suppress(OSError):
        found = path.read_bytes()
        if len(found) == SECRET_BYTES:
            return found
    secret, beside = secrets.token_bytes(SECRET_BYTES), path.with_name(f".{path.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secret)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    return secret
