"""A folder of one's own: sent from the browser or named on the server's disk, and looked at."""

import json
import re
import shutil
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


def test_a_zip_is_sent_and_its_images_are_filtered_and_seen_in_full(server, page, pets):
    from playwright.sync_api import expect

    page.goto(f"{server.url}/datasets/new")
    page.locator("input:not([webkitdirectory])[type=file]").set_input_files(
        shutil.make_archive(str(pets), "zip", pets.parent, pets.name)
    )
    page.wait_for_url(re.compile(r"/datasets/[0-9a-f]{8}$"))
    expect(page.get_by_role("heading", name="my pets")).to_be_visible()
    dataset = page.url

    page.get_by_text("Left out: corrupt image (1)").click()
    page.get_by_role("link", name="Show it in the gallery").click()
    page.wait_for_url("**problem=error.corrupt_image**")
    expect(page.locator(".vf-gallery figure")).to_have_count(1)
    expect(page.locator(".vf-gallery figure")).to_contain_text("broken.jpg")

    page.goto(f"{dataset}?shows=cat")
    page.get_by_label("Name contains").fill("É")
    page.get_by_label("Name contains").press("Enter")
    page.wait_for_url("**shows=cat&find=**")
    expect(page.locator(".vf-gallery figure")).to_have_count(6)
    page.locator(".vf-gallery a").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**image=cat**")
    status = page.get_by_role("status")
    expect(status).to_have_text("1 of 6")
    page.keyboard.press("ArrowRight")
    expect(status).to_have_text("2 of 6")
    expect(page.get_by_role("heading", name="é 1.png")).to_be_visible()
    expect(page.get_by_text("41×30 px")).to_be_visible()
    page.wait_for_function("document.querySelector('.vf-full').naturalWidth")
    page.keyboard.press("Escape")
    page.wait_for_url(re.compile("shows=cat&find=[^&]*$"))

    page.get_by_role("button", name="Rename").click()
    page.get_by_label("Name of the dataset").fill("<i>our</i> pets")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="<i>our</i> pets")).to_be_visible()


def test_an_interrupted_sending_and_an_interrupted_import_go_on(server, page, pets, console_errors):
    from playwright.sync_api import expect

    def refuse_dogs(route):
        route.fulfill(status=422, json={"detail": "No dogs."}) if "dog" in route.request.url else route.continue_()

    page.route("**/files/**", refuse_dogs)
    page.goto(f"{server.url}/datasets/new")
    page.locator("input[webkitdirectory]").set_input_files(pets)
    expect(page.get_by_role("status")).to_contain_text("It could not be sent: No dogs.")
    page.wait_for_url(re.compile(r"\?upload=[0-9a-f]{8}$"))
    upload = page.url.rsplit("=", 1)[1]
    page.unroute("**/files/**")
    page.reload()
    expect(page.get_by_role("status")).to_contain_text("here already")
    expect(page.get_by_role("button", name="Import what is here")).to_be_visible()
    console_errors.clear()  # the refusals above
    again = []
    page.on("request", lambda request: again.append(request.url) if request.method == "PUT" else None)

    # What a server leaves that is killed in mid-import.
    (server.home / "imports").mkdir(exist_ok=True)
    page.locator("input[webkitdirectory]").set_input_files(pets)
    page.wait_for_url(re.compile(r"/datasets/[0-9a-f]{8}$"))
    assert 0 < len(again) < len([path for path in pets.rglob("*") if path.is_file()])
    server.stop(kill=True)
    record = server.home / "imports" / f"{upload}.json"
    record.write_text(json.dumps({"name": "my pets", "begun": 1, "path": str(pets), "error": None, "dataset": None}))
    record.rename(record.with_stem("abcd1234"))
    server.start("--data-root", str(pets.parent))
    page.goto(server.url)
    console_errors.clear()  # the browser noticed that the server was gone
    page.get_by_role("link", name="Import of my pets").click()
    expect(page.get_by_role("status")).to_contain_text("It was interrupted")
    page.get_by_role("button", name="Start again").click()
    page.wait_for_url(re.compile(r"/datasets/[0-9a-f]{8}$"))
    expect(page.get_by_role("heading", name="my pets")).to_be_visible()
