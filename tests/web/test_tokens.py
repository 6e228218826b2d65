"""API tokens on the System page: shown once, listed, revoked."""

import pytest

pytestmark = pytest.mark.slow


def test_a_token_is_made_shown_once_and_revoked(server, page):
    from playwright.sync_api import expect

    page.goto(f"{server.url}/system")
    create = page.get_by_role("button", name="Create a token")
    create.click()
    expect(page.get_by_role("alert").filter(has_text="A token needs a name")).to_be_visible()
    name = page.get_by_label("What the token is for")
    name.fill("<b>nightly</b>")
    name.press("Enter")
    expect(page.get_by_text("Copy the token '<b>nightly</b>' now: it is shown only this once.")).to_be_visible()
    secret = page.locator(".vf-command").inner_text()
    assert secret.startswith("vf_")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.get_by_text("Copied.")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == secret
    expect(page.get_by_text("never used")).to_be_visible()
    page.reload()
    expect(page.get_by_role("button", name="Revoke <b>nightly</b>")).to_be_visible()
    assert secret not in page.content()
    page.get_by_role("button", name="Revoke <b>nightly</b>").click()
    page.get_by_role("button", name="Revoke", exact=True).click()
    expect(page.get_by_role("button", name="Revoke <b>nightly</b>")).to_be_hidden()
    assert page.request.get(f"{server.url}/api/v1/tokens").json()["items"] == []
