"""The numbers of a report on a page: metrics, tables, curves."""

from typing import Any

from nicegui import ui

from viewfinder.web.chart import reported
from viewfinder.web.frame import card, heading
from viewfinder.web.tables import table


def metrics(report: dict[str, Any]) -> None:
    """Show each metric with what it says."""
    with card():
        heading(f"Metrics on {report['judged_on']['words']}", 2)
        columns = {"title": "Metric", "text": "Value", "interval": "95 % interval", "explanation": "What it says"}
        rows = [{**one, "text": _score(one["value"]), "interval": _interval(one)} for one in report["metric_rows"]]
        table(columns, rows, right={"text", "interval"}, stacked=True)


def tables(report: dict[str, Any]) -> None:
    """Show the tables, class by class among them."""
    for shown in report["tables"]:
        with card():
            heading(shown["title"], 2)
            ui.label(shown["reading"]).classes("vf-soft text-sm")
            scores = {one["key"] for one in shown["columns"] if one["kind"] == "score"}
            rows = [{key: _score(row[key]) if key in scores else row[key] for key in row} for row in shown["rows"]]
            names = {one["key"] for one in shown["columns"] if one["kind"] == "name"}
            columns = {one["key"]: one["title"] for one in shown["columns"]}
            table(columns, rows, right=set(columns) - names)


def _score(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _interval(row: dict[str, Any]) -> str:
    """Return the interval of a metric; a report of an earlier version has none."""
    return f"{row['low']:.4f} – {row['high']:.4f}" if row.get("low") is not None else "–"


def charts(report: dict[str, Any]) -> None:
    """Show the curves, each with how to read it."""
    with ui.grid().classes("w-full gap-4 grid-cols-1 md:grid-cols-2"):
        for drawn in [*report["charts"], *report["learning"]]:
            with card():
                heading(drawn["title"], 2)
                reported(drawn)
                ui.label(drawn["reading"]).classes("vf-soft text-sm")
