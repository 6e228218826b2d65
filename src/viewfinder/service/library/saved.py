"""Saved models: runs' models that were put to work under a name, version by version, one of them active."""

import os
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from viewfinder.errors import NotFoundError, RunError, StateError, StoreError
from viewfinder.run import ModelInfo, read_model_info
from viewfinder.service.library import history, names, runs
from viewfinder.service.library.library import Library, new_id
from viewfinder.store import Analysis, Dataset, Run, SavedModel, Version

FILES = ("model.json", "model.safetensors")


@dataclass(frozen=True)
class Origin:
    """A version, and where it came from; `entry` is its run, with the design's metric."""

    version: Version
    entry: history.Entry
    analysis: Analysis
    dataset: Dataset
    bytes: int


def saved_models(library: Library) -> list[SavedModel]:
    """Return all saved models that are not in the trash, the newest first."""
    query = sa.select(SavedModel).where(SavedModel.trashed.is_(None)).order_by(SavedModel.created.desc())
    with library.database.reading() as session:
        return list(session.scalars(query))


def versions(library: Library, model: SavedModel) -> list[Version]:
    """Return the versions of a saved model, the newest first."""
    query = sa.select(Version).where(Version.saved_model_id == model.id).order_by(Version.number.desc())
    with library.database.reading() as session:
        return list(session.scalars(query))


def get_version(library: Library, model: SavedModel, number: int) -> Version:
    """Return a version by its number; raise NotFoundError when there is none."""
    with library.database.reading() as session:
        found = session.get(Version, (model.id, number))
    if found is None:
        raise NotFoundError(f"'{model.name}' has no version {number}.")
    return found


def folder(library: Library, version: Version) -> Path:
    """Return the folder that holds the model.json and the model.safetensors of a version."""
    return library.home / "models" / version.saved_model_id / str(version.number)


def active_folder(library: Library, model: SavedModel) -> Path:
    """Return the folder of the version in use; raise StateError when none is."""
    if model.active is None:
        raise StateError(f"No version of '{model.name}' is active.")
    return folder(library, get_version(library, model, model.active))


def origin(library: Library, version: Version) -> Origin:
    """Return where a version came from."""
    run = library.get(Run, version.run_id)
    analysis = library.get(Analysis, run.analysis_id)
    size = sum(path.stat().st_size for path in folder(library, version).glob("*"))
    dataset = library.get(Dataset, analysis.dataset_id)
    return Origin(version, history.entry(library, run), analysis, dataset, size)


# -- deploy -----------------------------------------------------------------------------------------------------------


def deploy(
    library: Library,
    run: Run,
    into: SavedModel | None = None,
    *,
    name: str = "",
    notes: str = "",
    activate: bool = True,
) -> Version:
    """Make a copy of a run's model the next version of a saved model, or the first of a new one called `name`.

    A first version is active in any case. Raises RunError for a run that is not over or has no model, and StoreError
    for a name that is taken, or a saved model of another task or other classes.
    """
    if run.state not in runs.FINAL:
        raise RunError(f"'{run.name}' is not over yet. Stop it, or wait for its end.")
    there = runs.folder(library, run)
    info = there.model_info()
    there.with_model()
    model = into or SavedModel(new_id(), names.valid(name), info.task, library.clock())
    if into:
        _check_fit(library, into, info, run)
    beside = library.home / "models" / model.id / f".{new_id()}"
    try:
        with there.locked():
            _copy(there.model_path(), beside)
        return _add(library, run, model, beside, notes, activate)
    except OSError as error:
        raise StoreError(f"The model cannot be copied: {error.strerror or error}.") from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _check_fit(library: Library, model: SavedModel, info: ModelInfo, run: Run) -> None:
    """Raise StoreError unless a model answers as the saved model's newest version does: same task, classes, order."""
    way_out = "Deploy it as a new saved model."
    if info.task != model.task:
        raise StoreError(f"'{model.name}' does {model.task}, the model of '{run.name}' {info.task}. {way_out}")
    for newest in versions(library, model)[:1]:
        known = read_model_info(folder(library, newest)).classes
        if known == info.classes:
            return
        what = "classes in another order" if set(known) == set(info.classes) else "other classes"
        raise StoreError(
            f"The model of '{run.name}' has {what} ({_listed(info.classes)}) than '{model.name}' ({_listed(known)}). "
            f"{way_out}"
        )


def _listed(classes: tuple[str, ...]) -> str:
    return ", ".join(classes[:10]) + (f" and {len(classes) - 10} more" if len(classes) > 10 else "")


def _copy(source: Path, target: Path) -> None:
    """Copy a model to the disk for sure, so that a version is whole or not there."""
    target.mkdir(parents=True)
    for name in FILES:
        shutil.copy2(source / name, target / name)
        with (target / name).open("rb+") as file:
            os.fsync(file.fileno())


def _add(library: Library, run: Run, model: SavedModel, copied: Path, notes: str, activate: bool) -> Version:
    """Put a copied model in its place, and write it down, in one step."""
    with library.database.writing() as session:
        row = session.get(SavedModel, model.id)
        if row is None:
            session.add(row := model)
            try:
                session.flush()
            except IntegrityError:
                taken = f"There already is a saved model '{model.name}', maybe in the trash."
                raise StoreError(f"{taken} Choose another name.") from None
        last = session.scalar(sa.select(sa.func.max(Version.number)).where(Version.saved_model_id == row.id))
        version = Version(row.id, (last or 0) + 1, run.id, library.clock(), notes)
        target = folder(library, version)
        shutil.rmtree(target, ignore_errors=True)  # what a crash left: no row names it
        copied.rename(target)
        session.add(version)
        if activate or row.active is None:
            row.active = version.number
    return version


# -- which one is in use ----------------------------------------------------------------------------------------------


def activate(library: Library, model: SavedModel, number: int) -> SavedModel:
    """Put a version to use, and return the saved model; raise NotFoundError when there is none of that number."""
    get_version(library, model, number)
    with library.database.writing() as session:
        row = session.get_one(SavedModel, model.id)
        row.active = number
    return row


def roll_back(library: Library, model: SavedModel) -> SavedModel:
    """Put the version before the active one to use, and return the saved model; raise StateError when there is none."""
    active = library.get(SavedModel, model.id).active or 0
    before = max((one.number for one in versions(library, model) if one.number < active), default=None)
    if before is None:
        raise StateError(f"'{model.name}' has no version before {active}.")
    return activate(library, model, before)


# -- download ---------------------------------------------------------------------------------------------------------


class _Pieces:
    """Takes what a zip writes, until it is fetched; it cannot be sought in, so that nothing has to be kept."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        """Take a piece."""
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""

    def fetch(self) -> bytes:
        """Return what was written since the last time."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def zipped(source: Path, piece_bytes: int = 1 << 20) -> Iterator[bytes]:
    """Yield a zip of a version's files, piece by piece, uncompressed: weights hardly shrink."""
    out = _Pieces()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name in FILES:
            with (source / name).open("rb") as file, archive.open(name, "w", force_zip64=True) as entry:
                while piece := file.read(piece_bytes):
                    entry.write(piece)
                    yield out.fetch()
    yield out.fetch()
