"""The result of a run: its matrix, the images behind a cell, the threshold."""

import json
import re
from urllib.parse import urlencode

import pytest

from viewfinder.report.summary import RESUME

pytestmark = pytest.mark.slow


@pytest.fixture
def server(shown, server):
    """The server, over that library."""
    return server


def pictures_are_there(page):
    return page.wait_for_function(
        "[...document.querySelectorAll('.vf-gallery img')].length > 0 && "
        "[...document.querySelectorAll('.vf-gallery img')].every(i => i.complete && i.naturalWidth)"
    )


def test_a_cell_leads_to_its_images(shared, page, colors_run):
    from playwright.sync_api import expect

    page.goto(f"{shared.url}/runs/colors/result")
    confusion = colors_run.report()["confusion"]
    expect(page.locator(".vf-confusion tbody td")).to_have_count(len(confusion["labels"]) ** 2)
    row = next(i for i, counts in enumerate(confusion["counts"]) if sum(counts))
    column = max(range(len(confusion["labels"])), key=lambda i: confusion["counts"][row][i])
    truth, said = confusion["labels"][row], confusion["predicted_labels"][column]
    count = confusion["counts"][row][column]
    page.get_by_role("link", name=f"{count} of {truth} taken for {said}").click()
    page.wait_for_url(re.compile(f"truth={truth}&predicted={said}"))
    expect(page.locator(".vf-gallery figure")).to_have_count(count)
    pictures_are_there(page)
    for title in ("Precision and recall", "ROC", "Calibration", "Density of the probabilities"):
        expect(page.get_by_role("heading", name=title, exact=True)).to_be_visible()


def test_one_image_in_full_and_the_next_by_its_arrow_key(shared, page, colors_run):
    from playwright.sync_api import expect

    page.goto(f"{shared.url}/runs/colors/result")
    page.get_by_role("link", name="All test images").click()
    expect(page.locator(".vf-gallery figcaption")).to_have_count(6)
    names = page.locator(".vf-gallery figcaption").all_inner_texts()
    page.locator(".vf-gallery figure a").first.click()
    page.wait_for_url("**/image?**")
    heading, status = page.get_by_role("heading", level=1), page.get_by_role("status")
    expect(status).to_have_text("1 of 6")
    expect(heading).to_have_text(names[0].splitlines()[0])
    expect(page.get_by_text("What the model says")).to_be_visible()
    shares = [
        float(text.rstrip("%"))
        for text in page.get_by_text(re.compile(r"^[\d.]+%")).all_inner_texts()
        if "·" not in text
    ]
    assert shares == sorted(shares, reverse=True)
    page.keyboard.press("ArrowRight")
    expect(heading).to_have_text(names[1].splitlines()[0])
    page.wait_for_function("document.querySelector('.vf-full').naturalWidth > 0")
    page.reload()
    expect(status).to_have_text("2 of 6")
    page.keyboard.press("ArrowLeft")
    expect(status).to_have_text("1 of 6")
    page.keyboard.press("Escape")
    page.wait_for_url("**/result?**")


def test_the_threshold_is_tried_live_and_used(server, page, squares_run):
    from playwright.sync_api import expect

    page.goto(f"{server.url}/runs/squares/result")
    status = page.get_by_role("status")
    expect(status).to_contain_text("overlap (IoU) from 0.50 (the optimal)")
    page.get_by_role("slider", name="Confidence").focus()
    page.keyboard.press("Home")
    expect(status).to_have_text("Confidence from 0.01, overlap (IoU) from 0.50")
    counts = page.locator(".vf-confusion td a").all_inner_texts()
    assert sum(map(int, counts)) > sum(map(sum, squares_run.report()["confusion"]["counts"]))  # more boxes, live
    page.wait_for_url(re.compile("threshold=0.01"))
    page.get_by_role("button", name="Use this threshold").click()
    expect(page.get_by_text("The model now reports boxes from 0.01 on.")).to_be_visible()
    model = json.loads((server.home / "runs" / "squares" / "model" / "model.json").read_text())
    assert model["threshold"] == 0.01
    expect(page.get_by_text("the optimum; the model now uses 0.01.")).to_be_visible()
    page.get_by_role("button", name="Back to optimal").click()
    expect(status).to_contain_text("(the optimal)")
    page.locator(".vf-confusion a").first.click()
    pictures_are_there(page)


def test_the_optimum_stays_exact(server, page, squares_run):
    from playwright.sync_api import expect

    optimum = squares_run.info().threshold
    assert round(optimum, 2) != optimum
    model = server.home / "runs" / "squares" / "model" / "model.json"
    page.goto(f"{server.url}/runs/squares/result")
    status = page.get_by_role("status")
    expect(status).to_have_text(f"Confidence from {optimum:.3g}, overlap (IoU) from 0.50 (the optimal)")
    page.get_by_role("slider", name="Overlap (IoU)").focus()
    page.keyboard.press("ArrowRight")
    expect(status).to_have_text(f"Confidence from {optimum:.3g}, overlap (IoU) from 0.55")  # optimal at 0.50 only
    page.wait_for_url(re.compile(r"\?iou=0\.55$"))
    page.get_by_role("slider", name="Confidence").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_url(re.compile(r"threshold=0\.\d\d?&"))
    page.get_by_role("button", name="Use this threshold").click()
    expect(page.get_by_text("The model now reports boxes from")).to_be_visible()
    used = json.loads(model.read_text())["threshold"]
    assert used == round(used, 2)
    page.get_by_role("button", name="Back to optimal").click()
    expect(status).to_have_text(f"Confidence from {optimum:.3g}, overlap (IoU) from 0.50 (the optimal)")
    page.wait_for_url(f"{server.url}/runs/squares/result")
    page.reload()
    expect(status).to_have_text(f"Confidence from {optimum:.3g}, overlap (IoU) from 0.50 (the optimal)")
    page.get_by_role("button", name="Use this threshold").click()
    expect(page.get_by_text(f"The model now reports boxes from {optimum:.3g} on.")).to_be_visible()
    assert json.loads(model.read_text())["threshold"] == optimum


def test_a_slider_says_its_name_and_value_where_it_has_the_focus(shared, page, squares_run):
    page.goto(f"{shared.url}/runs/squares/result")
    for name, value in (("Confidence", f"{squares_run.info().threshold:.3g}"), ("Overlap (IoU)", "0.50")):
        slider = page.get_by_role("slider", name=name)
        slider.focus()
        assert slider.evaluate("(one) => one === document.activeElement")
        assert slider.get_attribute("aria-valuetext") == value
    assert page.locator("[role=slider]:not([tabindex])").count() == 0


def test_the_images_that_are_shown_follow_the_threshold(shared, page, squares_run):
    from playwright.sync_api import expect

    confusion, test = squares_run.report()["confusion"], squares_run.split().filter(split="test")
    truth, missed = confusion["labels"][0], confusion["predicted_labels"][-1]
    of_class = sum(any(box["category"] == truth for box in json.loads(text)) for text in test["boxes"])
    cell = f"{truth} taken for {missed}"
    page.goto(f"{shared.url}/runs/squares/result?{urlencode({'truth': truth, 'predicted': missed})}&page=7&threshold=0")
    heading = page.get_by_role("heading", level=2).filter(has_text=cell)
    expect(heading).not_to_have_text(re.compile(f": {of_class} image"))
    page.evaluate("window.kept = true")
    page.get_by_role("slider", name="Confidence").focus()
    page.keyboard.press("End")
    expect(heading).to_have_text(re.compile(f"^{cell}: {of_class} images?$"))  # not one object is found
    pictures = page.locator(".vf-gallery img")
    expect(pictures).to_have_count(of_class)
    assert all(
        re.search(r"threshold=1(\.0)?&", source) for source in pictures.evaluate_all("(all) => all.map((i) => i.src)")
    )
    page.wait_for_url(re.compile(r"\?truth=(?!.*page=).*threshold=1(\.0)?(&|$)"))
    assert page.evaluate("window.kept")
    pictures_are_there(page)
    page.reload()
    expect(heading).to_have_text(re.compile(f"^{cell}: {of_class} images?$"))


def test_images_have_their_place_before_they_are_there(shared, page, colors_run):
    page.route("**/images/*.jpg*", lambda route: None)  # they never come
    page.goto(f"{shared.url}/runs/colors/result?every=1")
    picture = page.locator(".vf-gallery img").first
    picture.wait_for()
    box = picture.bounding_box()
    assert box["height"] == pytest.approx(box["width"] * 3 / 4, abs=1)


def test_the_buttons_of_the_header_stand_together(shared, page):
    page.goto(f"{shared.url}/runs/colors/result")
    deploy = page.get_by_role("button", name="Deploy").bounding_box()
    trying = page.get_by_role("link", name="Try it").bounding_box()
    assert deploy["y"] == trying["y"]
    assert 0 < trying["x"] - deploy["x"] - deploy["width"] < 20


def test_a_stopped_run_names_the_button_that_goes_on(server, page):
    from playwright.sync_api import expect

    path = server.home / "runs" / "colors" / "report.json"
    report = json.loads(path.read_text("utf-8"))
    report["summary"].append(f"It was stopped before its end. {RESUME}")
    path.write_text(json.dumps(report), "utf-8")
    page.goto(f"{server.url}/runs/colors/result")
    expect(
        page.get_by_text("before its end. Resume on the page of the run goes on from the last epoch.")
    ).to_be_visible()
    assert "`" not in page.locator(".vf-page").inner_text()


def test_a_wide_table_shows_that_there_is_more(shared, page):
    page.set_viewport_size({"width": 400, "height": 800})
    page.goto(f"{shared.url}/runs/squares/result")
    wide = page.locator(".q-table__middle").filter(has_text="Reported")
    wide.wait_for()
    assert wide.evaluate("(one) => one.scrollWidth > one.clientWidth + 20")
    fades = "(one) => getComputedStyle(one).maskImage.includes('gradient')"
    assert wide.evaluate(fades)
    wide.evaluate("(one) => { one.scrollLeft = one.scrollWidth; return new Promise(requestAnimationFrame); }")
    page.wait_for_function("(one) => getComputedStyle(one).maskImage === 'none'", arg=wide.element_handle())
    page.set_viewport_size({"width": 1200, "height": 800})
    page.wait_for_function("(one) => getComputedStyle(one).maskImage === 'none'", arg=wide.element_handle())


def test_what_is_not_there_is_said(shared, page):
    from playwright.sync_api import expect

    page.goto(f"{shared.url}/runs/colors/image?image=999")
    expect(page.get_by_role("alert")).to_contain_text("There is no such test image")
    expect(page.get_by_role("banner")).to_have_count(1)
    for address in ("/runs/gone", "/runs/gone/result", "/analyses/gone", "/datasets/gone", "/imports/gone"):
        page.goto(f"{shared.url}{address}")
        expect(page.get_by_role("alert")).to_contain_text("There is no")
        expect(page.get_by_role("link", name="Home")).to_be_visible()


def test_another_name_for_this_machine_is_refused(shared):
    import http.client

    codes = {}
    for name in ("127.0.0.1", "localhost", "evil.example"):
        connection = http.client.HTTPConnection("127.0.0.1", shared.port, timeout=30)
        connection.request("GET", "/", headers={"Host": f"{name}:{shared.port}"})
        codes[name] = connection.getresponse().status
        connection.close()
    assert codes == {"127.0.0.1": 200, "localhost": 200, "evil.example": 400}
