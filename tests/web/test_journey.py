"""The first model: from the sample to its result, in a browser, without typing a command."""

import re

import pytest

pytestmark = pytest.mark.slow


def choose(page, label, value):
    field = page.get_by_label(label, exact=True)
    field.fill(value)
    field.press("Tab")


def test_the_first_model_is_three_clicks_away(samples, server, page):
    from playwright.sync_api import expect

    page.goto(server.url)
    card = page.locator(".vf-card", has_text="Image classification")
    card.get_by_role("button", name="Design a training").click()
    page.wait_for_url("**/analyses/*")
    expect(page.get_by_role("heading", name="Design of digits")).to_be_visible()
    expect(page.get_by_role("status")).to_contain_text("Retrains 3 of 9 layers of efficientnet_lite0 on 1,4")

    choose(page, "Retrained layers", "1")  # what follows follows
    expect(page.get_by_role("status")).to_contain_text("Retrains 1 of 9 layers")
    choose(page, "Epochs", "0")
    expect(page.get_by_role("alert").filter(has_text="'0' is not possible")).to_be_visible()
    choose(page, "Epochs", "1")
    choose(page, "Input size (px)", "32")
    expect(page.get_by_role("alert").filter(has_text="'0' is not possible")).to_be_hidden()
    page.reload()
    expect(page.get_by_label("Epochs", exact=True)).to_have_value("1")

    page.get_by_role("button", name="Train", exact=True).click()
    page.get_by_role("button", name="Start").dblclick()  # pressed twice it starts once
    page.wait_for_url("**/runs/*")
    expect(page.get_by_role("status")).to_contain_text("Training", timeout=60_000)
    expect(page).to_have_title(re.compile(r"\d+% Run 1"))
    expect(page.get_by_role("status")).to_contain_text("Finished", timeout=120_000)
    expect(page.get_by_text(re.compile(r"etter than guessing: accuracy 0\.\d{4} against 0\.1\d{3}\."))).to_be_visible()
    expect(page.get_by_text("After epoch 1.")).to_be_visible()
    expect(page.locator(".vf-gallery img")).to_have_count(12)
    page.wait_for_function("[...document.querySelectorAll('.vf-gallery img')].every(i => i.complete && i.naturalWidth)")
    page.get_by_role("link", name="Result").click()
    expect(page.get_by_role("heading", name="Metrics on the test split")).to_be_visible()
    expect(page.get_by_role("cell", name="ROC AUC").first).to_be_visible()

    page.goto(server.url)
    expect(page.locator("a[href^='/analyses/'][href$='/runs']")).to_have_count(1)
    expect(page.get_by_text("digits, 1 run", exact=True)).to_be_visible()


def test_the_server_dies_and_the_run_goes_on(samples, server, page):
    from playwright.sync_api import expect

    page.goto(server.url)
    page.locator(".vf-card", has_text="Image classification").get_by_role("button", name="Design a training").click()
    page.wait_for_url("**/analyses/*")
    choose(page, "Input size (px)", "32")
    choose(page, "Retrained layers", "0")
    choose(page, "Epochs", "2")
    page.get_by_role("button", name="Train", exact=True).click()
    page.get_by_role("button", name="Start").click()
    page.wait_for_url("**/runs/*")
    address = page.url
    expect(page).to_have_title(re.compile(r"[1-9]\d?% Run 1"), timeout=60_000)
    page.goto("about:blank")  # so that nothing looks for the server while it is gone
    server.stop(kill=True)
    server.start()
    page.goto(address)
    expect(page.get_by_role("status")).to_contain_text("Finished", timeout=120_000)
    log = next((server.home / "runs").glob("*/events.jsonl")).read_text()
    assert log.count('"type":"started"') == 1  # it was adopted, not started again
