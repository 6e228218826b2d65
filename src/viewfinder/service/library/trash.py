"""The trash: what is deleted stays there for a week, and can be restored, before its files are removed for good.

To delete only marks a row. To remove for good goes in three steps, each of which can be the last before a crash: the
files are renamed into `trash/`, the row is deleted, the files are removed. Restoring brings renamed files back; what
lies in `trash/` without a row is removed at the next `empty`.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from viewfinder.errors import NotFoundError, StateError
from viewfinder.service.library import datasets
from viewfinder.service.library.library import Library
from viewfinder.store import Analysis, Dataset, Run, SavedModel, Version

KEPT_S = 7 * 24 * 3600.0
Trashable = Dataset | Analysis | Run | SavedModel
ORDER: dict[str, type[Any]] = {"saved model": SavedModel, "run": Run, "analysis": Analysis, "dataset": Dataset}
"""What can be in the trash; what depends on others comes before them."""


@dataclass(frozen=True)
class Item:
    """Something in the trash; `until` is when it is removed for good."""

    kind: str
    id: str
    name: str
    trashed: float
    until: float


def discard(library: Library, row: Trashable) -> Item:
    """Move something to the trash; raise StateError while something else depends on it, which is named."""
    kind: type[Any] = type(row)
    with library.database.writing() as session:
        found = session.get(kind, row.id)
        if found is None or found.trashed is not None:
            raise NotFoundError(f"There is no {_kind(row)} '{row.name}' any more.")
        if reason := _needed(session, found):
            raise StateError(reason)
        found.trashed = library.clock()
    return _item(found)


def restore(library: Library, kind: str, identity: str) -> Item:
    """Take something out of the trash, with what it belongs to; raise NotFoundError when it is not there any more."""
    with library.database.writing() as session:
        found = _in_trash(session, kind, identity)
        for row in _belongs_to(session, found):
            _put_back(library, row)
            row.trashed = None
    return Item(kind, found.id, found.name, 0.0, 0.0)


def items(library: Library) -> list[Item]:
    """Return what is in the trash, the last deleted first."""
    with library.database.reading() as session:
        rows = [row for kind in ORDER.values() for row in session.scalars(_trashed(kind))]
    return sorted(map(_item, rows), key=lambda item: -item.trashed)


def remove(library: Library, kind: str, identity: str) -> Item:
    """Remove something in the trash, and what is in the trash of it, for good; return what it was.

    Raises NotFoundError when it is not in the trash, and StateError when something else needs it.
    """
    with library.database.reading() as session:
        row = _in_trash(session, kind, identity)
        parts = [(_kind(part), part.id) for part in _parts(session, row)]
        reason = _needed(session, row)
    if reason:
        raise StateError(reason)
    for part in parts:
        remove(library, *part)
    _remove_for_good(library, row)
    return _item(row)


def empty(library: Library) -> int:
    """Remove for good what has been in the trash for a week, and what an earlier removal left; return how many."""
    old = [item for item in items(library) if item.until <= library.clock()]
    order = list(ORDER)
    removed = 0
    for item in sorted(old, key=lambda item: order.index(item.kind)):
        try:
            remove(library, item.kind, item.id)
            removed += 1
        except StateError:
            continue  # it is still needed, or in use: next time
    _sweep(library)
    return removed


# -- what depends on what ---------------------------------------------------------------------------------------------


def _needed(session: Session, row: Trashable) -> str | None:
    """Return in words what depends on a row, or None; what is in the trash itself goes with it."""
    match row:
        case Dataset():
            return _used(row, "analyses", _names(session, Analysis, Analysis.dataset_id == row.id))
        case Analysis():
            return _used(row, "runs", _names(session, Run, Run.analysis_id == row.id))
        case Run() if row.state in ("queued", "running"):
            return f"'{row.name}' is {'waiting' if row.state == 'queued' else 'training'}. Stop it first."
        case Run():
            query = sa.select(SavedModel).join(Version).where(Version.run_id == row.id).distinct()
            models = list(session.scalars(query.order_by(SavedModel.name)))
            return _used(row, "saved models", [_placed(model) for model in models])
        case _:
            return None


def _used(row: Trashable, by: str, names: Sequence[str]) -> str | None:
    if not names:
        return None
    one = {"analyses": "analysis", "runs": "run", "saved models": "saved model"}[by]
    listed = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return f"'{row.name}' is used by the {one if len(names) == 1 else by} {listed}. Delete {_it(names)} first."


def _it(names: Sequence[str]) -> str:
    return "it" if len(names) == 1 else "them"


def _placed(row: SavedModel) -> str:
    return f"'{row.name}'" + (" (in the trash: delete it there for good)" if row.trashed is not None else "")


def _names(session: Session, kind: type[Any], where: sa.ColumnElement[bool]) -> list[str]:
    query = sa.select(kind).where(where, kind.trashed.is_(None)).order_by(kind.created)
    return [f"'{row.name}'" for row in session.scalars(query)]


def _parts(session: Session, row: Trashable) -> list[Any]:
    """Return what belongs to a row and is in the trash too."""
    match row:
        case Dataset():
            return list(session.scalars(_trashed(Analysis).where(Analysis.dataset_id == row.id)))
        case Analysis():
            return list(session.scalars(_trashed(Run).where(Run.analysis_id == row.id)))
        case _:
            return []


def _belongs_to(session: Session, row: Any) -> list[Any]:
    """Return a row and what it belongs to."""
    chain = [row]
    if isinstance(row, Run):
        chain.append(session.get_one(Analysis, row.analysis_id))
    if isinstance(chain[-1], Analysis):
        chain.append(session.get_one(Dataset, chain[-1].dataset_id))
    return chain


def _trashed(kind: type[Any]) -> "sa.Select[tuple[Any]]":
    return sa.select(kind).where(kind.trashed.is_not(None)).order_by(kind.trashed)


def _in_trash(session: Session, kind: str, identity: str) -> Any:
    row = session.get(ORDER[kind], identity) if kind in ORDER else None
    if row is None or row.trashed is None:
        raise NotFoundError(f"There is no {kind} '{identity}' in the trash.")
    return row


def _item(row: Any) -> Item:
    return Item(_kind(row), row.id, row.name, row.trashed, row.trashed + KEPT_S)


def _kind(row: Any) -> str:
    return next(name for name, kind in ORDER.items() if isinstance(row, kind))


# -- files ------------------------------------------------------------------------------------------------------------


def places(library: Library, row: Any) -> list[Path]:
    """Return the folders that belong to a row, whether they are there or not."""
    match row:
        case Dataset():
            return [library.home / "datasets" / row.id, *_own_images(library, row)]
        case Run():
            folder = library.home / row.folder
            return [folder] if folder.parent == library.home / "runs" else []  # one made elsewhere is the user's
        case SavedModel():
            return [library.home / "models" / row.id]
        case _:
            return []


def _own_images(library: Library, row: Dataset) -> list[Path]:
    """Return the folder of images that were uploaded for a dataset, or written as a sample; never a user's own."""
    root = Path(row.root)
    for parent in (library.home / "datasets" / "files", library.home / "samples"):
        if root.is_relative_to(parent) and root != parent:
            own = parent / root.relative_to(parent).parts[0]
            with library.database.reading() as session:
                others = session.scalars(sa.select(Dataset.root).where(Dataset.id != row.id))
                return [] if any(Path(other).is_relative_to(own) for other in others) else [own]
    return []


def _bin(library: Library, row: Any) -> Path:
    return library.home / "trash" / f"{_kind(row).replace(' ', '-')}-{row.id}"


def _put_back(library: Library, row: Any) -> None:
    for number, place in enumerate(places(library, row)):
        moved = _bin(library, row) / str(number)
        if moved.exists() and not place.exists():
            moved.rename(place)


def _remove_for_good(library: Library, row: Any) -> None:
    try:
        _move_away(library, row)
    except OSError as error:
        raise StateError(f"The files of '{row.name}' are in use: {error.strerror or error}.") from None
    with library.database.writing() as session:
        if isinstance(row, SavedModel):
            session.execute(sa.delete(Version).where(Version.saved_model_id == row.id))
        session.delete(session.get_one(type(row), row.id))
    if isinstance(row, Dataset) and row.sample:
        datasets.forget_sample(library, row.sample)
    shutil.rmtree(_bin(library, row), ignore_errors=True)


def _move_away(library: Library, row: Any) -> None:
    into = _bin(library, row)
    for number, place in enumerate(places(library, row)):
        if place.exists():
            into.mkdir(parents=True, exist_ok=True)
            place.rename(into / str(number))


def _sweep(library: Library) -> None:
    """Remove the files of rows that are gone."""
    kept = {f"{item.kind.replace(' ', '-')}-{item.id}" for item in items(library)}
    for left in (library.home / "trash").glob("*"):
        if left.name not in kept:
            shutil.rmtree(left, ignore_errors=True)
