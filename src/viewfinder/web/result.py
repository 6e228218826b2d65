"""Result: what came of a run, from its report and from its predictions, image by image."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from nicegui import ui

from viewfinder.errors import InputError, RunError
from viewfinder.service.library import runs
from viewfinder.service.library.judged import Feed, Judged, View
from viewfinder.service.library.library import Library
from viewfinder.store import Analysis, Run
from viewfinder.web.chart import axis, chart, line
from viewfinder.web.frame import card, fact, heading, off_loop, page
from viewfinder.words import plural

MOST_CLASSES = 30  # above it the matrix is a list of its largest mistakes


@dataclass(frozen=True)
class Asked:
    """What of a result is looked at, as the address says it; None: nothing in particular."""

    truth: str | None = None
    predicted: str | None = None
    threshold: float | None = None
    iou: float | None = None


@dataclass(frozen=True)
class Content:
    """What the page shows."""

    row: Run
    analysis: Analysis
    report: dict[str, Any]
    judged: Judged
    view: View | None
    counted: dict[str, Any] | None
    feed: Feed | None


def content(library: Library, identity: str, asked: Asked) -> Content:
    """Read it; raise RunError when there is no result yet."""
    row = library.get(Run, identity)
    folder = runs.folder(library, row)
    report = folder.report()
    if not report.get("judged_on"):
        raise RunError(f"'{row.name}' has no result yet: no epoch is finished.")
    judged = Judged(folder)
    view = _view(judged, asked) if judged.detects else None
    feed = judged.feed(asked.truth, asked.predicted, view) if asked.truth or asked.predicted else None
    counted = judged.counted(view) if view else None
    return Content(row, library.get(Analysis, row.analysis_id), report, judged, view, counted, feed)


def _view(judged: Judged, asked: Asked) -> View:
    threshold = asked.threshold if asked.threshold is not None else judged.threshold
    return View(min(max(threshold or 0.5, 0.0), 1.0), min(max(asked.iou or 0.5, 0.05), 0.95))


async def result(library: Library, identity: str, asked: Asked) -> None:
    """Build the page."""
    found = await off_loop(content, library, identity, asked)
    row, report = found.row, found.report
    path = [(found.analysis.name, f"/analyses/{found.analysis.id}"), (row.name, f"/runs/{row.id}")]
    with page(f"Result of {row.name}", path):
        heading(f"Result of {row.name}")
        _summary(report)
        if found.view:
            _thresholds(library, found, found.view)
        _confusion(found, asked)
        if found.feed:
            _feed(found, found.feed, asked)
        _metrics(report)
        _tables(report)
        _charts(report)
        with card():
            heading("To keep", 2)
            ui.link("The whole report, one file that opens offline", f"/files/runs/{row.id}/report.html", new_tab=True)
            ui.link("The predictions, as Parquet", f"/files/runs/{row.id}/predictions.parquet")
            ui.link("The model's weights", f"/files/runs/{row.id}/model.safetensors")


def _summary(report: dict[str, Any]) -> None:
    with card():
        with ui.row().classes("gap-8"):
            for one in report["tiles"]:
                fact(one["title"], one["value"]).tooltip(one["text"])
        for sentence in report["summary"]:
            ui.label(sentence)
        for note in report["notes"]:
            ui.label(note).classes("vf-soft")


# -- detection: threshold and overlap ---------------------------------------------------------------------------------


def _thresholds(library: Library, found: Content, view: View) -> None:
    """Show what another threshold or overlap would give, live."""
    optimal = found.report["threshold"]

    async def moved() -> None:
        now = View(threshold.value, iou.value)
        counted = await off_loop(found.judged.counted, now)
        for name, label in facts.items():
            value = counted["metrics"][name]
            label.text = "–" if value is None else f"{value:.3f}"
        words.text = f"Confidence from {now.threshold:.2f}, overlap (IoU) from {now.least_iou:.2f}"

    async def use() -> None:
        try:
            await off_loop(_used, library, found.row, threshold.value)
        except InputError as error:
            ui.notify(str(error), type="negative")
            return
        ui.notify(f"The model now reports boxes from {threshold.value:.2f} on.")

    def show_matrix() -> None:
        ui.navigate.to(_address(found.row, threshold=threshold.value, iou=iou.value))

    with card():
        heading("Threshold", 2)
        words = ui.label().props("role=status")
        with ui.row().classes("gap-8"):
            facts = {name: fact(name.capitalize(), "–") for name in ("precision", "recall", "f1")}
        threshold = _slider("Confidence", 0.01, 1, 0.01, round(view.threshold, 2))
        iou = _slider("Overlap (IoU)", 0.05, 0.95, 0.05, view.least_iou)
        threshold.on_value_change(moved)
        iou.on_value_change(moved)
        with ui.row():
            ui.button("Back to optimal", on_click=lambda: threshold.set_value(round(optimal, 2))).props("flat no-caps")
            ui.button("Show the matrix so", on_click=show_matrix).props("outline no-caps")
            ui.button("Use this threshold", on_click=use).props("unelevated no-caps")
    ui.timer(0.05, moved, once=True)


def _slider(name: str, low: float, high: float, step: float, value: float) -> ui.slider:
    with ui.row().classes("w-full items-center no-wrap gap-4"):
        ui.label(name).classes("w-32 vf-soft")
        slider = ui.slider(min=low, max=high, step=step, value=value)
        return slider.props(f'label aria-label="{name}"').classes("grow")


def _used(library: Library, row: Run, threshold: float) -> Run:
    runs.use_threshold(library, row, threshold)
    return row


# -- what is taken for what -------------------------------------------------------------------------------------------


def _confusion(found: Content, asked: Asked) -> None:
    """Show truth against prediction; a cell leads to its images."""
    confusion = (found.counted or found.report)["confusion"]
    with card():
        heading("What is taken for what", 2)
        ui.label("Each row is what it really is, each column what the model says. Choose a cell to see its images.")
        if len(confusion["labels"]) > MOST_CLASSES + 1:
            _most_confused(found, confusion, asked)
        else:
            _matrix(found, confusion, asked)


def _matrix(found: Content, confusion: dict[str, Any], asked: Asked) -> None:
    with ui.element("table").classes("vf-confusion"):
        with ui.element("tr"):
            for text in ("", *confusion["predicted_labels"]):
                with ui.element("th").props("scope=col"):
                    ui.label(text)
        for label, counts in zip(confusion["labels"], confusion["counts"], strict=True):
            with ui.element("tr"):
                with ui.element("th").props("scope=row"):
                    ui.label(label)
                for name, count in zip(confusion["predicted_labels"], counts, strict=True):
                    share = count / max(sum(counts), 1)
                    color = f"color-mix(in srgb, var(--vf-{'on' if name == label else 'bad'}) {share:.0%}, transparent)"
                    with ui.element("td").style(f"background: {color}"):
                        _cell(found, asked, label, name, count)


def _cell(found: Content, asked: Asked, truth: str, predicted: str, count: int) -> None:
    if not count:
        ui.label("0").classes("vf-soft")
        return
    link = ui.link(f"{count:,}", _address(found.row, truth, predicted, asked.threshold, asked.iou)).classes("vf-link")
    link._props["aria-label"] = f"{count} of {truth} taken for {predicted}"


def _most_confused(found: Content, confusion: dict[str, Any], asked: Asked) -> None:
    pairs = [
        (count, label, name)
        for label, counts in zip(confusion["labels"], confusion["counts"], strict=True)
        for name, count in zip(confusion["predicted_labels"], counts, strict=True)
        if count and label != name
    ]
    for count, label, name in sorted(pairs, key=lambda pair: -pair[0])[:MOST_CLASSES]:
        with ui.row().classes("gap-2"):
            _cell(found, asked, label, name, count)
            ui.label(f"of {label} taken for {name}")


def _feed(found: Content, feed: Feed, asked: Asked) -> None:
    judged, answers = found.judged, found.judged.answers
    with card():
        heading(f"{asked.truth} taken for {asked.predicted}: {plural(feed.found, 'image')}", 2)
        with ui.element("div").classes("vf-gallery vf-wide"):
            for row in feed.rows:
                with ui.element("figure"):
                    _picture(found, row)
                    with ui.element("figcaption"):
                        ui.label(answers["image"][row])
                        if not judged.detects:
                            said = f"{answers['label'][row]}, called {answers['prediction'][row]}"
                            ui.label(f"{said} ({judged.confidence(row):.0%})")
        if feed.found > len(feed.rows):
            ui.label(f"The first {len(feed.rows)} are shown.").classes("vf-soft")


def _picture(found: Content, row: int) -> None:
    query = urlencode({"threshold": found.view.threshold, "iou": found.view.least_iou}) if found.view else ""
    image = ui.element("img").props("loading=lazy")
    image._props["src"] = f"/files/runs/{found.row.id}/images/{row}.jpg?{query}"
    image._props["alt"] = found.judged.answers["image"][row]


def _address(
    row: Run,
    truth: str | None = None,
    predicted: str | None = None,
    threshold: float | None = None,
    iou: float | None = None,
) -> str:
    asked = {"truth": truth, "predicted": predicted, "threshold": threshold, "iou": iou}
    return f"/runs/{row.id}/result?{urlencode({key: value for key, value in asked.items() if value is not None})}"


# -- numbers and curves -----------------------------------------------------------------------------------------------


def _metrics(report: dict[str, Any]) -> None:
    with card():
        heading(f"Metrics on {report['judged_on']['words']}", 2)
        columns = {"title": "Metric", "text": "Value", "explanation": "What it says"}
        rows = [{**one, "text": _score(one["value"])} for one in report["metric_rows"]]
        _table(columns, rows, right={"text"})


def _tables(report: dict[str, Any]) -> None:
    for shown in report["tables"]:
        with card():
            heading(shown["title"], 2)
            ui.label(shown["reading"]).classes("vf-soft text-sm")
            scores = {one["key"] for one in shown["columns"] if one["kind"] == "score"}
            rows = [{key: _score(row[key]) if key in scores else row[key] for key in row} for row in shown["rows"]]
            names = {one["key"] for one in shown["columns"] if one["kind"] == "name"}
            columns = {one["key"]: one["title"] for one in shown["columns"]}
            _table(columns, rows, right=set(columns) - names)


def _table(columns: dict[str, str], rows: list[dict[str, Any]], right: set[str]) -> None:
    shown = [
        {"name": key, "label": title, "field": key, "align": "right" if key in right else "left", "sortable": True}
        for key, title in columns.items()
    ]
    table = ui.table(columns=shown, rows=rows, row_key=next(iter(columns)))
    table.props("flat dense wrap-cells hide-pagination").classes("w-full")


def _score(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


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
