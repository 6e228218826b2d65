"""What if: a model is tried on images of one's own, and many at once become a CSV."""

import base64
import contextlib
import io
import json
import os
import re
import shutil
import signal
import sys
import time
import zipfile
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from viewfinder.service.predicting import predict

pytestmark = pytest.mark.slow


@pytest.fixture
def server(shown, server):
    """The server, over that library. Whatever it was asked for, torch stays in processes of their own."""
    yield server
    if sys.platform == "linux":
        mapped = Path(f"/proc/{server.process.pid}/maps").read_text()
        assert "sqlite" in mapped
        assert "libtorch" not in mapped


GIVE = """([kind, files]) => {
    const given = new DataTransfer();
    for (const [name, type, content] of files) {
        const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
        given.items.add(new File([bytes], name, { type }));
    }
    if (kind === "paste") document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: given }));
    else document.querySelector(".vf-try .vf-drop").dispatchEvent(new DragEvent("drop", { dataTransfer: given }));
}"""


ALL_ARE_OTHERS = """(before) => {
    const shown = [...document.querySelectorAll(".vf-previews img")].filter((i) => i.checkVisibility());
    return shown.every((image) => image.complete && image.naturalWidth && !before.includes(image.src));
}"""


def give(page, kind, *paths):
    """Drop or paste files, as a person does."""
    files = [(path.name, "image/png", base64.b64encode(path.read_bytes()).decode()) for path in paths]
    page.locator(".vf-drop").first.wait_for()
    page.evaluate(GIVE, [kind, files])


def said(page):
    return page.locator(".vf-try-said")


def test_boxes_are_found_highlighted_and_filtered(server, page, squares, squares_run):
    from playwright.sync_api import expect

    page.goto(f"{server.url}/runs/squares/result")
    page.get_by_role("link", name="Try it").click()
    expect(page.get_by_role("heading", name="Try On squares")).to_be_visible()
    give(page, "drop", squares / "3.png")
    expect(said(page).get_by_role("heading", name="3.png")).to_be_visible()
    found = json.loads(predict(squares_run, squares / "3.png", threshold=0.0).table["boxes"][0])
    own = round(squares_run.info().threshold, 2)
    slider = page.get_by_label("Confidence from")
    expect(slider).to_have_value(str(own))

    slider.fill("0.05")
    count = sum(box["confidence"] >= 0.05 for box in found)
    assert count > 1
    lines, drawn = page.locator(".vf-try-lines button"), page.locator(".vf-try-picture g")
    expect(lines).to_have_count(count)
    expect(drawn).to_have_count(count)
    x, _, _, height = found[0]["bbox"]
    first = drawn.first.locator("rect")
    assert float(first.get_attribute("x")) == pytest.approx(x, abs=1e-3)
    assert float(first.get_attribute("height")) == pytest.approx(height, abs=1e-3)

    lines.nth(1).focus()
    expect(drawn.nth(1)).to_have_class("active")
    lines.nth(0).hover()
    expect(drawn.nth(0)).to_have_class("active")
    page.locator(".vf-try-said h2").hover()
    drawn.nth(count - 1).dispatch_event("mouseenter")
    expect(lines.nth(count - 1)).to_have_class("active")

    slider.fill("0.01")  # of many boxes only the surest are named, or the one that is looked at
    assert sum(box["confidence"] >= 0.01 for box in found) > 8
    expect(drawn.locator("text")).to_have_count(8)
    drawn.last.dispatch_event("mouseenter")
    expect(drawn.locator("text")).to_have_count(1)
    drawn.last.dispatch_event("mouseleave")

    slider.fill("1")
    expect(said(page).get_by_role("status")).to_contain_text(
        "No objects with a confidence from 1.00 on. The highest is"
    )
    expect(drawn).to_have_count(0)
    page.get_by_role("button", name=f"Back to the model's {own:.2f}").click()
    expect(slider).to_have_value(str(own))


def test_classes_of_dropped_pasted_and_test_images_and_one_that_is_broken(
    server, page, colors, colors_run, tmp_path, console_errors
):
    from playwright.sync_api import expect

    turned = Image.new("RGB", (60, 30), "blue")
    turned.getexif()[0x0112] = 6  # the camera was held upright
    turned.save(tmp_path / "<b>turned.png", exif=turned.getexif())
    (tmp_path / "broken.png").write_bytes(b"no image")
    red, green = colors / "red" / "red 0.png", colors / "green" / "green 1.png"
    answers = predict(colors_run, [red, tmp_path / "<b>turned.png", green]).table["prediction"].to_list()
    page.goto(f"{server.url}/runs/colors")
    page.get_by_role("link", name="Try it").click()
    give(page, "drop", red, tmp_path / "broken.png", tmp_path / "<b>turned.png")
    strip = page.locator(".vf-try-strip button")
    expect(strip).to_have_count(3)
    expect(strip.nth(0)).to_contain_text(f"{answers[0]}, ")
    expect(strip.nth(1)).to_contain_text("cannot be answered")
    expect(strip.nth(2)).to_contain_text(f"{answers[1]}, ")
    bars = page.locator(".vf-try-bar")
    expect(bars).to_have_count(3)
    shares = [float(text.split("\n")[-1].rstrip(" %")) for text in bars.all_inner_texts()]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(100, abs=2)
    strip.nth(1).click()
    expect(said(page).get_by_role("alert")).to_contain_text("It cannot be read: it is not an image")
    console_errors.clear()  # the browser notes that it was refused
    strip.nth(2).click()
    expect(said(page).get_by_role("heading", name="<b>turned.png")).to_be_visible()
    image = page.locator(".vf-try-picture img")
    assert image.evaluate("(i) => i.decode().then(() => [i.naturalWidth, i.naturalHeight])") == [30, 60]

    give(page, "paste", green)
    expect(strip).to_have_count(4)
    expect(strip.nth(0)).to_contain_text(f"{answers[2]}, ")
    page.get_by_role("button", name="Take a test image").click()
    expect(said(page)).to_contain_text("Answered in")
    expect(strip).to_have_count(5)


def test_a_folder_becomes_a_csv(server, page, colors, colors_run, tmp_path):
    from playwright.sync_api import expect

    folder = tmp_path / "new ones"
    shutil.copytree(colors / "red", folder / "red")
    (folder / "broken.png").write_bytes(b"no image")
    page.goto(f"{server.url}/runs/colors/try")
    page.locator("input[webkitdirectory]").set_input_files(folder)
    expect(page.get_by_text("10 images predicted")).to_be_visible(timeout=60_000)
    page.get_by_text("Left out: 1 image").click()
    expect(page.get_by_text("new ones/broken.png: It cannot be read")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the CSV").click()
    assert download.value.suggested_filename == "new ones.csv"
    table = pl.read_csv(io.BytesIO(download.value.path().read_bytes()))
    assert table["image"].to_list() == [f"new ones/red/red {index}.png" for index in range(10)]
    known = predict(colors_run, folder / "red").table
    assert table["prediction"].to_list() == known["prediction"].to_list()
    page.reload()
    expect(page.get_by_role("link", name="Download the CSV")).to_be_visible()
    kept = server.home / "predictions"
    assert sorted(path.suffix for path in kept.iterdir()) == [".csv", ".json"]  # the images are gone

    page.goto("about:blank")  # so that nothing looks for the server while it is gone
    server.stop()
    server.start()
    page.goto(f"{server.url}/runs/colors/try")
    expect(page.get_by_text("10 images predicted")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the CSV").click()
    assert pl.read_csv(io.BytesIO(download.value.path().read_bytes())).height == 10
    page.get_by_role("button", name="Delete new ones").click()
    expect(page.get_by_role("link", name="Download the CSV")).to_have_count(0)
    assert list(kept.iterdir()) == []


def engines(server):
    """Return the processes below a server that predict."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == server.process.pid and b"viewfinder.engine" in (folder / "cmdline").read_bytes():
                found.append(folder)
    return found


def begun(server, page, packed, name):
    """Have the zip of a batch predicted; return its id, its address and a limit of time when some of it is done."""
    api = f"{server.url}/api/v1"
    sent = page.request.post(f"{api}/uploads").json()["id"]
    page.request.put(f"{api}/uploads/{sent}/files/many.zip", data=packed)
    batch = page.request.post(f"{api}/batches", data={"upload": sent, "run": "colors", "name": name}).json()["id"]
    end = time.monotonic() + 60
    while not (now := page.request.get(f"{api}/batches/{batch}").json())["done"]:
        assert (time.monotonic() < end, now["state"] in ("waiting", "running")) == (True, True), now
        time.sleep(0.05)
    assert now["state"] == "running"
    return batch, f"{api}/batches/{batch}", end


@contextlib.contextmanager
def held(processes):
    """Hold processes still, so that a batch cannot end before what is done meanwhile."""
    for folder in processes:
        os.kill(int(folder.name), signal.SIGSTOP)
    try:
        yield
    finally:
        for folder in processes:
            os.kill(int(folder.name), signal.SIGCONT)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_batch_goes_on_after_the_server_ends(server, page, colors):
    from playwright.sync_api import expect

    packed, content = io.BytesIO(), (colors / "red" / "red 0.png").read_bytes()
    with zipfile.ZipFile(packed, "w") as archive:
        for index in range(700):
            archive.writestr(f"{index}.png", content)
    for number in (signal.SIGINT, signal.SIGTERM):
        batch, address, end = begun(server, page, packed.getvalue(), number.name)
        running = engines(server)
        assert running
        server.process.send_signal(number)
        _, said = server.process.communicate(timeout=30)
        assert "Traceback" not in said
        while any(folder.exists() for folder in running):
            assert time.monotonic() < end, "a process went on"
            time.sleep(0.05)
        assert not (server.home / "predictions" / f"{batch}.csv").exists()
        server.start()
        while (now := page.request.get(address).json())["state"] != "finished":
            assert (time.monotonic() < end + 60, now["state"] in ("waiting", "running")) == (True, True), now
            time.sleep(0.2)
    page.goto(f"{server.url}/runs/colors/try")
    expect(page.get_by_text("700 images predicted")).to_have_count(2)
    expect(page.get_by_role("button", name="Delete SIGTERM")).to_be_visible()
    begun(server, page, packed.getvalue(), "third")
    with held(engines(server)):
        page.reload()
        page.get_by_role("button", name="Stop third").click()
        expect(page.get_by_text("stops after this image")).to_be_visible()
    expect(page.get_by_text(re.compile("^stopped after [1-9].* of 700 images$"))).to_be_visible()
    page.get_by_role("button", name="Resume third").click()
    expect(page.get_by_text("700 images predicted")).to_have_count(3)
    assert [path for path in (server.home / "predictions").iterdir() if path.is_dir()] == []


def test_previews_follow_a_change_of_a_setting(server, page):
    from playwright.sync_api import expect

    page.goto(server.url)
    page.get_by_role("link", name="squares", exact=True).first.click()
    page.get_by_role("link", name="Data augmentation").click()
    last = page.get_by_role("img", name="Epoch 6")
    expect(last).to_be_visible(timeout=60_000)

    def pictures(before=()):
        """Return the addresses of the pictures, once all are there and others than before."""
        page.wait_for_function(ALL_ARE_OTHERS, arg=list(before))
        return page.locator(".vf-previews img:visible").evaluate_all("(all) => all.map((i) => i.src)")

    before = pictures()
    assert len(before) == 7 + 2 + 1 + 1
    field = page.get_by_label("Brightness", exact=True)
    field.fill("1")
    field.press("Tab")
    after = pictures(before[7:9])  # the most that it can do
    assert before[0] == after[0]  # the original is as it was
    assert before[1:7] != after[1:7]
    page.get_by_role("switch", name="Enabled").nth(2).click()
    expect(page.get_by_text("75% of the area")).to_be_hidden()
    page.get_by_role("button", name="Change image").click()
    other = pictures(after)
    page.reload()
    expect(last).to_be_visible()
    assert pictures() == other
