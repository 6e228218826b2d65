"""Every page, in light, in dark and in a narrow window: readable by all, and never wider than the window.

VIEWFINDER_SCREENSHOTS names a folder in which a picture of each is kept.
"""

import json
import os
from pathlib import Path

import pytest

from libraries import add_run
from viewfinder.service.library import saved
from viewfinder.service.library.library import Library
from viewfinder.store import SavedModel

pytestmark = pytest.mark.slow

WIDE, NARROW = {"width": 1200, "height": 900}, {"width": 400, "height": 800}
TABS = ("target", "split", "metrics", "augmentation", "training", "runtime")
SERIOUS = ("serious", "critical")
WIDER = """() => {
    const most = document.documentElement.clientWidth, header = document.querySelector("header");
    if (header && header.getBoundingClientRect().height > 70) return ["the header takes two rows"];
    if (document.documentElement.scrollWidth <= most && document.body.scrollWidth <= most) return [];
    const wide = [...document.body.querySelectorAll("*")].filter((one) => one.getBoundingClientRect().right > most + 1);
    return wide.slice(-3).map((one) => one.outerHTML.slice(0, 120));
}"""

WATCH = """
    window.shifts = [];
    new PerformanceObserver((list) => list.getEntries().filter((one) => !one.hadRecentInput).forEach((one) =>
        window.shifts.push(one.sources.map(({node, previousRect, currentRect}) =>
            `${node?.outerHTML?.slice(0, 120)}: ${previousRect.y} -> ${currentRect.y}`)))
    ).observe({type: "layout-shift", buffered: true});
"""


@pytest.fixture
def filled(tmp_path, shown, colors, colors_run):
    """That library with a second run to compare, a saved model and an interrupted import."""
    library = Library.open(tmp_path / "home")
    row = add_run(library, shown["colors"].id, colors_run, "again", "Once more", 2.0, notes="one more layer")
    model = library.get(SavedModel, saved.deploy(library, row, None, name="Colour sorter").saved_model_id)
    saved.deploy(library, row, model)
    library.database.close()
    (tmp_path / "home" / "imports").mkdir(exist_ok=True)
    record = {"name": "my pets", "begun": 1, "path": str(colors), "error": None, "dataset": None}
    (tmp_path / "home" / "imports" / "abcd1234.json").write_text(json.dumps(record))
    return shown, model.id


@pytest.fixture
def server(filled, server):
    """The server, over that library."""
    return server


@pytest.fixture
def page(browser):
    """A page into which the checker may be put."""
    context = browser.new_context(viewport=WIDE, bypass_csp=True)
    opened = context.new_page()
    opened.set_default_timeout(30_000)
    opened.add_init_script(WATCH)
    yield opened
    context.close()


def addresses(filled, colors):
    """Return the address of every page by a name for it."""
    shown, model = filled
    classes, boxes = shown["colors"], shown["squares"]
    return {
        "home": "/",
        "add": "/datasets/new",
        "import": "/imports/abcd1234",
        "dataset": f"/datasets/{boxes.dataset_id}",
        "dataset image": f"/datasets/{boxes.dataset_id}?image=3.png",
        **{f"design {tab}": f"/analyses/{classes.id}?tab={tab}" for tab in TABS},
        "design of boxes": f"/analyses/{boxes.id}",
        "run": "/runs/colors",
        "run of boxes": "/runs/squares",
        "result": "/runs/colors/result?every=1",
        "result of boxes": "/runs/squares/result?every=1",
        "test image": "/runs/squares/image?every=1&image=0",
        "what if": "/runs/squares/try",
        "runs": f"/analyses/{classes.id}/runs",
        "compare": "/compare?run=colors&run=again",
        "models": "/models",
        "model": f"/models/{model}",
        "weights": "/weights",
        "system": "/system",
        "not here": "/runs/gone",
    }


def opened(press, name):
    """Return what presses a button and waits for its dialog."""

    def does(page):
        page.get_by_role("button", name=press, exact=True).click()
        page.get_by_role("dialog").get_by_role("heading", name=name).wait_for()
        # It fades in. What follows a scroll bar never ends.
        page.wait_for_function("!document.getAnimations().some((one) => one.timeline === document.timeline)")
        page.wait_for_function("!document.querySelector('[class*=q-transition--]')")

    return does


def tried(page):
    """Have a model look at a test image."""
    page.get_by_role("button", name="Take a test image").click()
    page.get_by_text("Answered in").wait_for(timeout=60_000)


def previewed(page):
    """Wait for the pictures of the augmentation."""
    page.get_by_role("img", name="Epoch 6").wait_for(timeout=60_000)


DOES = {"what if": tried, "design augmentation": previewed}
MOVES = ("what if", "compare")
"""Where something may move: one page is made to, on the other nothing below it is pressed."""
DIALOGS = {
    "text": opened("As text", "The design as text"),
    "command": opened("As command", "The same as a command"),
    "train": opened("Train", "Train"),
}


def settled(page):
    """Wait until a page is drawn and moves no more."""
    page.locator("h1").first.wait_for()
    page.evaluate(
        """async () => {
            await document.fonts.ready;
            for (const _ of [1, 2, 3]) await new Promise(requestAnimationFrame);
            await Promise.all(document.getAnimations()
                .filter((one) => one.timeline === document.timeline && one.effect.getTiming().iterations < 9)
                .map((one) => one.finished.catch(() => null)));
        }"""
    )


# axe takes a dialog's backdrop for what is behind its buttons; the same buttons are checked on the pages.
CONTRAST = "color-contrast"


def violations(page, within, rules=None):
    """Return the serious violations of all rules, or of the named ones."""
    from axe_playwright_python.sync_playwright import Axe

    options = {"resultTypes": ["violations"], **({"runOnly": rules} if rules else {})}
    found = Axe().run(page, within, options).response["violations"]
    return [
        f"{one['id']}: {node['html'][:160]} {[each['message'] for each in node['any']][:1]}"
        for one in found
        if one["impact"] in SERIOUS and not (within and one["id"] == CONTRAST)
        for node in one["nodes"][:4]
    ]


def looked_at(page, name, within=None):
    """Return what is wrong with the page as it stands, in all its looks."""
    wrong, folder = {}, os.environ.get("VIEWFINDER_SCREENSHOTS")
    for look, size, scheme in (("light", WIDE, "light"), ("dark", WIDE, "dark"), ("narrow", NARROW, "dark")):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size(size)
        settled(page)
        if look == "narrow":
            wrong[f"{name}, {look}"] = page.evaluate(WIDER)
        else:  # other colours can only break the rule of colours
            wrong[f"{name}, {look}"] = violations(page, within, [CONTRAST] if look == "dark" else None)
        if folder:
            page.screenshot(path=Path(folder) / f"{name} {look}.png", full_page=True)
    page.set_viewport_size(WIDE)
    return {look: found for look, found in wrong.items() if found}


def sign_in_narrow(page):
    """Sign in, in a narrow window."""
    page.set_viewport_size(NARROW)
    page.get_by_label("Password").fill("correct horse")
    page.keyboard.press("Enter")
    page.wait_for_url(lambda address: "sign-in" not in address)  # its own page has a heading too
    page.get_by_role("heading", level=1).first.wait_for()


def menu_by_keyboard(page, server):
    """Open the menu of a narrow window without a mouse, and go where it leads; return what is wrong with its look."""
    from playwright.sync_api import expect

    page.goto(f"{server.url}/runs/colors/result")
    settled(page)
    places = page.get_by_role("navigation", name="Places")
    expect(places).to_be_hidden()
    page.locator(".vf-path a").evaluate_all(
        "(all) => all.forEach((a) => { a.textContent = 'a long name '.repeat(9); })"
    )
    menu = page.get_by_role("button", name="Menu")
    menu.focus()
    page.keyboard.press("Enter")
    expect(places.get_by_role("link")).to_have_text(["Models", "System"])
    expect(places.get_by_role("button", name="Sign out")).to_be_visible()
    wrong = {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        settled(page)
        wrong[f"menu, {scheme}"] = violations(page, None) + page.evaluate(WIDER)
        if folder := os.environ.get("VIEWFINDER_SCREENSHOTS"):
            page.screenshot(path=Path(folder) / f"menu {scheme}.png")
    page.keyboard.press("Escape")
    expect(places).to_be_hidden()
    expect(menu).to_be_focused()
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    expect(places.get_by_role("link", name="Models")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**/models")
    return {look: found for look, found in wrong.items() if found}


@pytest.mark.parametrize("half", [0, 1])
def test_every_page_is_readable_by_all_and_fits_a_narrow_window(half, server, page, filled, colors):
    pytest.importorskip("axe_playwright_python")
    wrong = {}
    for name, address in list(addresses(filled, colors).items())[half::2]:
        page.goto(f"{server.url}{address}")
        settled(page)
        DOES.get(name, settled)(page)
        shifts = page.evaluate("window.shifts")
        if shifts and name not in MOVES:  # what moves away while it is pressed is not pressed
            wrong[f"{name}, moved"] = shifts
        wrong |= looked_at(page, name)
    assert not wrong, json.dumps(wrong, indent=1)


def test_nothing_moves_when_the_font_comes_late(server, page):
    def late(route):
        page.wait_for_timeout(700)
        route.continue_()

    page.route("**/*.woff2", late)
    page.goto(f"{server.url}/datasets/new")
    settled(page)
    assert page.evaluate("document.fonts.check('1em Roboto')")
    assert page.evaluate("window.shifts") == []


def test_so_are_dialogs_menu_and_the_page_that_asks_for_the_password(server, page, filled, colors, tmp_path):
    pytest.importorskip("axe_playwright_python")
    wrong = {}
    for name, does in DIALOGS.items():
        page.goto(f"{server.url}{addresses(filled, colors)['design training']}")
        does(page)
        wrong |= looked_at(page, f"dialog {name}", "[role=dialog]")
    (tmp_path / "password").write_text("correct horse\n")
    server.stop()
    server.start("--password-file", str(tmp_path / "password"))
    page.goto(f"{server.url}/")
    wrong |= looked_at(page, "sign in")
    sign_in_narrow(page)
    wrong |= menu_by_keyboard(page, server)
    assert not wrong, json.dumps(wrong, indent=1)
