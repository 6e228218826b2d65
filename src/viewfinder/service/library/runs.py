"""Runs of analyses: asked for, queued, started one after the other, and read from their folders."""

import shutil
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from viewfinder.errors import InputError, RunError
from viewfinder.events import Note
from viewfinder.report import retell_threshold
from viewfinder.run import RunFolder, RunInfo
from viewfinder.service.designs import Wanted
from viewfinder.service.library import analyses, datasets, names
from viewfinder.service.library.library import Library, new_id
from viewfinder.service.preparing import prepare_dataset
from viewfinder.service.training import reopen
from viewfinder.store import Analysis, Dataset, Run

FINAL = ("finished", "stopped", "failed")
MOST_COMPARED = 8


def create(library: Library, analysis: Analysis, name: str = "", request: str | None = None) -> Run:
    """Prepare a run of an analysis's design and queue it.

    A `request` that was made before returns the run that it made. Raises InputError for what is wrong with the design,
    StoreError for weights that the server may not read, and RunError when the request is another analysis's.
    """
    if request and (there := _of_request(library, request, analysis)):
        return there
    analyses.require_weights(library, analyses.design_of(library, analysis))
    dataset = library.get(Dataset, analysis.dataset_id)
    named = names.valid(name) if name else _free_name(library, analysis)
    row = Run(
        id=new_id(), analysis_id=analysis.id, name=named, folder="", state="queued",
        created=library.clock(), request=request,
    )  # fmt: skip
    row.folder = f"runs/{row.id}"
    asked = Wanted(analyses.values_of(library, analysis), {})
    folder = library.home / row.folder
    index = datasets.grouped(dataset, datasets.index(library, dataset), asked.group_column)
    prepare_dataset(index, asked, folder, source=datasets.source(dataset), clock=library.clock)
    try:
        with library.database.writing() as session:
            session.add(row)
    except IntegrityError:
        shutil.rmtree(folder, ignore_errors=True)
        if there := _of_request(library, request or "", analysis):
            return there
        raise
    return row


def runs(library: Library, analysis: Analysis | None = None, state: str | None = None) -> list[Run]:
    """Return all runs that are not in the trash, or those of an analysis, or in a state, the newest first."""
    query = sa.select(Run).where(Run.trashed.is_(None)).order_by(Run.created.desc())
    if analysis is not None:
        query = query.where(Run.analysis_id == analysis.id)
    if state is not None:
        query = query.where(Run.state == state)
    with library.database.reading() as session:
        return list(session.scalars(query))


def to_compare(library: Library, identities: Sequence[str]) -> list[Run]:
    """Return runs by their ids, each once; raise InputError unless they are few enough to be seen side by side."""
    wanted = list(dict.fromkeys(identities))
    choose = f"Choose 2 to {MOST_COMPARED} runs to compare"
    if len(wanted) > MOST_COMPARED:
        raise InputError(f"{choose}; {len(wanted)} were chosen.")
    rows = [library.get(Run, identity) for identity in wanted]
    if len(rows) == 1 and len(identities) > 1:
        raise InputError(f"'{rows[0].name}' was chosen to be compared with itself. {choose}, each another one.")
    if len(rows) < 2:
        raise InputError(f"{choose}; only '{rows[0].name}' was chosen." if rows else f"{choose}; none was chosen.")
    return rows


def folder(library: Library, run: Run) -> RunFolder:
    """Return the run's folder."""
    return RunFolder.open(library.home / run.folder)


def info(library: Library, run: Run) -> RunInfo:
    """Return what the run's folder says of it."""
    return folder(library, run).info()


def unfinished(library: Library) -> list[Run]:
    """Return the runs that are running, then those that are queued in the order in which they start."""
    query = sa.select(Run).where(Run.state.not_in(FINAL)).order_by(Run.state != "running", Run.created)
    with library.database.reading() as session:
        return list(session.scalars(query))


def claim(library: Library, run: Run, *, again: bool = False) -> bool:
    """Make a queued run a running one, or, `again`, start a running one once more; return whether it still was that."""
    was = "running" if again else "queued"
    return _update(library, run, was, state="running", attempts=run.attempts + 1)


def set_state(library: Library, run: Run, state: str, error: str | None = None, *, as_seen: bool = False) -> None:
    """Write down what a run's folder says; `as_seen`: unless the run has been resumed, or else changed, meanwhile."""
    if as_seen:
        _update(library, run, run.state, state=state, error=error)
        return
    with library.database.writing() as session:
        session.execute(sa.update(Run).where(Run.id == run.id).values(state=state, error=error))


def stop(library: Library, run: Run) -> None:
    """Ask a run to stop; a queued one never starts. Raises RunError when it is over already."""
    if _update(library, run, "queued", state="stopped"):
        return
    state = library.get(Run, run.id).state
    if state in FINAL:
        raise RunError(f"'{run.name}' is over already: it is {state}.")
    folder(library, run).request_stop()


def resume(library: Library, run: Run, more: int = 0) -> Run:
    """Queue a run that is over once more: to go on where it stopped, or for `more` epochs than it has done.

    Raises RunError when there is nothing to do, or it is not over.
    """
    run = library.get(Run, run.id)  # it may have ended since it was read
    there = folder(library, run)
    if run.state not in FINAL:
        status = there.info().status
        if status not in FINAL:
            raise RunError(f"'{run.name}' is {run.state}: it goes on by itself.")
        _update(library, run, run.state, state=status)  # its end was not noted yet; now nobody else will
        run = library.get(Run, run.id)
    reopen(there, there.epochs().height + more if more else None)
    _update(library, run, run.state, state="queued", attempts=0, error=None)
    return library.get(Run, run.id)


def use_threshold(library: Library, run: Run, threshold: float) -> None:
    """Have a detector's model report boxes from this confidence on, and its report say so.

    Raises RunError while it is being trained, and for a model that has no threshold.
    """
    if not 0 <= threshold <= 1:
        raise RunError(f"The threshold is {threshold}; a confidence is between 0 and 1.")
    if (model := folder(library, run).model_info()).threshold is None:
        raise RunError(f"'{run.name}' is a model for {model.task}: it has no threshold.")
    note = Note(time=library.clock(), message=f"The threshold was set to {threshold:.4g}.")
    folder(library, run).write_threshold(threshold, note)
    retell_threshold(folder(library, run), threshold)


def _update(library: Library, run: Run, was: str, **values: Any) -> bool:
    """Change a run's row if it still is as it was seen, in that state and not in the trash; return whether it was."""
    seen = (Run.id == run.id, Run.state == was, Run.attempts == run.attempts, Run.trashed.is_(None))
    with library.database.writing() as session:
        row = session.scalars(sa.select(Run).where(*seen)).one_or_none()
        for name, value in values.items() if row else ():
            setattr(row, name, value)
    return row is not None


def _of_request(library: Library, request: str, analysis: Analysis) -> Run | None:
    with library.database.reading() as session:
        there = session.scalars(sa.select(Run).where(Run.request == request)).one_or_none()
    if there is not None and there.analysis_id != analysis.id:
        raise RunError(f"The key '{request}' already made the run '{there.id}' of another analysis. Choose a new key.")
    if there is not None and there.trashed is not None:
        raise RunError(f"The run '{there.id}', which the key '{request}' made, was deleted. Choose a new key.")
    return there


def _free_name(library: Library, analysis: Analysis) -> str:
    """Return `Run 4` after three runs, also when some of them are in the trash."""
    query = sa.select(sa.func.count()).where(Run.analysis_id == analysis.id)
    with library.database.reading() as session:
        return f"Run {(session.scalar(query) or 0) + 1}"
