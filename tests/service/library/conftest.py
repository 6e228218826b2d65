"""Runs in a library."""

import shutil

import pytest

from viewfinder.service.library import analyses, datasets
from viewfinder.store import Run


@pytest.fixture
def colors_analysis(library, colors):
    """An analysis of `colors`."""
    return analyses.create(library, datasets.add(library, colors), "Colours")


@pytest.fixture
def trained(library, colors_analysis, colors_run):
    """trained(id): a finished run of that analysis."""

    def make(identity, state="finished", source=colors_run, analysis=colors_analysis):
        shutil.copytree(source.path, library.home / "runs" / identity)
        row = Run(identity, analysis.id, f"Run {identity}", f"runs/{identity}", state, library.clock())
        with library.database.writing() as session:
            session.add(row)
        return row

    return make
