"""Runs beside each other: on other test images, and what cannot be compared."""

import re

import polars as pl
import pytest

from libraries import add_run, filled
from servers import serving
from viewfinder.run import RunFolder

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory, colors, squares, colors_run, squares_run):
    """A server whose library holds a second run that was judged on one image less."""
    home = tmp_path_factory.mktemp("compare") / "home"
    library, made = filled(home, (colors, colors_run), (squares, squares_run))
    add_run(library, made["colors"].id, colors_run, "again", "Once more", 2.0)
    library.database.close()
    folder = RunFolder(home / "runs" / "again")
    split = folder.split()
    test = pl.col("image") == split.filter(split["split"] == "test")["image"][0]
    split = split.with_columns(pl.when(test).then(pl.lit("train")).otherwise(pl.col("split")).alias("split"))
    split.write_parquet(folder.path / "split.parquet")
    with serving(home) as started:
        yield started


def test_no_run_is_marked_as_the_best_when_test_images_differ(server, page):
    from playwright.sync_api import expect

    page.goto(f"{server.url}/compare?run=colors&run=again")
    expect(page.get_by_role("row", name=re.compile("^Accuracy "))).to_be_visible()
    expect(page.get_by_text("Each run was measured on test images of its own: A on 6 ")).to_be_visible()
    expect(page.get_by_text("★")).to_have_count(0)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("run=colors&run=squares", "'On colors' (classification), 'On squares' (detection)"),
        ("run=colors", "only 'On colors' was chosen"),
        ("run=colors&run=colors", "'On colors' was chosen to be compared with itself"),
    ],
)
def test_what_cannot_be_compared_is_said_by_name_with_a_way_back(server, page, query, said):
    from playwright.sync_api import expect

    page.goto(f"{server.url}/compare?{query}")
    expect(page.get_by_role("heading", name="These cannot be compared")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text(said)
    page.get_by_role("link", name="Back to the runs").click()
    expect(page.get_by_role("heading", name="Runs of colors")).to_be_visible()
