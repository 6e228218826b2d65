"""The REST API in process, over an empty library and over one with a finished run of each task."""

import pytest
from fastapi.testclient import TestClient

from libraries import filled
from viewfinder.rest.app import create_rest


@pytest.fixture
def api(library):
    """The API over an empty library."""
    with TestClient(create_rest(library)) as client:
        yield client


def library_of(folder, *runs):
    """Return a library that holds finished runs; what they are of, and they, are named after their source."""
    library, _ = filled(folder / "home", *runs)
    library.data_roots = (folder,)
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
