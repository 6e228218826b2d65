"""Numbers and names in sentences."""

import shlex
import sys
from pathlib import Path

MOST_DIGITS = 9  # beyond them is the noise of sums


def plural(count: int, noun: str) -> str:
    """Return `1 image`, `1,797 images`, `3 classes`."""
    ending = "es" if noun.endswith("s") else "s"
    return f"{count:,} {noun}" + ("" if count == 1 else ending)


def score(value: float | None, digits: int = 4) -> str:
    """Return a metric with at least these digits; with more where it would read 0 or 1 and is neither."""
    if value is None:
        return "–"
    text = f"{value:.{digits}f}"
    misleads = float(text) in (-1, 0, 1) and float(text) != value and digits < MOST_DIGITS
    return score(value, digits + 1) if misleads else text


def megabytes(count: int) -> str:
    """Return bytes as `0.4 MB`, `26 MB` or `1.8 GB`; a megabyte is a million."""
    mega = count / 1e6
    if mega >= 1000:
        return f"{mega / 1000:,.1f} GB"
    return f"{mega:.0f} MB" if mega >= 10 else f"{max(mega, 0.1):.1f} MB" if count else "0 MB"


def visible(text: str) -> str:
    """Return a text of one line: line breaks and control characters, which a name may hold, are shown as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def typed(path: Path | str) -> str:
    """Return a path, or another word, as it can be typed into a shell."""
    if sys.platform == "win32":
        return f'"{path}"' if " " in str(path) else str(path)
    return shlex.quote(str(path))
