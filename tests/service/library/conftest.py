"""Runs in a library."""

import pytest

from libraries import add_run
from viewfinder.service.library import analyses, datasets


@pytest.fixture
def colors_analysis(library, colors):
    """An analysis of `colors`."""
    return analyses.create(library, datasets.add(library, colors), "Colours")


@pytest.fixture
def trained(library, colors_analysis, colors_run):
    """trained(id): a finished run of that analysis."""

    def make(identity, state="finished", source=colors_run, analysis=colors_analysis):
        return add_run(library, analysis.id, source, identity, f"Run {identity}", library.clock(), state)

    return make
