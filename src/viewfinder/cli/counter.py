"""How far something has come, on stderr: a line that is written over on a terminal, a line now and then elsewhere."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

QUIET_S = 10.0
REDRAW_S = 0.1


class Counter:
    """Tells `done` of `total` of something. Call it with both."""

    def __init__(self, what: str, form: Callable[[int], str] = "{:,}".format) -> None:
        self.what, self.form = what, form
        self.terminal = sys.stderr.isatty()
        self.last = time.monotonic()
        self.drawn = False

    def __call__(self, done: int, total: int | None) -> None:
        """Tell it, unless that was done a moment ago."""
        now, pause = time.monotonic(), REDRAW_S if self.terminal else QUIET_S
        if now - self.last < pause:
            return
        self.last = now
        of = f" of {self.form(total)}" if total is not None else ""
        line = f"{self.what}: {self.form(done)}{of}"
        self._write(f"\r\x1b[2K{line}" if self.terminal else f"{line}\n")
        self.drawn = self.terminal

    def clear(self) -> None:
        """Take the line away."""
        if self.drawn:
            self._write("\r\x1b[2K")
            self.drawn = False

    def _write(self, line: str) -> None:
        with contextlib.suppress(OSError):  # the terminal may be gone
            sys.stderr.write(line)
            sys.stderr.flush()


@contextlib.contextmanager
def counting(what: str) -> Iterator[Counter]:
    """Yield a counter, and take its line away at the end."""
    counter = Counter(what)
    try:
        yield counter
    finally:
        counter.clear()


def megabytes(count: int) -> str:
    """Return bytes as MB."""
    return f"{count / 1e6:,.0f} MB"
