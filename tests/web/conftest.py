"""A real server in a process of its own, and a real browser."""

import os
import shutil

import pytest

from libraries import filled
from servers import serving

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def _browser_path():
    named = os.environ.get("VIEWFINDER_CHROMIUM")
    return named or next(filter(None, map(shutil.which, BROWSERS)), None)


EARLY = "(reading 'dispose')"  # NiceGUI's own, thrown or logged: a chart that left the page before it was drawn


@pytest.fixture(scope="session")
def browser():
    """A Chromium that is installed on this machine."""
    playwright = pytest.importorskip("playwright.sync_api")
    path = _browser_path()
    if not path:
        pytest.skip("NO BROWSER: the pages are not tested. Install Chromium, or name one in VIEWFINDER_CHROMIUM.")
    playwright.expect.set_options(timeout=30_000)  # a busy machine is slow, not wrong
    with playwright.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def console_errors():
    """What the browser's console called an error; anything left in it fails the test."""
    return []


@pytest.fixture
def page(browser, console_errors):
    """A page of a new visitor."""
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    opened = context.new_page()
    opened.set_default_timeout(30_000)

    def note(error):
        if EARLY not in error:
            console_errors.append(error)

    opened.on("console", lambda message: note(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: note(str(error)))
    yield opened
    context.close()
    assert console_errors == []


@pytest.fixture
def samples():
    """Asked for by a test whose server is to have the sample data."""


@pytest.fixture
def server(tmp_path, request):
    """A server that is started; its trainers are stopped with it."""
    with serving(tmp_path / "home", "samples" in request.fixturenames) as made:
        yield made


@pytest.fixture
def shown(tmp_path, colors, squares, colors_run, squares_run):
    """A library that holds a finished run of each task, named after its source; return their analyses by that name."""
    library, made = filled(tmp_path / "home", (colors, colors_run), (squares, squares_run))
    library.database.close()
    return made


@pytest.fixture(scope="session")
def shared(tmp_path_factory, colors, squares, colors_run, squares_run):
    """A server over such a library, for all tests that change nothing in it."""
    home = tmp_path_factory.mktemp("shared") / "home"
    library, _ = filled(home, (colors, colors_run), (squares, squares_run))
    library.database.close()
    with serving(home) as made:
        yield made
