"""The library: one folder with a database and everything that it names."""

import contextlib
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa

from viewfinder.errors import NotFoundError, StoreError
from viewfinder.home import HOME_VARIABLE, default_home
from viewfinder.lock import take
from viewfinder.run import RunFolder
from viewfinder.service.library.judged import Judged
from viewfinder.service.library.pictures import Pictures
from viewfinder.service.library.watch import Watch
from viewfinder.service.warm import Warm
from viewfinder.store import Analysis, Database, Dataset, Run, SavedModel, Token, open_database
from viewfinder.words import visible

KEPT_RUNS = 4
KINDS = {Dataset: "dataset", Analysis: "analysis", Run: "run", SavedModel: "saved model", Token: "token"}
Row = TypeVar("Row", Dataset, Analysis, Run, SavedModel, Token)


class Library:
    """An open library. `clock` tells seconds since 1970 (UTC); `data_roots` are the folders that may be imported."""

    def __init__(self, home: Path, database: Database, clock: Callable[[], float] = time.time) -> None:
        self.home, self.database, self.clock = home, database, clock
        self.data_roots: tuple[Path, ...] = (Path.home(),)
        self.imports: dict[str, Any] = {}
        self.uploads: dict[str, Any] = {}
        self.trials: dict[str, Any] = {}
        self.batches: dict[str, Any] = {}
        self.heavy = threading.Lock()  # held by the one job that computes in the background
        self._watches: dict[Path, Watch] = {}
        self._judged: dict[tuple[Path, int, int], Judged] = {}
        self.warm = Warm(home / "engine.log", self.trains)
        self.pictures = Pictures()

    def allowed(self, path: Path | str) -> Path:
        """Return a path of this machine that the server may read; raise StoreError for any other."""
        try:
            found = Path(path).expanduser().absolute().resolve()
            exists = found.exists()
        except (OSError, ValueError, RuntimeError):  # no path of this system: too long, a null byte, an unknown ~name
            raise StoreError(f"'{visible(str(path))}' is not the path of a folder or a file.") from None
        if not any(found.is_relative_to(root.resolve()) for root in self.data_roots):
            roots = ", ".join(f"'{root}'" for root in self.data_roots) or "nothing yet"
            raise StoreError(f"'{path}' is outside of what this server may read: {roots}. --data-root adds a folder.")
        if not exists:
            raise StoreError(f"There is no '{path}' on this machine.")
        return found

    def watch(self, run: RunFolder) -> Watch:
        """Return the one watch of a run."""
        return self._watches.setdefault(run.path, Watch(run))

    def judged(self, run: RunFolder) -> Judged:
        """Return the judged test images of a run, read anew when they changed; a few runs are kept."""
        return self._kept(run.path / "predictions.parquet", lambda: Judged(run))

    def latest(self, run: RunFolder) -> Judged | None:
        """Return what the latest epoch says of the few images that are followed; None before the first."""
        path = run.path / "latest.parquet"
        return self._kept(path, lambda: Judged(run, run.latest())) if path.is_file() else None

    def _kept(self, path: Path, read: Callable[[], Judged]) -> Judged:
        said = path.parent / "run.json"  # it holds the threshold
        written, told = (one.stat().st_mtime_ns if one.is_file() else 0 for one in (path, said))
        key = path, written, told
        if key not in self._judged:
            others = [(one, judged) for one, judged in self._judged.items() if one[0] != path]
            self._judged = dict(others[-(KEPT_RUNS - 1) :]) | {key: read()}
        return self._judged[key]

    def trains(self) -> bool:
        """Return whether a run is being trained."""
        with self.database.reading() as session:
            return session.scalar(sa.select(Run.id).where(Run.state == "running").limit(1)) is not None

    @classmethod
    def open(cls, home: Path | None = None, clock: Callable[[], float] = time.time) -> "Library":
        """Open the library of a folder, made if it is not there; raise StoreError when it cannot be used."""
        home = home or default_home()
        try:
            home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"'{home}' cannot be used: {error.strerror or error}. Name another in {HOME_VARIABLE}."
            ) from None
        return cls(home, open_database(home / "viewfinder.db"), clock)

    @contextlib.contextmanager
    def served(self) -> Iterator[None]:
        """Be the one server of the library; raise StoreError when there is another."""
        file = take(self.home / "server.lock")
        if file is None:
            raise StoreError(
                f"Another `viewfinder serve` uses '{self.home}'. End it first, or name another folder in "
                f"{HOME_VARIABLE}."
            )
        with file:
            yield

    def get(self, kind: type[Row], identity: str) -> Row:
        """Return a row by its id; raise StoreError when there is none, or it is in the trash."""
        with self.database.reading() as session:
            row = session.get(kind, identity)
        if row is None:
            raise NotFoundError(f"There is no {KINDS[kind]} '{identity}'. It may have been deleted.")
        if getattr(row, "trashed", None) is not None:
            name = getattr(row, "name", identity)
            raise NotFoundError(f"The {KINDS[kind]} '{name}' is in the trash. The System page has it, to restore it.")
        return row


def write(path: Path, content: bytes) -> None:
    """Write a file of the library, made whole or not at all; it need not outlast a loss of power."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{new_id()}")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def new_id() -> str:
    """Return an id that was never used: eight hexadecimal digits."""
    return secrets.token_hex(4)
