"""The database: its pragmas, its transactions, its migrations."""

import sqlite3
import threading

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from viewfinder.errors import StoreError
from viewfinder.store import Analysis, Dataset, open_database
from viewfinder.store import database as database_module
from viewfinder.store.schema import Base


def dataset(identity="d1"):
    return Dataset(identity, "pets", "classification", "folder per class", "/pets", "f" * 64, 3, ["cat", "dog"], 1.5)


@pytest.fixture
def database(tmp_path):
    opened = open_database(tmp_path / "v.db")
    yield opened
    opened.close()


def test_what_is_written_is_read_back(database, tmp_path):
    with database.writing() as session:
        session.add(dataset())
    again = open_database(tmp_path / "v.db")
    with again.reading() as session:
        (row,) = session.scalars(sa.select(Dataset))
    again.close()
    assert (row.name, row.classes, row.created, row.sample) == ("pets", ["cat", "dog"], 1.5, None)


def test_it_is_safe_by_its_pragmas(database):
    with database.reading() as session:
        values = [session.execute(sa.text(f"PRAGMA {name}")).scalar() for name in ("journal_mode", "synchronous")]
        assert values == ["wal", 2]  # 2: FULL
        assert session.execute(sa.text("PRAGMA busy_timeout")).scalar() == 10_000
    with pytest.raises(sa.exc.IntegrityError), database.writing() as session:
        session.add(Analysis("a1", "no dataset", "x", 1.0, {}))


def test_an_error_undoes_the_whole_transaction(database):
    with pytest.raises(sa.exc.IntegrityError), database.writing() as session:
        session.add_all([dataset(), Analysis("a1", "no dataset", "x", 1.0, {})])
    with database.reading() as session:
        assert session.scalars(sa.select(Dataset)).all() == []


def test_writers_wait_for_each_other_and_lose_nothing(database):
    with database.writing() as session:
        session.add(dataset())

    def add():
        for _ in range(25):
            with database.writing() as session:
                row = session.get_one(Dataset, "d1")
                row.images += 1

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.reading() as session:
        assert session.get_one(Dataset, "d1").images == 103


def test_the_migrations_make_what_the_rows_say(database):
    with database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_an_older_database_is_copied_and_brought_up_to_date(tmp_path, monkeypatch):
    upgrade = database_module.command.upgrade
    monkeypatch.setattr(database_module.command, "upgrade", lambda config, to: upgrade(config, "0001"))
    open_database(tmp_path / "v.db").close()
    with sqlite3.connect(tmp_path / "v.db") as connection:
        connection.execute(
            "INSERT INTO datasets VALUES ('d1', 'pets', 'classification', 'f', '/pets', 'x', 3, '[\"cat\"]', 1.5, NULL)"
        )
    connection.close()
    monkeypatch.undo()
    opened = open_database(tmp_path / "v.db")
    with opened.reading() as session:
        row = session.get_one(Dataset, "d1")
    opened.close()
    assert (row.name, row.classes, row.trashed) == ("pets", ["cat"], None)
    assert len(list(tmp_path.glob("v-0001-*.db"))) == 1


def test_a_newer_database_and_a_file_that_is_none_are_refused(tmp_path):
    open_database(tmp_path / "v.db").close()
    with sqlite3.connect(tmp_path / "v.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(StoreError, match="newer version of Viewfinder"):
        open_database(tmp_path / "v.db")
    (tmp_path / "other.db").write_bytes(b"no database" * 1000)
    with pytest.raises(StoreError, match="cannot be used as a database"):
        open_database(tmp_path / "other.db")
