"""How soon pages are seen, and what they cost the server: `python benchmarks/pages.py [--images 100000]`.

Starts a server on a folder of its own, with a training going on, and opens every page in Chromium. Prints the first
contentful paint of each (the first, then the median of the next three) and the memory of the web process with ten pages
open. `--images` adds a dataset with so many images. Linux only: memory is read from /proc.
"""

import argparse
import os
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright

from viewfinder.service.library import analyses, datasets, runs
from viewfinder.service.library.library import Library
from viewfinder.store import Analysis, Dataset, Run

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
CLASSES, TIMES, TABS_OPEN, START_S = 50, 3, 10, 120
QUICK = {"training.model": "efficientnet_lite0", "training.input_size": 32, "training.retrained_layers": 0}
ENDLESS = {"training.model": "efficientnet_lite0", "training.early_stopping.enabled": False}
PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"


def write_images(root: Path, count: int) -> None:
    """Write small pictures of noise as BMP, which is quickly made, in a folder for each class."""
    rng = np.random.default_rng(0)
    folders = [root / f"class {number:02d}" for number in range(CLASSES)]
    for folder in folders:
        folder.mkdir(parents=True)
    for number in range(count):
        pixels = rng.integers(0, 255, (8 + number % 20, 8, 3), dtype=np.uint8)
        header = struct.pack("<2sIII", b"BM", 54 + pixels.size, 0, 54)
        described = struct.pack("<IiiHHIIiiII", 40, 8, len(pixels), 1, 24, 0, pixels.size, 0, 0, 0, 0)
        content = header + described + pixels.tobytes()
        (folders[number % CLASSES] / f"image {number:06d}.bmp").write_bytes(content)


def analysis_of(library: Library, dataset: Dataset, values: dict[str, object]) -> Analysis:
    """Return a new analysis with some values of its design."""
    return analyses.change_all(library, analyses.create(library, dataset).id, values)


def fill(home: Path, images: int) -> tuple[dict[str, str], Run, Run]:
    """Fill a library; return its pages, the run that comes first, and the one that goes on while pages are opened."""
    library = Library.open(home)
    datasets.add_samples(library)
    digits = next(one for one in datasets.datasets(library) if one.sample == "digits")
    short = analysis_of(library, digits, {**QUICK, "training.epochs": 1})
    finished, going = runs.create(library, short), runs.create(library, analysis_of(library, digits, ENDLESS))
    pages = {
        "Home": "/",
        "Add a dataset": "/datasets/new",
        "Dataset": f"/datasets/{digits.id}",
        **{f"Design, {tab}": f"/analyses/{short.id}?tab={tab}" for tab in ("target", "split", "training")},
        "Run (going on)": f"/runs/{going.id}",
        "Result": f"/runs/{finished.id}/result",
        "Runs": f"/analyses/{short.id}/runs",
        "Compare": f"/compare?run={finished.id}&run={finished.id}",
        "Models": "/models",
        "Weights": "/weights",
        "System": "/system",
    }
    if images:
        pages |= large(library, home.parent / "many", images)
    library.database.close()
    return pages, finished, going


def large(library: Library, root: Path, images: int) -> dict[str, str]:
    """Import many images; return the pages that show them."""
    began = time.monotonic()
    write_images(root, images)
    row = datasets.add(library, root)
    print(f"{images:,} images written and imported in {time.monotonic() - began:.0f} s", file=sys.stderr)
    made = analyses.create(library, row)
    tabs = ("target", "split", "metrics", "training", "runtime")
    return {
        f"Dataset, {images:,}": f"/datasets/{row.id}",
        f"Dataset, {images:,}, filtered": f"/datasets/{row.id}?shows=class+07&sort=largest",
        **{f"Design, {tab}, {images:,}": f"/analyses/{made.id}?tab={tab}" for tab in tabs},
    }


def start(home: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start a server; return it and its address once it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "viewfinder", "serve", "--port", str(port)]
    process = subprocess.Popen(command, env={**os.environ, "VIEWFINDER_HOME": str(home)}, stderr=subprocess.DEVNULL)
    url, end = f"http://127.0.0.1:{port}", time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < end:
        try:
            urllib.request.urlopen(f"{url}/healthz", timeout=5).close()
            return process, url
        except OSError:
            time.sleep(0.1)
    raise SystemExit("The server did not start.")


def wait(home: Path, run: Run, state: str) -> None:
    """Wait until a run is so."""
    end = time.monotonic() + START_S
    library = Library.open(home)
    while runs.info(library, library.get(Run, run.id)).status != state:
        if time.monotonic() > end:
            raise SystemExit(f"{run.name} did not become {state}.")
        time.sleep(0.5)
    library.database.close()


def paint_s(page: Page, address: str) -> float:
    """Return after how many seconds something is seen; the page is drawn to its end."""
    page.goto(address)
    page.locator("h1").first.wait_for()
    return float(page.wait_for_function(PAINT).json_value()) / 1000


def memory_mb(process: int) -> dict[str, float]:
    """Return the resident and the proportional memory of a process."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:]
    kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    return {"RSS": kilobytes["Rss"] / 1000, "PSS": kilobytes["Pss"] / 1000}


def measure(browser: Browser, url: str, pages: dict[str, str], process: int) -> None:
    """Print the table, and what the server holds."""
    page = browser.new_page()
    print(f"| page | first, s | median of {TIMES}, s |\n| --- | --- | --- |")
    for name, address in pages.items():
        first, *more = (paint_s(page, url + address) for _ in range(TIMES + 1))
        print(f"| {name} | {first:.2f} | {statistics.median(more):.2f} |", flush=True)
    page.close()
    for address in [*reversed(pages.values())][:TABS_OPEN]:
        paint_s(browser.new_page(), url + address)
    held = ", ".join(f"{name} {value:.0f} MB" for name, value in memory_mb(process).items())
    print(f"\nThe web process with {TABS_OPEN} pages open: {held}.")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=0, help="also a dataset with so many images")
    wanted = parser.parse_args()
    browser_path = next(filter(None, map(shutil.which, BROWSERS)), None)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        home = Path(folder) / "home"
        pages, finished, going = fill(home, wanted.images)
        server, url = start(home)
        try:
            wait(home, finished, "finished")
            wait(home, going, "running")
            browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
            measure(browser, url, pages, server.pid)
            wait(home, going, "running")  # it still trains
            browser.close()
        finally:
            (home / "runs" / going.id / "stop").touch()
            server.terminate()
            server.wait()
            time.sleep(5)  # the trainer ends after its step


if __name__ == "__main__":
    main()
