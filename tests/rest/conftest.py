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


@pytest.fixture(scope="module")
def shown(tmp_path_factory, colors, squares, colors_run, squares_run):
    """A library that holds a finished run of each task; runs, datasets and analyses are named after their source."""
    home = tmp_path_factory.mktemp("shown")
    library = Library.open(home / "home")
    library.data_roots = (home,)
    for source, run in ((colors, colors_run), (squares, squares_run)):
        analysis = analyses.create(library, datasets.add(library, source))
        shutil.copytree(run.path, library.home / "runs" / source.name)
        row = Run(source.name, analysis.id, f"On {source.name}", f"runs/{source.name}", "finished", 1.0)
        with library.database.writing() as session:
            session.add(row)
    yield library
    library.database.close()


@pytest.fixture(scope="module")
def results(shown):
    """The API over that library."""
    with TestClient(create_rest(shown)) as client:
        yield client
