"""Results as text: aligned tables, JSON documents, and values as people read them."""

import contextlib
import json
import math
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import typer

from viewfinder.words import score, visible


class NotShownError(Exception):
    """A result could not be written to stdout; `code` and `reason` are those of the system."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.code, self.reason = error.errno, error.strerror


def show(text: str) -> None:
    """Print a result to stdout; raise NotShownError when nobody can take it."""
    try:
        typer.echo(text)
    except OSError as error:
        raise NotShownError(error) from None


def tell(text: str) -> None:
    """Print progress, or anything that is no result, to stderr, if it is still there."""
    with contextlib.suppress(OSError):
        typer.echo(text, err=True)


def document(data: object) -> None:
    """Print one JSON document to stdout; numbers that JSON has no word for are null."""
    show(json.dumps(_finite(data), ensure_ascii=False, indent=2, allow_nan=False, default=str))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], indent: str = "") -> str:
    """Return rows under their columns' names, aligned; numbers to the right."""
    body = [[text(value) for value in row] for row in rows]
    widths = [max(map(width, cells)) for cells in zip(columns, *body, strict=True)]
    right = [all(_is_number(row[i]) for row in body) and bool(body) for i in range(len(columns))]
    lines = [list(columns), *body]
    return "\n".join(indent + "  ".join(map(_pad, line, widths, right)).rstrip() for line in lines)


def text(value: object) -> str:
    """Return a value as people read it: four digits after the point, – for nothing."""
    match value:
        case None:
            return "–"
        case bool():
            return "yes" if value else "no"
        case float():
            return score(value) if math.isfinite(value) else "–"
        case int():
            return f"{value:,}"
        case list() | tuple():
            return ", ".join(text(item) for item in value) or "–"
        case _:
            return visible(str(value))


def duration(seconds: float) -> str:
    """Return a time as `40 s`, `12 min` or `2 h 05 min`."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"


def clock(seconds: float) -> str:
    """Return a time as `0:42`, `12:05` or `2:12:05`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def metrics(report: Mapping[str, Any]) -> str:
    """Return the metrics of a report.json as lines, with their 95 % intervals, the one that was optimised first."""
    rows = sorted(report["metric_rows"], key=lambda row: row["name"] != report["optimized"])
    wide = max((width(row["title"]) for row in rows), default=0)
    marks = ["optimised" if row["name"] == report["optimized"] else "" for row in rows]
    lines = zip(rows, marks, strict=True)
    return "\n".join(
        f"  {_pad(row['title'], wide, False)}  {text(row['value']):>6}  {_interval(row):15}  {mark}".rstrip()
        for row, mark in lines
    )


def _interval(row: Mapping[str, Any]) -> str:
    """Return the interval of a metric; a report of an earlier version has none."""
    return f"{text(row['low'])} – {text(row['high'])}" if row.get("low") is not None else ""


def width(line: str) -> int:
    """Return how many columns of a terminal a text takes."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 0 if unicodedata.combining(c) else 1 for c in line)


def _pad(cell: str, wide: int, right: bool) -> str:
    space = " " * (wide - width(cell))
    return space + cell if right else cell + space


def _is_number(cell: str) -> bool:
    return cell == "–" or cell.replace(",", "").replace(".", "").removeprefix("-").isdigit()


def _finite(data: object) -> object:
    match data:
        case float():
            return data if math.isfinite(data) else None
        case Mapping():
            return {str(key): _finite(value) for key, value in data.items()}
        case list() | tuple():
            return [_finite(value) for value in data]
        case _:
            return data
