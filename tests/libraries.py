"""Libraries that hold finished runs."""

import shutil

from viewfinder.service.library import analyses, datasets
from viewfinder.service.library.library import Library
from viewfinder.store import Run


def filled(home, *runs):
    """Return an open library of sources and runs, each named after its source, and the analyses by these names."""
    library, made = Library.open(home), {}
    for source, run in runs:
        made[source.name] = analyses.create(library, datasets.add(library, source))
        add_run(library, made[source.name].id, run, source.name, f"On {source.name}")
    return library, made


def add_run(library, analysis_id, run, identity, name, started=1.0, state="finished", **more):
    """Copy a run into an analysis of a library, and return its row."""
    shutil.copytree(run.path, library.home / "runs" / identity)
    row = Run(identity, analysis_id, name, f"runs/{identity}", state, started, **more)
    with library.database.writing() as session:
        session.add(row)
    return row
