"""The table of runs in windows and with names that leave little room."""

import itertools

import pytest

from viewfinder.service.library import names
from viewfinder.service.library.library import Library
from viewfinder.store import Run

pytestmark = pytest.mark.slow


@pytest.fixture
def server(shown, server):
    """The server, over that library; the run has a long name without a space."""
    library = Library.open(server.home)
    names.rename(library, library.get(Run, "colors"), "n" * 120)
    library.database.close()
    return server


@pytest.mark.parametrize("width", [1200, 400])
def test_every_button_of_a_run_is_within_reach(server, page, shown, width):
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{server.url}/analyses/{shown['colors'].id}/runs")
    button = page.get_by_role("button", name="Delete nnn")
    button.wait_for()
    edge = page.locator(".vf-card .vf-stacked").evaluate("one => one.closest('.vf-card').getBoundingClientRect().right")
    for one in (button, page.get_by_role("cell", name="efficientnet_lite0"), page.locator("a.vf-cell", has_text="nnn")):
        box = one.bounding_box()
        assert box["x"] + box["width"] <= edge


def test_choices_of_a_metric_stand_apart_in_a_narrow_window(server, page, shown):
    page.set_viewport_size({"width": 400, "height": 900})
    page.goto(f"{server.url}/analyses/{shown['colors'].id}?tab=metrics")
    page.get_by_role("radio").first.wait_for()
    boxes = [one.bounding_box() for one in page.get_by_role("radio").all()]
    assert all(below["y"] - (box["y"] + box["height"]) >= 8 for box, below in itertools.pairwise(boxes))
