"""A folder of one's own: sent from the browser or named on the server's disk, and looked at."""

import re
import sys

import pytest
from PIL import Image

pytestmark = pytest.mark.slow


@pytest.fixture
def pets(tmp_path):
    """Pictures of two classes in folders, one broken, one with a name that is HTML."""
    folder = tmp_path / "my pets"
    for number, name in enumerate(("cat", "<b>dog")) if sys.platform != "win32" else enumerate(("cat", "dog")):
        (folder / name).mkdir(parents=True)
        for index in range(6):
            Image.new("RGB", (40 + index, 30), (200 * number, 40 * index, 90)).save(folder / name / f"é {index}.png")
    (folder / "cat" / "broken.jpg").write_bytes(b"no image")
    if sys.platform != "win32":
        Image.new("RGB", (30, 30), "red").save(folder / "cat" / "<img src=x onerror=document.title='harmed'>.png")
    return folder


def look(page, images):
    """Check the page of the imported folder."""
    from playwright.sync_api import expect

    page.wait_for_url(re.compile(r"/datasets/[0-9a-f]{8}$"))
    expect(page.get_by_role("heading", name="my pets")).to_be_visible()
    page.get_by_text("Left out: corrupt image (1)").click()
    expect(page.get_by_text("cat/broken.jpg")).to_be_visible()
    pictures = page.locator(".vf-gallery img")
    expect(pictures).to_have_count(images)
    for number in range(images):
        pictures.nth(number).scroll_into_view_if_needed()
    page.wait_for_function("[...document.querySelectorAll('.vf-gallery img')].every(i => i.complete && i.naturalWidth)")
    assert "harmed" not in page.title()


def test_a_folder_is_sent_from_the_browser(server, page, pets):
    from playwright.sync_api import expect

    page.goto(server.url)
    page.get_by_role("link", name="Add a dataset").click()
    page.locator("input[webkitdirectory]").set_input_files(pets)
    look(page, 12 if sys.platform == "win32" else 13)
    page.get_by_label("Shows").click()
    page.get_by_role("option", name="cat", exact=True).click()
    page.wait_for_url("**shows=cat**")
    expect(page.locator(".vf-gallery img")).to_have_count(6 if sys.platform == "win32" else 7)
    page.get_by_role("button", name="Design a training").click()
    expect(page.get_by_role("heading", name="Design of my pets")).to_be_visible()


def test_a_folder_on_the_servers_disk_and_wrong_ones(server, page, pets, tmp_path):
    from playwright.sync_api import expect

    server.stop()
    server.start("--data-root", str(tmp_path))
    page.goto(f"{server.url}/datasets/new")
    path = page.get_by_label("Path of a folder or file")
    path.fill("/etc")
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_role("alert")).to_contain_text("outside of what this server may read")
    path.fill(str(pets))
    page.get_by_role("button", name="Import").click()
    look(page, 12 if sys.platform == "win32" else 13)
    page.goto(f"{server.url}/datasets/new")
    page.get_by_label("Path of a folder or file").fill(str(tmp_path / "nowhere"))
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_role("alert")).to_contain_text("There is no")
