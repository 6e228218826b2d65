"""The command `serve`."""

from pathlib import Path
from typing import Annotated

import typer

from viewfinder.cli.output import tell


def serve(
    host: Annotated[str, typer.Option("--host", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="The port to listen on.")] = 8000,
    data_root: Annotated[
        list[Path] | None,
        typer.Option("--data-root", metavar="DIR", help="A folder that may be imported. Default: your own."),
    ] = None,
) -> None:
    """Open the web pages.

    Design, train and try models in a browser.
    """
    import uvicorn

    from viewfinder.errors import InputError
    from viewfinder.jobs.local import LocalJobs
    from viewfinder.service.library import datasets
    from viewfinder.service.library.library import Library
    from viewfinder.web.app import create_app

    if not _is_loopback(host):
        raise InputError(
            f"--host {host}: other machines could then use the pages without signing in, which is not possible yet. "
            "Listen on 127.0.0.1; a tunnel such as `ssh -L 8000:127.0.0.1:8000` reaches it from elsewhere."
        )
    library = Library.open()
    library.data_roots = tuple(data_root or (Path.home(),))
    with library.served():
        datasets.add_samples(library)
        tell(f"Viewfinder is at http://{host}:{port} (data in {library.home}). Ctrl-C ends it; trainings go on.")
        uvicorn.run(create_app(library, LocalJobs(library)), host=host, port=port, log_level="warning")


def _is_loopback(host: str) -> bool:
    import ipaddress

    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
