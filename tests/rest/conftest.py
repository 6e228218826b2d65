"""The REST API in process, over an empty library and over one with a finished run of each task."""

import shutil

import pytest
from fastapi.testclient import TestClient

from viewfinder.rest.app import create_rest
from viewfinder.service.library import analyses, datasets
from viewfinder.service.library.library import Library
from viewfinder.store import Run


@pytest.fixture
def api(library):
    """The API over an empty library."""
    with TestClient(create_rest(library)) as client:
        yield client


def library_of(home, *runs):
    """Return a library that holds finished runs; what they are of, and they, are named after their source."""
    library = Library.open(home / "home")
    library.data_roots = (home,)
    for source, run in runs:
        analysis = analyses.create(library, datasets.add(library, source))
        shutil.copytree(run.path, library.home / "runs" / source.name)
        row = Run(source.name, analysis.id, f"On {source.name}", f"runs/{source.name}", "finished", 1.0)
        with library.database.writing() as session:
            session.add(row)
    return library


@pytest.fixture(scope="module")
def shown(tmp_path_factory, colors, squares, colors_run, squares_run):
    """A library that holds a finished run of each task."""
    library = library_of(tmp_path_factory.mktemp("shown"), (colors, colors_run), (squares, squares_run))
    yield library
    library.database.close()


@pytest.fixture
def own(tmp_path, colors, colors_run):
    """A library with a finished run that a test may change."""
    library = library_of(tmp_path, (colors, colors_run))
    yield library
    library.database.close()


@pytest.fixture(scope="module")
def results(shown):
    """The API over that library."""
    with TestClient(create_rest(shown)) as client:
        yield client
