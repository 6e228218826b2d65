"""The whole way in one visit, from a folder of one's own to two models compared; and once by keyboard alone."""

import re

import pytest
from PIL import Image

pytestmark = pytest.mark.slow

COLORS = {"green": (40, 200, 60), "red": (220, 50, 40)}
POINTS = """() => [...document.querySelectorAll(".nicegui-echart")]
    .map((one) => getElement(one.id.slice(1)).chart?.getOption().series.map((line) => line.data.length))"""
FOCUS = """() => {
    const one = document.activeElement;
    const field = one.closest(".q-field__control") ?? one.closest("label") ?? one;
    return [one, field].some((each) => {
        const style = getComputedStyle(each);
        return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
    });
}"""
NAMED = """() => {
    const one = document.activeElement;
    return [one.getAttribute("aria-label") ?? one.labels?.[0]?.innerText ?? one.innerText, one.getAttribute("href")]
        .filter(Boolean).join(" → ");
}"""


@pytest.fixture
def fruit(tmp_path):
    """Ten small pictures in each of two folders, and a broken one."""
    folder = tmp_path / "fruit"
    for name, color in COLORS.items():
        (folder / name).mkdir(parents=True)
        for index in range(10):
            shade = tuple(value - 4 * index if value > 100 else value for value in color)
            Image.new("RGB", (36, 36), shade).save(folder / name / f"{name} {index}.png")
    (folder / "red" / "broken.png").write_bytes(b"no image")
    return folder


def fill(page, label, value):
    field = page.get_by_label(label, exact=True)
    field.fill(value)
    field.press("Tab")


def tab(page, name):
    from playwright.sync_api import expect

    page.get_by_role("link", name=name, exact=True).click()
    expect(page.get_by_role("link", name=name, exact=True)).to_have_attribute("aria-current", "page")


def design_every_tab(page):
    """Change something on every tab, so that the training is quick."""
    from playwright.sync_api import expect

    tab(page, "Target")
    expect(page.locator(".vf-examples img")).to_have_count(8)
    tab(page, "Train / Test")
    fill(page, "Test ratio", "0.3")
    expect(page.get_by_role("status")).to_contain_text("on 14 images")
    tab(page, "Metrics")
    page.get_by_role("radio", name=re.compile("^Accuracy")).click()
    tab(page, "Data augmentation")
    fill(page, "Max rotation", "5")
    tab(page, "Runtime")
    page.get_by_role("button", name="Train on cpu").click()
    fill(page, "Workers", "0")
    tab(page, "Training")
    page.get_by_role("button", name="efficientnet_lite0").click()
    expect(page.get_by_role("status")).to_contain_text("layers of efficientnet_lite0")
    for name, value in (("Retrained layers", "0"), ("Input size (px)", "32"), ("Epochs", "2")):
        fill(page, name, value)
    expect(page.get_by_role("status")).to_contain_text("Retrains 0 of 9 layers of efficientnet_lite0 on 14 images")


def train(page):
    """Train, watch the charts, and wait for the end."""
    from playwright.sync_api import expect

    page.get_by_role("button", name="Train", exact=True).click()
    page.get_by_role("button", name="Start").click()
    page.wait_for_url("**/runs/*")
    page.wait_for_function(f"!({POINTS})().flat().some(Boolean)")
    page.wait_for_function(f"({POINTS})().flat().some(Boolean)", timeout=120_000)  # the charts move
    expect(page.get_by_role("status")).to_contain_text("Finished", timeout=120_000)
    losses, metric, _ = page.evaluate(POINTS)
    assert (losses[0] > 0, losses[1], metric) == (True, 2, [2])
    expect(page.get_by_text("After epoch 2.")).to_be_visible()


def test_from_a_folder_to_two_models_compared(server, page, fruit):
    from playwright.sync_api import expect

    page.goto(server.url)
    page.get_by_role("link", name="Add a dataset").click()
    page.locator("input[webkitdirectory]").set_input_files(fruit)
    page.wait_for_url(re.compile(r"/datasets/[0-9a-f]{8}$"))
    expect(page.get_by_text("Left out: corrupt image (1)")).to_be_visible()
    page.get_by_role("button", name="Design a training").click()
    expect(page.get_by_role("heading", name="Design of fruit")).to_be_visible()
    analysis = page.url
    design_every_tab(page)
    page.reload()
    expect(page.get_by_role("status")).to_contain_text("Retrains 0 of 9 layers of efficientnet_lite0 on 14 images")
    train(page)
    run = page.url

    page.get_by_role("link", name="Result").click()
    page.locator(".vf-confusion a").first.click()
    page.wait_for_url("**truth=**")
    expect(page.locator(".vf-gallery figure").first).to_be_visible()
    page.get_by_role("link", name="Try it").click()
    page.locator(".vf-try input[type=file]").set_input_files(fruit / "red" / "red 1.png")
    expect(page.locator(".vf-try-said").get_by_role("heading", name="red 1.png")).to_be_visible()
    expect(page.locator(".vf-try-bar")).to_have_count(2, timeout=60_000)

    page.goto(f"{run}/result")
    page.get_by_role("button", name="Deploy").click()
    page.get_by_label("Name", exact=True).fill("Fruit sorter")
    page.get_by_role("dialog").get_by_role("button", name="Deploy").click()
    expect(page.get_by_role("heading", name="Version 1")).to_be_visible()

    page.goto(f"{analysis}?tab=training")
    fill(page, "Learning rate", "0.01")
    expect(page.get_by_role("button", name="Learning rate: back to the default")).to_be_visible()
    train(page)
    page.goto(f"{analysis}/runs")
    page.get_by_role("checkbox", name="Select all runs").click()
    page.get_by_role("button", name="Compare").click()
    page.wait_for_url("**/compare?**")
    expect(page.get_by_role("row", name=re.compile("^training.learning_rate"))).to_contain_text("0.01")
    expect(page.locator("canvas")).to_have_count(3)


# -- by keyboard alone ------------------------------------------------------------------------------------------------


class Keyboard:
    """Presses keys, and looks at where the focus is."""

    def __init__(self, page) -> None:
        self.page = page

    def focused(self):
        return self.page.evaluate(NAMED)

    def to(self, pattern, key="Tab", most=80):
        """Press a key until what has the focus bears this name; wherever it is, the focus is seen."""
        passed = []
        for _ in range(most):
            self.page.keyboard.press(key)
            passed.append(self.focused())
            if passed[-1]:
                assert self.page.evaluate(FOCUS), f"the focus on {passed[-1]!r} is not seen"
            if re.search(pattern, passed[-1]):
                return self
        raise AssertionError(f"no Tab leads to {pattern}: {passed}")

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)
        return self

    def type(self, text):
        """Type over what a field has."""
        self.page.keyboard.press("Control+a")
        self.page.keyboard.type(text)
        return self


def test_from_the_sample_to_its_result_by_keyboard_alone(samples, server, page):
    from playwright.sync_api import expect

    keyboard, status = Keyboard(page), page.get_by_role("status")
    page.goto(server.url)
    expect(page.get_by_role("heading", name="Datasets")).to_be_visible()
    keyboard.to("^Viewfinder").to("→ /datasets/[0-9a-f]{8}$")
    while not keyboard.focused().startswith("digits"):
        keyboard.to("→ /datasets/[0-9a-f]{8}$")
    keyboard.to("^Design a training").press("Enter")
    expect(page.get_by_role("heading", name="Design of digits")).to_be_visible()

    keyboard.to("^efficientnet_lite0").press("Enter")
    expect(status).to_contain_text("layers of efficientnet_lite0")
    for name, value, told in (
        ("^Retrained layers(?!:)", "0", "Retrains 0 of 9"), ("^Input size(?!.*:)", "32", ""), ("^Epochs(?!:)", "1", ""),
    ):  # fmt: skip
        keyboard.to(name).type(value)
        expect(status).to_contain_text(told)
    keyboard.press("Tab")
    expect(page.get_by_role("button", name="Epochs: back to the default")).to_be_visible()

    keyboard.to(r"^(play_arrow\s*)?Train$", "Shift+Tab").press("Space")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Name")).to_be_focused()
    for _ in range(6):  # the dialog keeps the focus
        keyboard.press("Tab")
        assert page.evaluate("document.activeElement.matches('body, [role=dialog] *')"), keyboard.focused()
    keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page.get_by_role("button", name="Train", exact=True)).to_be_focused()
    keyboard.press("Enter")
    expect(dialog.get_by_label("Name")).to_be_focused()
    keyboard.type("By keyboard").to("^Start").press("Enter")

    page.wait_for_url("**/runs/*")
    expect(status).to_contain_text("Finished", timeout=120_000)
    expect(page.get_by_role("link", name="Result")).to_be_visible()
    keyboard.to("/result$").press("Enter")
    expect(page.get_by_role("heading", name="Result of By keyboard")).to_be_visible()
    keyboard.to(r"^([2-9]|\d\d+) of . taken for").press("Enter")
    page.wait_for_url("**truth=**")
    keyboard.to("/image").press("Enter")
    page.wait_for_url("**/image?**")
    expect(status).to_contain_text("1 of ")
    keyboard.press("ArrowRight")
    expect(status).to_contain_text("2 of ")
    keyboard.press("Escape")
    page.wait_for_url("**/result?**")
