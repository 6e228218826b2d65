"""Signing in and out in a browser, what pages may load, and how the server ends."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest

from viewfinder.service.library import analyses, datasets, runs
from viewfinder.service.library.library import Library
from viewfinder.store import Analysis

pytestmark = pytest.mark.slow
PASSWORD = "correct horse"
posix = pytest.mark.skipif(sys.platform == "win32", reason="signals as POSIX has them")


def sign_in(page, password):
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def test_one_signs_in_and_out(server, page, console_errors, tmp_path):
    from playwright.sync_api import expect

    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    server.stop()
    server.start("--password-file", str(tmp_path / "password"))
    page.goto(f"{server.url}/datasets/new?x=1")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(page.get_by_label("Password")).to_be_focused()
    assert console_errors == []
    sign_in(page, "wrong horse")
    expect(page.get_by_role("alert")).to_have_text("That is not the password.")
    console_errors.clear()  # 401
    page.keyboard.type(PASSWORD)  # the field has the focus
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Add a dataset")).to_be_visible()
    assert page.url == f"{server.url}/datasets/new?x=1"
    (cookie,) = page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"], page.evaluate("document.cookie")) == (True, "Lax", "")

    other, sockets, closed = page.context.new_page(), [], []
    other.on("websocket", lambda one: sockets.append(one))
    other.goto(f"{server.url}/datasets/new?x=2")
    expect(other.get_by_role("heading", name="Add a dataset")).to_be_visible()
    other.wait_for_function("window.socket && window.socket.connected")
    sockets[0].on("close", lambda one: closed.append(one))
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    for _ in range(100):
        if closed:
            break
        other.wait_for_timeout(50)
    assert closed, "the other page's websocket stayed open"
    expect(other.get_by_role("heading", name="Sign in")).to_be_visible()  # by itself
    assert page.url == f"{server.url}/sign-in"
    sign_in(other, PASSWORD)
    expect(other.get_by_role("heading", name="Add a dataset")).to_be_visible()
    assert other.url == f"{server.url}/datasets/new?x=2"
    console_errors.clear()


def test_a_page_runs_no_script_that_was_slipped_in(server, page, console_errors):
    from playwright.sync_api import expect

    page.goto(server.url)
    expect(page.get_by_role("link", name="Add a dataset")).to_be_visible()
    expect(page.get_by_role("button", name="Sign out")).to_have_count(0)  # on loopback nobody signs in
    assert console_errors == []
    page.evaluate(
        """() => {
            const slipped = document.createElement("div");
            slipped.innerHTML = '<img src=data:, onerror="document.title = `harmed`">';
            document.body.append(slipped);
            const script = document.createElement("script");
            script.textContent = "document.title = `harmed`";
            document.body.append(script);
        }"""
    )
    page.wait_for_timeout(300)
    assert "harmed" not in page.title()
    assert len([text for text in console_errors if "Content Security Policy" in text]) >= 2
    console_errors.clear()
    answer = page.goto(f"{server.url}/nowhere")
    assert answer.status == 404
    expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()
    page.get_by_role("link", name="Home").click()
    expect(page.get_by_role("link", name="Add a dataset")).to_be_visible()
    console_errors.clear()  # 404


def test_runs_made_elsewhere_are_opened(server, page, colors_run, tmp_path):
    from playwright.sync_api import expect

    shutil.copytree(colors_run.path, tmp_path / "my run")
    for _ in range(2):
        server.stop()
        server.start(str(tmp_path / "my run"))
    page.goto(server.url)
    expect(page.locator("a[href^='/analyses/'][href$='/runs']")).to_have_count(1)
    page.goto(re.search(r"is at (http://\S+/runs/\S+)", server.process.stderr.readline())[1])
    page.get_by_role("link", name="Result").click()
    expect(page.get_by_role("heading", name="Result of my run")).to_be_visible()


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminate"])
def test_it_ends_soon_and_says_what_goes_on(server, page, console_errors, colors, quick, number):
    server.stop()
    library = Library.open(server.home)
    analysis = analyses.create(library, datasets.add(library, colors))
    long = {"training.epochs": 400, "training.early_stopping.enabled": False}
    for name, value in {**quick, **long}.items():
        analyses.change(library, analysis.id, name, value)
    run, waiting = (runs.create(library, library.get(Analysis, analysis.id)) for _ in range(2))
    folder = runs.folder(library, run)
    library.database.close()
    server.start()
    page.goto(f"{server.url}/runs/{run.id}")
    page.wait_for_function("document.title.match(/^[1-9]\\d*% /)", timeout=60_000)
    other = page.context.new_page()
    other.goto(server.url)
    identity = page.request.post(f"{server.url}/api/v1/uploads").json()["id"]
    with socket.create_connection(("127.0.0.1", server.port)) as upload:
        head = (
            f"PUT /api/v1/uploads/{identity}/files/a.png HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999\r\n\r\n"
        )
        upload.sendall(head.encode() + b"x" * 100_000)
        begun = time.monotonic()
        server.process.send_signal(number)
        _, said = server.process.communicate(timeout=30)
        took_s = time.monotonic() - begun
    assert took_s < 5
    assert f"'Run 1' goes on. To stop it, use its page when the server runs again ({server.url}/runs/{run.id})" in said
    assert f"create the file '{folder.path / 'stop'}'" in said
    assert f"'Run 2' waits: it starts when the server runs again. Its page is {server.url}/runs/{waiting.id}" in said
    assert "Traceback" not in said
    assert folder.is_alive()
    folder.request_stop()
    other.close()
    page.goto("about:blank")
    console_errors.clear()  # the browser noticed that the server was gone


def until(process, words):
    """Return what a process says up to these words."""
    said = ""
    while not said.endswith(words):
        character = process.stderr.read(1)
        assert character, said
        said += character
    return said


@posix
def test_on_a_terminal_it_asks_for_the_password_twice(tmp_path):
    import pty

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    keyboard, terminal = pty.openpty()
    command = [sys.executable, "-m", "viewfinder", "serve", "--port", str(port), "--allowed-host", "photos.example"]
    environment = {**os.environ, "VIEWFINDER_HOME": str(tmp_path)}
    process = subprocess.Popen(
        command, env=environment, stdin=terminal, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    said = ""
    for first, second in (("one password", "another password"), (PASSWORD, PASSWORD)):
        for prompt, typed in (("Password for the pages: ", first), ("confirmation: ", second)):
            said += until(process, prompt)
            os.write(keyboard, f"{typed}\n".encode())
    said += until(process, "Sign in with the password.")
    process.kill()
    said += process.communicate()[1]
    os.set_blocking(keyboard, False)
    with contextlib.suppress(BlockingIOError):
        said += os.read(keyboard, 4096).decode()  # what the terminal showed of the typed
    os.close(keyboard)
    os.close(terminal)
    assert "do not match" in said
    assert PASSWORD not in said


def serve(home, *options, **environment):
    command = [sys.executable, "-m", "viewfinder", "serve", *options]
    environment = {"PATH": "/usr/bin:/bin", "VIEWFINDER_HOME": str(home), **environment}
    return subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
    )


@posix
@pytest.mark.parametrize(
    ("options", "environment", "said"),
    [
        (["--host", "0.0.0.0"], {}, "--host 0.0.0.0: other machines could use the pages, so it takes a password"),
        (["--allowed-host", "photos.example"], {}, "--allowed-host photos.example: other machines could"),
        (["--host", "0.0.0.0"], {"VIEWFINDER_PASSWORD": "short"}, "The password has 5 characters"),
        (["--host", "0.0.0.0", "--password-file", "/nowhere"], {}, "--password-file '/nowhere' cannot be read"),
        (["/nowhere"], {}, "'/nowhere' does not exist"),
    ],
)
def test_it_does_not_start_open_to_all_or_with_what_is_wrong(tmp_path, options, environment, said):
    import viewfinder

    source = str(viewfinder.__path__[0]).removesuffix("/viewfinder")
    done = serve(tmp_path, *options, PYTHONPATH=source, **environment)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert said in done.stderr
