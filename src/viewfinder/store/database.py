"""The database: opened, brought up to date, and used in short transactions."""

import contextlib
import shutil
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.orm import Session, sessionmaker

from viewfinder.errors import StoreError
from viewfinder.store.place import mount_table, network_of

BUSY_TIMEOUT_MS = 10_000
MIGRATIONS = Path(__file__).with_name("migrations")


class Database:
    """A SQLite file. Values read from it stay usable after their transaction."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.engine = sa.create_engine(sa.URL.create("sqlite", database=str(path)))
        sa.event.listen(self.engine, "connect", _prepare)
        sa.event.listen(self.engine, "begin", _begin)
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Session]:
        """Yield a session that sees one state of the database."""
        with self._sessions() as session:
            yield session

    @contextlib.contextmanager
    def writing(self) -> Iterator[Session]:
        """Yield a session that holds the only right to write, and commit at the end."""
        with self._sessions() as session, session.begin():
            session.connection(execution_options={"writes": True})
            yield session

    def back_up(self, target: Path) -> None:
        """Copy one state of the database into a new file, while others read and write."""
        with contextlib.closing(sqlite3.connect(target)) as copy, self.engine.connect() as connection:
            source = connection.connection.driver_connection
            assert isinstance(source, sqlite3.Connection)
            source.backup(copy)

    def close(self) -> None:
        """Give up all connections."""
        self.engine.dispose()


def open_database(path: Path, mounts: str | None = None) -> Database:
    """Open a database, made or brought up to date if need be; a copy of it is kept before it is changed.

    `mounts` is the mount table, if not this machine's own. Raises StoreError for a database on a network file system,
    for one that a newer version wrote, and for a file that is no database.
    """
    _refuse_network(path, mount_table() if mounts is None else mounts)
    database = Database(path)
    try:
        script = ScriptDirectory(str(MIGRATIONS))
        newest, found = script.get_current_head(), _revision(database)
        if found is not None and found not in {revision.revision for revision in script.walk_revisions()}:
            raise StoreError(
                f"'{path}' was written by a newer version of Viewfinder. Install that version, or name another folder "
                "in VIEWFINDER_HOME."
            )
        if found != newest:
            if found is not None:
                shutil.copy2(path, path.with_name(f"{path.stem}-{found}-{time.strftime('%Y%m%d-%H%M%S')}.db"))
            _upgrade(database)
    except sa.exc.DatabaseError as error:
        database.close()
        raise StoreError(f"'{path}' cannot be used as a database: {error.orig}.") from None
    return database


def _refuse_network(path: Path, mounts: str) -> None:
    kind = network_of(path.parent.resolve(), mounts)
    if kind is not None:
        raise StoreError(
            f"'{path.parent}' lies on a network file system ({kind}), where a database gets damaged. Name a folder on "
            "a disk of this machine in VIEWFINDER_HOME; images may stay where they are."
        )


def _revision(database: Database) -> str | None:
    with database.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def _upgrade(database: Database) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with database.engine.execution_options(writes=True).begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _prepare(connection: sqlite3.Connection, record: Any) -> None:
    connection.isolation_level = None  # transactions are begun below, not by the driver
    for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={BUSY_TIMEOUT_MS}", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("writes") else "BEGIN")
