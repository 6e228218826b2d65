"""report.html: the report as one file that opens offline, without scripts."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from viewfinder import atomic
from viewfinder.report import pictures, threshold
from viewfinder.report.build import Evaluation, build
from viewfinder.report.charts import Chart, Mark, Series
from viewfinder.report.summary import duration
from viewfinder.run import RunFolder, RunInfo

if TYPE_CHECKING:
    from jinja2 import Template
    from markupsafe import Markup

MOST_CLASSES = 30
PAIRS = 20

Pictures = Callable[[Mapping[str, Any]], str | None]


def write(
    run: RunFolder, evaluation: Evaluation | None = None, folder: Path | None = None, info: RunInfo | None = None
) -> Path:
    """Write report.json and report.html into the run's folder, or into `folder`; return the path of the HTML.

    `info` is what run.json is about to say, if that is not what it says now.
    """
    report = build(run, evaluation, info)
    return _keep(folder or run.path, report, render(report))


def retell_threshold(run: RunFolder, in_use: float) -> None:
    """Have the report of a run say which threshold its model uses now; its numbers stay those of the optimum."""
    report, page = run.report(), run.path / "report.html"
    if report.get("threshold") is None or not page.is_file():
        return
    at: float = report["threshold"]
    summary = [threshold.retold(sentence, at, in_use) for sentence in report["summary"]]
    text = threshold.retold(page.read_text(encoding="utf-8"), at, in_use)
    _keep(run.path, report | {"summary": summary, "threshold_in_use": in_use}, text)


def _keep(folder: Path, report: Mapping[str, Any], page: str) -> Path:
    text = json.dumps(report, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
    atomic.replace(folder / "report.json", lambda file: file.write(text.encode()))
    atomic.replace(folder / "report.html", lambda file: file.write(page.encode()))
    return folder / "report.html"


def render(report: Mapping[str, Any], picture: Pictures | None = None) -> str:
    """Return the page. `picture` turns a mistake into a data URI (None: the image is gone); else the source is read."""
    root = Path(report["images_root"])
    picture = picture or (lambda mistake: pictures.data_uri(root / mistake["image"], mistake["boxes"]))
    style = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")
    return _template().render(
        report=report,
        style=style,
        confusion=confusion(report["confusion"]) if report["confusion"] else None,
        mistakes=[{**mistake, "picture": picture(mistake)} for mistake in report["mistakes"]],
    )


@cache
def _template() -> "Template":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("viewfinder", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        score=score, setting=setting, duration=duration, moment=moment, figure=figure, ticked=ticked
    )
    return environment.get_template("report.html")


def confusion(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return the matrix with the heat of each cell, its share of the row; of many classes the most mixed-up pairs."""
    labels, predicted, counts = table["labels"], table["predicted_labels"], table["counts"]
    pairs = sorted(
        (
            {"truth": labels[i], "predicted": predicted[j], "count": n, "of": sum(row)}
            for i, row in enumerate(counts)
            for j, n in enumerate(row)
            if n and i != j
        ),
        key=lambda pair: (-pair["count"], pair["truth"], pair["predicted"]),
    )
    rows = [
        {"label": labels[i], "cells": [_cell(n, sum(row), i == j) for j, n in enumerate(row)]}
        for i, row in enumerate(counts)
    ]
    upright = len(labels) > 6 and max(map(len, labels)) > 6
    return {
        "large": len(labels) > MOST_CLASSES,
        "upright": upright,
        "pairs": pairs[:PAIRS],
        "columns": predicted,
        "rows": rows,
    }


def _cell(count: int, total: int, right: bool) -> dict[str, Any]:
    share = count / total if total else 0.0
    # Rare mistakes matter more than their share: its root makes them visible.
    heat = share if right else share**0.5
    return {"count": count, "heat": round(100 * heat), "right": right, "share": f"{share:.1%}"}


def score(value: float | None) -> str:
    """Return a measure as text."""
    return "–" if value is None else f"{value:.4f}"


def setting(value: object) -> str:
    """Return a setting's value as it stands in a design file."""
    if isinstance(value, list):
        return "[" + ", ".join(map(str, value)) + "]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)


def ticked(text: str) -> "Markup":
    """Return text as HTML, escaped, with what stands between backticks as code."""
    from markupsafe import Markup, escape

    parts = text.split("`")
    if len(parts) % 2 == 0:  # a backtick too many: it is part of a name
        return escape(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else part for number, part in enumerate(parts)
    )


def moment(seconds: float) -> str:
    """Return a time in seconds since 1970 as a date and time in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def figure(chart: Mapping[str, Any]) -> "Markup":
    """Return the SVG of a chart's plain data, safe to stand in the page."""
    from markupsafe import Markup

    from viewfinder.report.figure import svg

    return Markup(
        svg(from_dict(chart))
    )  # numbers and our own axis labels; the page puts in, escaped, what comes from the data


def from_dict(chart: Mapping[str, Any]) -> Chart:
    """Return the chart that `Chart.as_dict` described."""
    series = tuple(Series(**{**s, "x": tuple(s["x"]), "y": tuple(s["y"])}) for s in chart["series"])
    ranges = {name: tuple(chart[name]) if chart[name] else None for name in ("x_range", "y_range")}
    marks = tuple(Mark(**mark) for mark in chart["marks"])
    return Chart(**{**chart, **ranges, "series": series, "marks": marks})
