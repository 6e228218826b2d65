"""The command `serve`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from viewfinder import importing
from viewfinder.cli.output import tell

if TYPE_CHECKING:
    from viewfinder.service.library.library import Library
    from viewfinder.service.library.sessions import Sessions
    from viewfinder.store import Run
    from viewfinder.web.guard import Entry

PASSWORD_VARIABLE = "VIEWFINDER_PASSWORD"


def serve(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[RUN]...", show_default=False, help="Folders of runs made elsewhere, to be opened."),
    ] = None,
    host: Annotated[str, typer.Option("--host", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="The port to listen on.")] = 8000,
    data_root: Annotated[
        list[Path] | None,
        typer.Option("--data-root", metavar="DIR", help="A folder that may be imported. Default: your own, or none."),
    ] = None,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option("--allowed-host", metavar="NAME", help="A name of this server, as browsers are to call it."),
    ] = None,
    password_file: Annotated[
        Path | None,
        typer.Option("--password-file", metavar="FILE", help="A file that holds the password of the pages."),
    ] = None,
    nice: Annotated[
        int, typer.Option("--nice", min=0, max=19, help="How far trainings give way to what else runs here.")
    ] = 10,
) -> None:
    """Open the web pages.

    Design, train and try models in a browser. On another address than this machine's own (127.0.0.1) one has to sign
    in: with a password, which is asked for, or read from --password-file or VIEWFINDER_PASSWORD.
    """
    with importing.uncollected():
        from viewfinder.jobs.local import LocalJobs
        from viewfinder.service.library import adopting, datasets
        from viewfinder.service.library.library import Library
        from viewfinder.web.app import create_app
        from viewfinder.web.server import Server

    is_private = _is_loopback(host) and not allowed_host
    for folder in runs or ():
        adopting.Found.at(folder)
    library = Library.open()
    library.data_roots = tuple(data_root or ((Path.home(),) if is_private else ()))
    with library.served():
        entry = _entry(library, host, allowed_host or [], password_file)
        datasets.add_samples(library)
        address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        for folder in runs or ():
            _open(library, folder, address)
        _greet(library, entry, host, address)
        app = create_app(library, LocalJobs(library, nice), entry)
        Server(app, host, port, lambda: _part(library, address)).serve_until_stopped()


def _open(library: "Library", folder: Path, address: str) -> None:
    from viewfinder.cli.counter import counting
    from viewfinder.service.library import adopting

    with counting(f"Reading the images of {folder.name}") as progress:
        row = adopting.adopt(library, folder, progress)
    tell(f"'{folder}' is at {address}/runs/{row.id}")


def _greet(library: "Library", entry: "Entry", host: str, address: str) -> None:
    tell(f"Viewfinder is at {address} (data in {library.home}). Ctrl-C ends it; trainings go on.")
    if entry.is_closed:
        tell(
            "Sign in with the password."
            if entry.sessions
            else "There is no password: only programs with a token come in."
        )
    if not _is_loopback(host):
        tell("Nothing is encrypted on the way. In a network that is not yours alone, put a proxy with HTTPS before it.")


def _part(library: "Library", address: str) -> None:
    """Say which runs go on without the server, and how they are stopped."""
    from viewfinder.service.library import runs

    for run in runs.unfinished(library):
        page = f"{address}/runs/{run.id}"
        if run.state == "queued":
            tell(f"'{run.name}' waits: it starts when the server runs again. Its page is {page}")
        else:
            tell(
                f"'{run.name}' goes on. To stop it, use its page when the server runs again ({page}), "
                f"or create the file '{_stop_file(library, run)}'."
            )


def _stop_file(library: "Library", run: "Run") -> Path:
    return library.home / run.folder / "stop"


# -- who may come in --------------------------------------------------------------------------------------------------


def _entry(library: "Library", host: str, allowed: list[str], password_file: Path | None) -> "Entry":
    """Return who may come in; raise InputError when everybody could, from other machines."""
    from viewfinder.errors import InputError
    from viewfinder.service.library import access
    from viewfinder.web.guard import LOOPBACK, Entry

    is_private, has_tokens = _is_loopback(host) and not allowed, bool(access.tokens(library))
    sessions = _sessions(library, password_file, may_ask=not is_private, may_be_none=has_tokens)
    hosts = LOOPBACK | {name.lower() for name in (host, *allowed)}
    if sessions is None and is_private:
        return Entry(hosts)
    if sessions is None and not has_tokens:
        raise InputError(
            f"{f'--host {host}' if not _is_loopback(host) else f'--allowed-host {allowed[0]}'}: other machines could "
            f"use the pages, so it takes a password: start it on a terminal to be asked for one, or set "
            f"--password-file FILE or {PASSWORD_VARIABLE}. Without any of that, listen on 127.0.0.1; a tunnel such as "
            "`ssh -L 8000:127.0.0.1:8000` reaches it from elsewhere."
        )
    return Entry(hosts, sessions, lambda secret: access.verify(library, secret) is not None)


def _sessions(library: "Library", file: Path | None, *, may_ask: bool, may_be_none: bool) -> "Sessions | None":
    """Return the sessions of the password from the file, the environment or, if it may be asked, the terminal."""
    import os
    import sys

    from viewfinder.service.library.sessions import Sessions

    given = os.environ.pop(PASSWORD_VARIABLE, "")  # what is trained has no business with it
    if file is not None:
        given = _read(file)
    elif not given and may_ask and sys.stdin.isatty():
        given = _ask(may_be_none)
    return Sessions(library, given) if given or file is not None else None


def _ask(may_be_none: bool) -> str:
    says = "Password for the pages" + (" (none: only programs with a token come in)" if may_be_none else "")
    default = "" if may_be_none else None
    return str(typer.prompt(says, default, hide_input=True, confirmation_prompt=True, show_default=False, err=True))


def _read(file: Path) -> str:
    from viewfinder.errors import InputError

    try:
        return file.expanduser().read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise InputError(f"--password-file '{file}' cannot be read: {reason}.") from None


def _is_loopback(host: str) -> bool:
    import ipaddress

    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
