"""The server as people start it: a process of its own."""

import contextlib
import http.client
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

from viewfinder.data.samples import SAMPLES

START_S = 60


class Server:
    """`viewfinder serve` on a folder and a free port; `within` is a command that runs it."""

    def __init__(self, home: Path, within: tuple[str, ...] = ()) -> None:
        self.home, self.within = home, within
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = None

    def start(self, *options) -> None:
        environment = {**os.environ, "VIEWFINDER_HOME": str(self.home)}
        command = [*self.within, sys.executable, "-m", "viewfinder", "serve", "--port", str(self.port), *options]
        self.process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        end = time.monotonic() + START_S
        while True:
            if self._answers():
                return
            assert self.process.poll() is None, self.process.stderr.read()
            assert time.monotonic() < end, "the server did not start"
            time.sleep(0.1)

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def stop(self, kill: bool = False) -> int:
        self.process.kill() if kill else self.process.terminate()
        code = self.process.wait(20)
        self.process.stderr.close()
        return code


def without_samples(home: Path) -> None:
    """Keep a server from writing the sample data, as where people deleted them: it starts in a third of the time."""
    (home / "samples").mkdir(parents=True, exist_ok=True)
    for name in SAMPLES:
        (home / "samples" / f".{name}-deleted").touch()


def as_measured(home: Path) -> None:
    """Tell a library what was measured of this machine and converted for it, if a training of this process has."""
    own = Path(os.environ["VIEWFINDER_HOME"])
    for name in ("machine", "cache/graphs"):
        if (own / name).is_dir():
            shutil.copytree(own / name, home / name, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.part", ".*"))


@contextlib.contextmanager
def serving(home, samples=False):
    """Yield a server of a folder that is started; its trainers are stopped with it."""
    made = Server(home)
    if not samples:
        without_samples(made.home)
    as_measured(made.home)
    try:
        made.start()
        yield made
    finally:
        if made.process.poll() is None:
            made.stop()
        for folder in (made.home / "runs").glob("*"):
            (folder / "stop").touch()
