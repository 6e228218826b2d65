"""The command line: a thin edge over the service. Results go to stdout, progress and errors to stderr.

Exit codes: 0 done; 2 the user's input is wrong; 1 anything else; 130 stopped by Ctrl-C.
"""

import errno
import os
import sys
from collections.abc import Sequence

STOPPED = 130


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and end the process with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure:
            reconfigure(errors="replace")  # a console that cannot show a character is no reason to fail
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; only errors of Viewfinder itself are raised."""
    import typer

    from viewfinder.cli.app import app
    from viewfinder.cli.output import NotShownError
    from viewfinder.errors import InputError, ViewfinderError

    usage_error: type[Exception] = typer.BadParameter.__mro__[2]  # click's ClickException, wherever typer keeps click
    try:
        return int(app(arguments, prog_name="viewfinder", standalone_mode=False) or 0)
    except usage_error as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            typer.echo(str(error), err=True)
            return 2
        return _refuse(*_usage(error))
    except InputError as error:
        return _refuse(str(error))
    except ViewfinderError as error:
        return _refuse(str(error), code=1)
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        return _refuse(f"the name '{str(error.filename)[:60]}…' is longer than this system allows.")
    except NotShownError as error:
        return _not_shown(error.code, error.reason)
    except (KeyboardInterrupt, typer.Abort):
        return _refuse("stopped", code=STOPPED)


def _not_shown(code: int | None, reason: str | None) -> int:
    """Give up stdout, so that nothing fails again at the exit, and return the exit code."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if code == errno.EPIPE:  # the reader, such as `head`, has seen enough
        return 0
    return _refuse(f"the result cannot be written to stdout: {reason}", code=1)


def _usage(error: Exception) -> tuple[str, str]:
    """Return what is wrong with a command's words, and where its help is."""
    context = getattr(error, "ctx", None)
    message = str(getattr(error, "format_message", lambda: str(error))())
    command = context.command_path if context else "viewfinder"
    return message, f"`{command} --help` shows what can be said."


def _refuse(message: str, hint: str = "", code: int = 2) -> int:
    from viewfinder.cli.output import tell

    if message or hint:
        tell(f"viewfinder: error: {message}" + (f"\n{hint}" if hint else ""))
    return code
