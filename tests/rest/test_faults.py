"""What goes wrong below a server: it says so over REST, goes on serving, and the run goes on when it can."""

import json
import subprocess
import time
import urllib.request

import pytest

import mounts
from runs import gone, processes_of
from servers import Server, without_samples
from viewfinder.service.library import analyses, datasets
from viewfinder.service.library.library import Library

resource = pytest.importorskip("resource")  # not on Windows
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="another process is limited as on Linux"),
]
TIMEOUT_S = 90
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
FULL = """
mount -t tmpfs -o size=16m tmpfs "$VIEWFINDER_HOME/runs"
exec "$@"
"""


class Runs:
    """The runs of an analysis, over a server's REST."""

    def __init__(self, server, analysis):
        self.server = server
        self.identity = self.ask("/runs", {"analysis": analysis})["id"]
        self.path = server.home / "runs" / self.identity

    def ask(self, address, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.server.url}/api/v1{address}", data)
        request.add_header("Content-Type", "application/json")
        with DIRECT.open(request, timeout=30) as answer:
            return json.loads(answer.read())

    def until(self, met):
        end = time.monotonic() + TIMEOUT_S
        while not met(run := self.ask(f"/runs/{self.identity}")):
            assert time.monotonic() < end, run
            time.sleep(0.05)
        return run

    def ended(self, state):
        run = self.until(lambda run: run["state"] in ("finished", "failed", "stopped"))
        assert run["state"] == state, run
        return run

    def resume(self):
        self.ask(f"/runs/{self.identity}/resume", {})


@pytest.fixture
def serve(tmp_path, colors, quick):
    """serve(within, settings): a run that a server of its own trains; the server is run by the command `within`."""
    servers = []

    def make(within, settings):
        library = Library.open(tmp_path / "home")
        row = analyses.create(library, datasets.add(library, colors))
        analyses.change_all(library, row.id, {**quick, **settings})
        library.database.close()
        (tmp_path / "home" / "runs").mkdir(exist_ok=True)
        without_samples(tmp_path / "home")
        servers.append(server := Server(tmp_path / "home", within))
        server.start()
        return Runs(server, row.id)

    yield make
    for server in servers:
        for run in (server.home / "runs").iterdir():
            (run / "stop").touch()
        server.stop()


def test_a_full_disk_fails_the_run_until_there_is_room(serve):
    mounts.need()
    runs = serve((*mounts.APART, "sh", "-c", FULL, "sh"), {"training.retrained_layers": 0})
    failed = runs.ended("failed")
    assert "is full" in failed["error"]
    assert "Make room" in failed["error"]
    inside = ("nsenter", f"--target={runs.server.process.pid}", "--user", "--preserve-credentials", "--mount")
    subprocess.run([*inside, "mount", "-o", "remount,size=300m", runs.path.parent], check=True)
    runs.resume()
    assert runs.ended("finished")["epochs_done"] == 2


def test_lack_of_memory_fails_the_run_and_not_the_server(serve):
    """No room for one image, from the first epoch's end on: what it learned until then is not lost.

    What the C library has once been given it would give out again: here each tensor asks the system anew.
    """
    endless = {"training.epochs": 1000, "training.early_stopping.enabled": False}
    runs = serve(("env", "MALLOC_MMAP_THRESHOLD_=4096"), endless)
    runs.until(lambda run: run["epochs_done"] >= 1)
    (trainer,) = processes_of(runs.path)
    resource.prlimit(trainer, resource.RLIMIT_DATA, (2**20, resource.RLIM_INFINITY))
    failed = runs.ended("failed")
    assert "not enough memory" in failed["error"]
    assert gone(runs.path)
    done = failed["epochs_done"]
    assert done >= 1
    runs.resume()
    runs.until(lambda run: run["epochs_done"] > done)
    runs.ask(f"/runs/{runs.identity}/stop", {})
    runs.ended("stopped")
