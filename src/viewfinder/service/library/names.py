"""Names and notes that people give to what is in the library."""

from typing import TypeVar

from sqlalchemy.exc import IntegrityError

from viewfinder.errors import StoreError
from viewfinder.service.library.library import KINDS, Library
from viewfinder.store import Analysis, Dataset, Run, SavedModel, Version

MOST_NAME, MOST_NOTES = 200, 10_000
Named = TypeVar("Named", Dataset, Analysis, Run, SavedModel)


def valid(name: str) -> str:
    """Return a name without the spaces around it; raise StoreError for an empty or a very long one."""
    name = name.strip()
    if not name:
        raise StoreError("A name cannot be empty.")
    if "\0" in name:
        raise StoreError("A name cannot hold a null character.")
    if len(name) > MOST_NAME:
        raise StoreError(f"The name has {len(name):,} characters; {MOST_NAME} are possible.")
    return name


def rename(library: Library, row: Named, name: str) -> Named:
    """Give something another name, and return it; raise StoreError for one that is not valid or is taken."""
    name, kind = valid(name), type(row)
    library.get(kind, row.id)
    try:
        with library.database.writing() as session:
            found = session.get_one(kind, row.id)
            found.name = name
    except IntegrityError:
        raise StoreError(f"There already is a {KINDS[kind]} '{name}'. Choose another name.") from None
    return found


def write_notes(library: Library, row: Run | Version, notes: str) -> Run | Version:
    """Replace the notes on a run or a version, and return it; raise StoreError for more than can be kept."""
    if len(notes) > MOST_NOTES:
        raise StoreError(f"The notes have {len(notes):,} characters; {MOST_NOTES:,} are possible.")
    with library.database.writing() as session:
        found: Run | Version
        if isinstance(row, Run):
            found = session.get_one(Run, row.id)
        else:
            found = session.get_one(Version, (row.saved_model_id, row.number))
        found.notes = notes
    return found
