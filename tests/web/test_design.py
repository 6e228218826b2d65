"""The Design page: its other tabs, text and command, back to the default, and two people at once."""

import csv
import re

import pytest

from viewfinder.service.library import analyses, datasets
from viewfinder.service.library.library import Library

pytestmark = pytest.mark.slow


@pytest.fixture
def visits(colors, tmp_path):
    """A table of the coloured pictures that also says who took them."""
    path = tmp_path / "visits.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "label", "patient"])
        for name in ("blue", "green", "red"):
            writer.writerows([f"{colors}/{name}/{name} {i}.png", name, f"patient {i}"] for i in range(10))
    return path


@pytest.fixture
def analysis(visits, tmp_path):
    library = Library.open(tmp_path / "home")
    made = analyses.create(library, datasets.add(library, visits))
    library.database.close()
    return made


@pytest.fixture
def detector(squares, tmp_path):
    """An analysis of pictures with boxes."""
    library = Library.open(tmp_path / "home")
    made = analyses.create(library, datasets.add(library, squares))
    library.database.close()
    return made


@pytest.fixture
def server(analysis, server):
    """The server, over a library with that analysis."""
    return server


def fill(page, label, value):
    field = page.get_by_label(label, exact=True)
    field.fill(value)
    field.press("Tab")


def test_every_tab_says_what_follows(server, page, analysis):
    from playwright.sync_api import expect

    address = f"{server.url}/analyses/{analysis.id}"
    page.goto(f"{address}?tab=target")
    expect(page.locator(".vf-examples img")).to_have_count(12)
    page.wait_for_function(
        "[...document.querySelectorAll('.vf-examples img')].every(i => i.complete && i.naturalWidth)"
    )
    page.get_by_role("checkbox", name="red (10 images)").click()
    expect(page.get_by_role("status")).to_contain_text("on 16 images")

    page.goto(f"{address}?tab=split")
    expect(page.get_by_role("row", name="blue")).to_contain_text(re.compile(r"8\s*2"))
    page.get_by_label("Group column", exact=True).click()
    page.get_by_role("option", name="patient").click()
    expect(page.get_by_role("status")).to_contain_text("on 16 images")
    fill(page, "Test ratio", "0.4")
    expect(page.get_by_role("status")).to_contain_text("on 12 images")
    page.get_by_role("button", name="Train / Test: back to the default").click()
    expect(page.get_by_label("Test ratio", exact=True)).to_have_value("0.2")
    page.get_by_role("button", name="Undo", exact=True).click()
    expect(page.get_by_label("Test ratio", exact=True)).to_have_value("0.4")

    page.goto(f"{address}?tab=runtime")
    fill(page, "Devices", "cuda:77")
    missing = page.get_by_text("There is no cuda:77 on this machine: the CPU will be used.")
    expect(missing).to_be_visible()
    expect(page.get_by_role("status").first).to_contain_text(" here.")  # the time is that of the CPU
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_role("dialog").get_by_text("There is no cuda:77 on this machine")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_label("Engine", exact=True)).to_be_visible()
    expect(page.get_by_text("No layer is frozen")).to_be_hidden()
    page.get_by_role("button", name="Train on cpu").click()
    expect(missing).to_be_hidden()
    expect(page.get_by_label("Devices", exact=True)).to_have_value("cpu")

    page.goto(f"{address}?tab=training")
    page.get_by_role("button", name="efficientnet_lite0").click()
    expect(page.get_by_role("status")).to_contain_text("layers of efficientnet_lite0")
    expect(page.get_by_role("button", name="efficientnet_lite0")).to_have_attribute("aria-pressed", "true")
    fill(page, "Epochs", "-3")  # the field says which setting it is
    wrong = "'-3' is not possible; it must be greater than or equal to 1 (or auto)."
    expect(page.get_by_role("alert").filter(has_text="not possible")).to_have_text(wrong)
    fill(page, "Retrained layers", "9")
    expect(page.get_by_text("12 training images are few for 9 retrained layers")).to_be_visible()
    page.goto(f"{address}?tab=runtime")
    expect(page.get_by_text("No layer is frozen: the engine changes nothing.")).to_be_visible()


def test_the_design_as_text_and_as_a_command(server, page, analysis, visits):
    from playwright.sync_api import expect

    page.goto(f"{server.url}/analyses/{analysis.id}?tab=training")
    page.get_by_role("button", name="As text").click()
    text = page.get_by_label("Design", exact=True)
    assert "learning_rate: auto" in text.input_value()
    text.fill("training: {epochs: none}")
    page.get_by_role("button", name="Use this design").click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("training.epochs: 'none' is not possible")
    text.fill("training: {model: efficientnet_b0, epochs: 7, schedule: {kind: step, gamma: 0.5}}")
    page.get_by_role("button", name="Use this design").click()
    expect(page.get_by_label("Epochs", exact=True)).to_have_value("7")
    expect(page.get_by_label("Gamma", exact=True)).to_have_value("0.5")
    page.get_by_role("button", name="As command").click()
    command = page.get_by_text(f"viewfinder train {visits}").inner_text()
    chosen = {"training.epochs=7", "training.schedule.kind=step", "training.schedule.gamma=0.5"}
    assert set(command.split(" --set ")[1:]) == {*chosen, "training.model=efficientnet_b0"}


def test_two_people_change_different_values_and_the_same(server, page, browser, analysis):
    from playwright.sync_api import expect

    address = f"{server.url}/analyses/{analysis.id}?tab=training"
    other = browser.new_context().new_page()
    page.goto(address)
    other.goto(address)
    expect(other.get_by_label("Epochs", exact=True)).to_be_visible()
    fill(page, "Epochs", "7")
    expect(other.get_by_label("Epochs", exact=True)).to_have_value("7", timeout=5_000)
    fill(other, "Learning rate", "0.002")
    expect(page.get_by_label("Learning rate", exact=True)).to_have_value("0.002", timeout=5_000)
    page.get_by_role("button", name="efficientnet_b0").click()  # what has no field of its own is followed, too
    expect(other.get_by_role("button", name="efficientnet_b0")).to_have_attribute("aria-pressed", "true", timeout=5_000)

    mine, field = page.get_by_label("Epochs", exact=True), other.get_by_label("Epochs", exact=True)
    field.press_sequentially("0")  # 70; who types it is still in the field when the other person sets 8, however late
    page.wait_for_timeout(3_500)
    mine.fill("8")
    other.get_by_role("button", name="Keep 8").click()
    expect(field).to_have_value("8")
    field.fill("9")
    page.get_by_role("button", name="Keep 9").click()
    mine.fill("10")
    other.get_by_role("button", name="Use 9").click()
    page.get_by_role("button", name="Keep 9").click()  # who is still in the field with 10 is asked as well
    for one in (page, other):
        expect(one.get_by_label("Epochs", exact=True)).to_have_value("9", timeout=5_000)
    other.context.close()


def test_two_people_who_change_different_values_at_once_see_both(server, page, browser, analysis):
    from playwright.sync_api import expect

    address = f"{server.url}/analyses/{analysis.id}?tab=training"
    other = browser.new_context().new_page()
    for one in (page, other):
        one.goto(address)
        expect(one.get_by_label("Epochs", exact=True)).to_be_visible()
    for number in range(1, 9):
        fill(page, "Epochs", str(10 + number))
        page.wait_for_timeout(40 * number)  # the saves meet at every distance
        fill(other, "Learning rate", f"0.00{number}")
        for one in (page, other):
            expect(one.get_by_label("Epochs", exact=True)).to_have_value(str(10 + number), timeout=5_000)
            expect(one.get_by_label("Learning rate", exact=True)).to_have_value(f"0.00{number}", timeout=5_000)
            expect(one.get_by_text("Somebody else set this")).to_have_count(0)
    other.context.close()


def test_a_detector_has_no_engine_and_its_head_is_named(detector, server, page):
    from playwright.sync_api import expect

    page.goto(f"{server.url}/analyses/{detector.id}?tab=runtime")
    expect(page.get_by_label("Views", exact=True)).to_be_visible()
    expect(page.get_by_label("Engine", exact=True)).to_have_count(0)
    page.goto(f"{server.url}/analyses/{detector.id}?tab=training")
    drawn = page.get_by_label("The layers of the backbone, and at last the head")
    expect(drawn).to_have_text("head")  # the only block that is named: it is no layer of the backbone
