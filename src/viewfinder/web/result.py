"""Result: what came of a run, from its report."""

from typing import Any

from nicegui import ui

from viewfinder.errors import RunError
from viewfinder.run import RunFolder
from viewfinder.service.library import runs
from viewfinder.service.library.library import Library
from viewfinder.store import Analysis, Run
from viewfinder.web.chart import axis, chart, line
from viewfinder.web.frame import card, fact, heading, off_loop, page


def content(library: Library, identity: str) -> tuple[Run, Analysis, dict[str, Any]]:
    """Read a run's report; raise RunError when there is none yet."""
    row = library.get(Run, identity)
    folder: RunFolder = runs.folder(library, row)
    report = folder.report()
    if not report.get("judged_on"):
        raise RunError(f"'{row.name}' has no result yet: no epoch is finished.")
    return row, library.get(Analysis, row.analysis_id), report


async def result(library: Library, identity: str) -> None:
    """Build the page."""
    row, analysis, report = await off_loop(content, library, identity)
    path = [(analysis.name, f"/analyses/{analysis.id}"), (row.name, f"/runs/{row.id}")]
    with page(f"Result of {row.name}", path):
        heading(f"Result of {row.name}")
        _summary(report)
        _metrics(report)
        _confusion(report["confusion"])
        _charts(report)
        with card():
            ui.link("The whole report, one file that opens offline", f"/files/runs/{row.id}/report.html", new_tab=True)


def _summary(report: dict[str, Any]) -> None:
    with card():
        with ui.row().classes("gap-8"):
            for one in report["tiles"]:
                fact(one["title"], one["value"]).tooltip(one["text"])
        for sentence in report["summary"]:
            ui.label(sentence)
        for note in report["notes"]:
            ui.label(note).classes("vf-soft")


def _metrics(report: dict[str, Any]) -> None:
    with card():
        heading(f"Metrics on {report['judged_on']['words']}", 2)
        columns = [
            {"name": "title", "label": "Metric", "field": "title", "align": "left"},
            {"name": "value", "label": "Value", "field": "value", "align": "right"},
            {"name": "explanation", "label": "What it says", "field": "explanation", "align": "left"},
        ]
        rows = [
            {**one, "value": "–" if one["value"] is None else f"{one['value']:.4f}"} for one in report["metric_rows"]
        ]
        ui.table(columns=columns, rows=rows, row_key="title").props("flat dense wrap-cells hide-pagination").classes(
            "w-full"
        )


def _confusion(confusion: dict[str, Any]) -> None:
    """Show truth against prediction as a table; the larger a share of its row, the stronger a cell's colour."""
    with card():
        heading("What is taken for what", 2)
        ui.label("Each row is what it really is, each column what the model says.").classes("vf-soft text-sm")
        with ui.element("table").classes("vf-confusion"):
            with ui.element("tr"):
                for text in ("", *confusion["predicted_labels"]):
                    _cell("th", text)
            for label, counts in zip(confusion["labels"], confusion["counts"], strict=True):
                with ui.element("tr"):
                    _cell("th", label)
                    for name, count in zip(confusion["predicted_labels"], counts, strict=True):
                        share = count / max(sum(counts), 1)
                        kind = "vf-on" if name == label else "vf-bad"
                        _cell("td", f"{count:,}", f"color-mix(in srgb, var(--{kind}) {share:.0%}, transparent)")


def _cell(tag: str, text: str, background: str = "") -> None:
    with ui.element(tag).style(f"background: {background}" if background else ""):
        ui.label(text)


def _charts(report: dict[str, Any]) -> None:
    with ui.grid().classes("w-full gap-4 grid-cols-1 md:grid-cols-2"):
        for drawn in [*report["charts"], *report["learning"]]:
            with card():
                heading(drawn["title"], 2)
                _chart(drawn)
                ui.label(drawn["reading"]).classes("vf-soft text-sm")


def _chart(drawn: dict[str, Any]) -> None:
    low, high = drawn["x_range"] or (None, None)
    least, most = drawn["y_range"] or (None, None)
    lines = [line(one["name"], list(zip(one["x"], one["y"], strict=True))) for one in drawn["series"]]
    kind = "log" if drawn["log_y"] else "value"
    across = axis(drawn["x_label"], min=low, max=high, scale=True)
    chart(lines, across, axis(type=kind, min=least, max=most, scale=True))
