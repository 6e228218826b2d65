"""What every reader of a format hands over: images with what is said about them, before any image was opened."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from viewfinder.data.boxes import Box
from viewfinder.data.diagnostics import Diagnostic


@dataclass(frozen=True)
class Item:
    """An image that a source names, with its label or its boxes.

    `image` is relative to the listing's root, or absolute. `declared` is the (width, height) for which the boxes were
    drawn, if the source says so. `origin` names the row or file that says all this, for findings about it.
    """

    image: str
    label: str | None = None
    boxes: tuple[Box, ...] = ()
    declared: tuple[int, int] | None = None
    group: str | None = None
    split: str | None = None
    origin: str = ""


@dataclass(frozen=True)
class Listing:
    """A source as its reader understood it."""

    root: Path
    format: str
    task: str
    items: tuple[Item, ...]
    diagnostics: tuple[Diagnostic, ...] = ()
    declared_classes: tuple[str, ...] = field(default=())  # in the source's own list, in use or not


def error(kind: str, file: str, reason: str) -> Diagnostic:
    """Return a finding about something that was left out."""
    return Diagnostic("error", kind, file, reason)


def warning(kind: str, file: str, reason: str) -> Diagnostic:
    """Return a finding about something that was kept but deserves a look."""
    return Diagnostic("warning", kind, file, reason)


def info(kind: str, file: str, reason: str) -> Diagnostic:
    """Return a finding that needs nothing done."""
    return Diagnostic("info", kind, file, reason)


def quoted(names: Iterable[str], limit: int = 8) -> str:
    """Return the names for a message, the first few of them when there are many."""
    listed = list(names)
    shown = ", ".join(f"'{name}'" for name in listed[:limit])
    return shown if len(listed) <= limit else f"{shown} and {len(listed) - limit} more"
