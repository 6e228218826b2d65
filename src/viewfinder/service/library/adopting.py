"""Runs made elsewhere: opened in the library where they are, each once."""

from dataclasses import dataclass, replace
from pathlib import Path

import sqlalchemy as sa

from viewfinder.data.dataset import Dataset as Index
from viewfinder.data.dataset import fingerprint, frame
from viewfinder.data.diagnostics import Diagnostic, ordered
from viewfinder.data.probe import probe_all
from viewfinder.design import Design
from viewfinder.errors import InputError
from viewfinder.run import RunFolder, RunInfo
from viewfinder.service.library import datasets
from viewfinder.service.library.library import Library, new_id
from viewfinder.service.library.runs import FINAL
from viewfinder.service.source import Progress, Source, load
from viewfinder.store import Analysis, Dataset, Run


@dataclass(frozen=True)
class Found:
    """A run folder that can be opened: what it says of itself."""

    folder: RunFolder
    info: RunInfo
    design: Design

    @classmethod
    def at(cls, path: Path) -> "Found":
        """Read a run folder; raise RunError when it is none, DesignError when its design cannot be read."""
        folder = RunFolder.open(path.expanduser().absolute().resolve())
        folder.split()
        return cls(folder, folder.info(), folder.design())


def adopt(library: Library, folder: Path, progress: Progress | None = None) -> Run:
    """Open a run folder that was made elsewhere, and return its row: with an analysis of its design and its dataset.

    The folder stays where it is and nothing in it changes. One that was opened before, or is the library's own, is
    recognised by its path, and comes back from the trash. Raises RunError for a folder that is no run.
    """
    found = Found.at(folder)
    there = _row_of(library, found.folder.path)
    if there:
        return _untrashed(library, there)
    dataset = _dataset(library, found, progress)
    now = library.clock()
    chosen = {key: value for key, value in found.design.model_dump(mode="json").items() if key != "task"}
    name = found.folder.path.name
    analysis = Analysis(id=new_id(), dataset_id=dataset.id, name=name, created=now, design=chosen)
    row = Run(
        id=new_id(), analysis_id=analysis.id, name=name, folder=str(found.folder.path), state=_state(found),
        created=found.info.created, error=found.info.error,
    )  # fmt: skip
    with library.database.writing() as session:
        session.add(analysis)
        session.flush()
        session.add(row)
    return row


def _state(found: Found) -> str:
    """Return what a run is here: one that nobody trains any more is stopped, for opening it must not train it."""
    if found.info.status in FINAL:
        return found.info.status
    return "running" if found.folder.is_alive() else "stopped"


def _row_of(library: Library, path: Path) -> Run | None:
    with library.database.reading() as session:
        rows = session.scalars(sa.select(Run)).all()
    return next((row for row in rows if (library.home / row.folder).resolve() == path), None)


def _untrashed(library: Library, row: Run) -> Run:
    with library.database.writing() as session:
        run = session.get_one(Run, row.id)
        analysis = session.get_one(Analysis, run.analysis_id)
        for one in (run, analysis, session.get_one(Dataset, analysis.dataset_id)):
            one.trashed = None
    return run


# -- its data ---------------------------------------------------------------------------------------------------------


def _dataset(library: Library, found: Found, progress: Progress | None) -> Dataset:
    """Return the dataset of a run: the library's own, or its source imported again, or what the run itself kept."""
    there = _of_fingerprint(library, found.info.dataset.fingerprint)
    if there:
        return there
    index, source = _imported(found, progress), Path(found.info.dataset.source)
    if index is not None:
        return _of_fingerprint(library, index.fingerprint) or datasets.keep(library, index, source=source)
    kept = _kept(found, progress)
    return datasets.keep(library, kept, source=source, fingerprint=found.info.dataset.fingerprint)


def _of_fingerprint(library: Library, fingerprint: str) -> Dataset | None:
    query = sa.select(Dataset).where(Dataset.fingerprint == fingerprint, Dataset.trashed.is_(None))
    with library.database.reading() as session:
        return session.scalars(query.order_by(Dataset.created)).first()


def _imported(found: Found, progress: Progress | None) -> Index | None:
    """Return the dataset as its source has it now; None when the source is gone, or is not what was trained on."""
    design, info = found.design, found.info
    try:
        index = load(
            Source(Path(info.dataset.source), design.task), group_column=design.split.group_column, progress=progress
        )
        used = index if design.target.classes is None else index.select(info.dataset.classes)
    except InputError:
        return None
    return index if used.fingerprint == info.dataset.fingerprint else None


def _kept(found: Found, progress: Progress | None) -> Index:
    """Return the dataset of a run from what its folder kept: those of its images that can still be read."""
    split, info, task = found.folder.split(), found.info.dataset, found.design.task
    root, column = Path(info.root), split.columns[-1]
    looks = list(probe_all([root / image for image in split["image"]], progress))
    rows = [
        {"image": image, column: target, "sha256": look.sha256, "width": look.upright[0], "height": look.upright[1]}
        for image, target, look in zip(split["image"], split[column], looks, strict=True)
        if not look.problem
    ]
    lost = [
        Diagnostic("error", "image_gone", image, f"{look.problem}.")
        for image, look in zip(split["image"], looks, strict=True)
        if look.problem
    ]
    said = f"The source '{info.source}' is gone or has changed since the run '{found.folder.path}' was trained."
    index = Index(root, info.name, info.format, task, info.classes, frame(task, rows), ordered([
        Diagnostic("warning", "source_gone", "", said), *lost
    ]), "")  # fmt: skip
    return replace(index, fingerprint=fingerprint(task, info.classes, index.images))
