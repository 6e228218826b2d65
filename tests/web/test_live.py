"""The page of a run: what it says of the model that is kept, and what it follows while it is open."""

import polars as pl
import pytest

from viewfinder.events import Note
from viewfinder.run import RunFolder
from viewfinder.service.library import names
from viewfinder.service.library.library import Library
from viewfinder.store import Run

pytestmark = pytest.mark.slow


@pytest.fixture
def server(shown, server):
    """The server, over that library."""
    return server


def test_a_run_that_is_over_shows_the_numbers_of_the_epoch_that_is_kept(server, page):
    from playwright.sync_api import expect

    run = RunFolder(server.home / "runs" / "colors")
    epochs = run.epochs().with_columns(
        test_roc_auc=pl.Series([0.999961, 0.5]), test_accuracy=pl.Series([0.99988, 0.25]), epoch=pl.Series([1, 2])
    )
    run.write_epochs(epochs.to_dicts())
    run.write_latest(run.latest().drop("epoch"), 2)
    run.update(best_epoch=1)
    page.goto(f"{server.url}/runs/colors")
    expect(page.get_by_text("Best ROC AUC").locator("..")).to_contain_text("0.99996")
    kept = "The model kept is that of epoch 1. Better than guessing: accuracy 0.9999 against 0.3333."
    expect(page.get_by_text(kept)).to_be_visible()
    expect(page.get_by_text("After epoch 2, the last one; the model kept is that of epoch 1.")).to_be_visible()


def test_an_open_page_follows_another_name(server, page):
    from playwright.sync_api import expect

    page.goto(f"{server.url}/runs/colors")
    expect(page.get_by_role("heading", name="On colors", exact=True)).to_be_visible()
    library = Library.open(server.home)
    names.rename(library, library.get(Run, "colors"), "Renamed elsewhere")
    library.database.close()
    expect(page.get_by_role("heading", name="Renamed elsewhere", exact=True)).to_be_visible()
    expect(page.get_by_role("banner").get_by_role("link", name="Renamed elsewhere")).to_be_visible()


def test_long_lines_of_the_log_are_wrapped(server, page):
    page.set_viewport_size({"width": 400, "height": 800})
    run = RunFolder(server.home / "runs" / "colors")
    run.append(Note(time=1.0, message="a long line " * 30 + "x" * 200))
    page.goto(f"{server.url}/runs/colors")
    page.get_by_text("a long line").wait_for()
    lines = page.locator(".nicegui-log .q-scrollarea__content > div")
    widths = lines.evaluate_all("all => all.map(one => [one.scrollWidth, one.closest('.nicegui-log').clientWidth])")
    assert all(line <= room for line, room in widths)


def test_a_run_that_stopped_before_its_first_epoch_has_no_empty_chart(server, page):
    from playwright.sync_api import expect

    run = RunFolder(server.home / "runs" / "colors")
    run.update(best_epoch=None, epochs_done=0, status="stopped")
    for name in ("epochs.csv", "events.jsonl", "latest.parquet"):
        (run.path / name).unlink()
    page.goto(f"{server.url}/runs/colors")
    expect(page.get_by_text("Drawn when the first epoch is done.")).to_be_visible()
    expect(page.get_by_text("Drawn when the first step is done.")).to_have_count(2)
    expect(page.locator("canvas:visible")).to_have_count(0)
