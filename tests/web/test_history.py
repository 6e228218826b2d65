"""The table of runs in windows and with names that leave little room."""

import itertools

import pytest

from viewfinder.service.library import names
from viewfinder.service.library.library import Library
from viewfinder.store import Run

pytestmark = pytest.mark.slow


WITHIN = """() => {
    const edge = document.querySelector(".vf-stacked").closest(".vf-card").getBoundingClientRect().right;
    const parts = [...document.querySelectorAll(".vf-stacked td, .vf-stacked td a, .vf-stacked td button")];
    return parts.length > 8 && parts.every((one) => one.getBoundingClientRect().right <= edge);
}"""


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
    page.get_by_role("button", name="Delete nnn").wait_for()
    page.wait_for_function(WITHIN)


def test_choices_of_a_metric_stand_apart_in_a_narrow_window(server, page, shown):
    page.set_viewport_size({"width": 400, "height": 900})
    page.goto(f"{server.url}/analyses/{shown['colors'].id}?tab=metrics")
    page.get_by_role("radio").first.wait_for()
    boxes = [one.bounding_box() for one in page.get_by_role("radio").all()]
    assert all(below["y"] - (box["y"] + box["height"]) >= 8 for box, below in itertools.pairwise(boxes))
