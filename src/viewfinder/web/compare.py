"""Compare: runs side by side, and whether the difference is more than chance."""

from dataclasses import dataclass
from typing import Any

from nicegui import ui

from viewfinder import tasks
from viewfinder.errors import InputError, NotFoundError
from viewfinder.report.summary import duration
from viewfinder.run import RunFolder
from viewfinder.service import comparing
from viewfinder.service.chance import MORE
from viewfinder.service.library import runs
from viewfinder.service.library.library import Library
from viewfinder.store import Analysis, Run
from viewfinder.web.chart import axis, chart, line
from viewfinder.web.frame import card, heading, link_button, off_loop, page
from viewfinder.web.tables import link_cells, table
from viewfinder.words import score


@dataclass(frozen=True)
class Content:
    """What the page shows."""

    rows: list[Run]
    analyses: list[Analysis]
    folders: list[RunFolder]
    compared: dict[str, Any]


def content(library: Library, identities: list[str]) -> Content:
    """Read it; raise InputError for what cannot be compared."""
    rows = runs.to_compare(library, identities)
    folders = [runs.folder(library, row) for row in rows]
    analyses = [library.get(Analysis, row.analysis_id) for row in rows]
    return Content(rows, analyses, folders, comparing.compare(folders, [row.name for row in rows], chance=False))


async def compare(library: Library, identities: list[str]) -> None:
    """Build the page; the runs stand in the address."""
    try:
        found = await off_loop(content, library, identities)
    except NotFoundError:
        raise
    except InputError as error:
        await _refused(library, identities, str(error))
        return
    first = found.analyses[0]
    with page("Compare", [(first.name, f"/analyses/{first.id}"), ("Runs", f"/analyses/{first.id}/runs")]):
        heading("Compare")
        _facts(found)
        with card():
            heading("Is the difference more than chance?", 2)
            _chances(found)
        _metrics(found)
        _curves(found)
        _designs(found)


async def _refused(library: Library, identities: list[str], why: str) -> None:
    """Say why runs cannot be compared, with the way back to them."""
    row = await off_loop(library.get, Run, identities[0]) if identities else None
    with page("Compare"):
        heading("These cannot be compared")
        with card("items-start"):
            ui.label(why).props("role=alert").classes("vf-cell")
            if row:
                link_button("Back to the runs", f"/analyses/{row.analysis_id}/runs", "arrow_back")
            else:
                link_button("Home", "/", "home")


def _facts(found: Content) -> None:
    """Say what stands for which run."""
    rows = [
        {
            "letter": comparing.letter(number),
            "name": row.name,
            "href": f"/runs/{row.id}",
            "analysis": analysis.name,
            "place": f"/analyses/{analysis.id}",
            "model": facts["model"],
            "state": facts["status"],
            "epochs": f"{facts['epochs_done']}, best {facts['best_epoch'] or '–'}",
            "time": duration(facts["seconds"]),
            "judged": f"{facts['judged_images'] or 0:,} images of the {facts['judged_on'] or '–'} split",
        }
        for number, (row, analysis, facts) in enumerate(
            zip(found.rows, found.analyses, found.compared["runs"], strict=True)
        )
    ]
    columns = {
        "letter": "", "name": "Run", "analysis": "Analysis", "model": "Model", "state": "State", "epochs": "Epochs",
        "time": "Time", "judged": "Judged on",
    }  # fmt: skip
    with card():
        with ui.element("div").classes("w-full overflow-x-auto"):
            shown = table(columns, rows, stacked=True)
            link_cells(shown, "name")
            link_cells(shown, "analysis", "place")
        for warning in found.compared["warnings"]:
            ui.label(warning).classes("vf-wrong").props("role=note")


def _chances(found: Content) -> None:
    """Say what is more than chance, as soon as it is known: that takes a moment."""
    waiting = ui.row().classes("items-center gap-3")
    with waiting:
        ui.spinner(size="1.2em")
        ui.label("Drawing the test images again and again").props("role=status")
    place = ui.column().classes("gap-4 w-full")

    async def show() -> None:
        chances = await off_loop(comparing.chances, found.folders)
        waiting.visible = False
        with place:
            for one in chances:
                _chance(one, found)

    ui.timer(0.05, show, once=True)


def _chance(one: dict[str, Any], found: Content) -> None:
    other, first = found.rows[one["run"]], found.rows[0]
    with ui.column().classes("gap-1 w-full"):
        names = f"{comparing.letter(one['run'])} ({other.name}) against A ({first.name})"
        ui.label(names).classes("font-bold vf-cell")
        if one["reason"]:
            ui.label(one["reason"])
            return
        for metric in one["metrics"]:
            with ui.row().classes("items-center gap-2 no-wrap"):
                ui.icon("check_circle" if metric["verdict"] == MORE else "help_outline").classes(
                    "text-primary" if metric["verdict"] == MORE else "vf-soft"
                ).props("aria-hidden=true")
                ui.label(metric["sentence"])
        ui.label(one["basis"]).classes("vf-soft text-sm")


def _metrics(found: Content) -> None:
    letters = [comparing.letter(number) for number in range(len(found.rows))]
    known = tasks.get(found.compared["task"]).metrics
    rows = []
    for one in found.compared["metrics"]:
        title = known[one["metric"]].title if one["metric"] in known else one["metric"].replace("_", " ")
        texts = {
            name: f"{score(value)}{' ★' if number in one['best'] else ''}"
            for number, (name, value) in enumerate(zip(letters, one["values"], strict=True))
        }
        rows.append({"metric": title, **texts})
    with card():
        heading("Metrics", 2)
        with ui.element("div").classes("w-full overflow-x-auto"):
            table({"metric": "Metric", **{name: name for name in letters}}, rows, right=letters)
        ui.label(_measured_on(found.compared)).classes("vf-soft text-sm")


def _measured_on(compared: dict[str, Any]) -> str:
    """Say of which images the metrics are, and what a star means."""
    judged = [(run["judged_on"], run["judged_images"]) for run in compared["runs"]]
    told = [
        f"{comparing.letter(number)} on {images:,} of the {split} split"
        for number, (split, images) in enumerate(judged)
        if split and images
    ]
    if not compared["same_images"]:
        return f"Each run was measured on test images of its own: {', '.join(told)}. So none is marked as the best."
    same = next((f"All on the same {images:,} images of the {split} split. " for split, images in judged if split), "")
    return f"{same}★ is the best."


def _designs(found: Content) -> None:
    differing = found.compared["designs"]
    with card():
        heading("What differs in their designs", 2)
        if not differing:
            ui.label("Nothing: the designs are the same.")
            return
        letters = [comparing.letter(number) for number in range(len(found.rows))]
        rows = [
            {"setting": name, **{letter: _shown(value) for letter, value in zip(letters, values, strict=True)}}
            for name, values in differing.items()
        ]
        with ui.element("div").classes("w-full overflow-x-auto"):
            table({"setting": "Setting", **{name: name for name in letters}}, rows)


def _shown(value: Any) -> str:
    match value:
        case None:
            return "–"
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(map(str, value))
        case _:
            return str(value)


def _curves(found: Content) -> None:
    """Lay the curves of all runs over each other: losses, and each run's own metric."""
    metric = found.compared["runs"][0]["optimized"]
    title = tasks.get(found.compared["task"]).metrics[metric].title
    splits = {run["monitored_split"] for run in found.compared["runs"]}
    on = f" on the {splits.pop()} split" if len(splits) == 1 else ""
    with ui.grid().classes("w-full gap-4 grid-cols-1 md:grid-cols-3"):
        for text, column in (
            (f"{title}{on}", f"{{split}}_{metric}"), ("Training loss", "train_loss"), (f"Loss{on}", "{split}_loss"),
        ):  # fmt: skip
            with card():
                heading(text, 2)
                lines = [
                    line(comparing.letter(number), _points(run, column.format(split=run["monitored_split"])))
                    for number, run in enumerate(found.compared["runs"])
                ]
                chart(lines, axis("epoch", min=1, minInterval=1), axis(scale=True))


def _points(run: dict[str, Any], column: str) -> list[tuple[int, Any]]:
    return [(epoch["epoch"], epoch.get(column)) for epoch in run["epochs"]]
