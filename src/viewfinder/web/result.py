"""Result: what came of a run, from its report and from its predictions, image by image."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from nicegui import ui

from viewfinder.errors import RunError
from viewfinder.report.summary import RESUME
from viewfinder.service.library import runs
from viewfinder.service.library.judged import Judged
from viewfinder.service.library.library import Library
from viewfinder.store import Analysis, Run
from viewfinder.web import numbers
from viewfinder.web.confusion import Confusion, Threshold
from viewfinder.web.deploy import deploy_button
from viewfinder.web.feed import Feed, Viewer
from viewfinder.web.frame import card, fact, heading, link_button, off_loop, page
from viewfinder.web.looking import Looking


@dataclass(frozen=True)
class Content:
    """What the page shows. `rows` are the test images that are looked at, None: none in particular."""

    row: Run
    analysis: Analysis
    report: dict[str, Any]
    judged: Judged
    counted: dict[str, Any]
    rows: list[int] | None

    @property
    def path(self) -> list[tuple[str, str]]:
        """The pages above it."""
        return [(self.analysis.name, f"/analyses/{self.analysis.id}"), (self.row.name, f"/runs/{self.row.id}")]


def content(library: Library, identity: str, looking: Looking) -> Content:
    """Read it; raise RunError when there is no result yet."""
    row = library.get(Run, identity)
    folder = runs.folder(library, row)
    report = folder.report()
    if not report.get("judged_on"):
        raise RunError(f"'{row.name}' has no result yet: no epoch is finished.")
    judged = library.judged(folder)
    view = looking.view(judged)
    counted = judged.counted(view) if view else report
    rows = judged.feed(looking.wanted, view) if looking.at_images else None
    return Content(row, library.get(Analysis, row.analysis_id), report, judged, counted, rows)


async def result(library: Library, identity: str, looking: Looking) -> None:
    """Build the page."""
    found = await off_loop(content, library, identity, looking)
    row, report = found.row, found.report
    with page(f"Result of {row.name}", found.path):
        with ui.row().classes("w-full items-center justify-between"):
            heading(f"Result of {row.name}")
            with ui.row().classes("gap-2"):
                deploy_button(library, row)
                link_button("Try it", f"/runs/{row.id}/try", "image_search")
        with ui.column().classes("w-full") as summary:
            _summary(report)

        async def used() -> None:
            told = await off_loop(runs.folder(library, row).report)
            summary.clear()
            with summary:
                _summary(told)

        _confusion(library, found, looking, used)
        numbers.metrics(report)
        numbers.tables(report)
        numbers.charts(report)
        with card():
            heading("To keep", 2)
            ui.link("The whole report, one file that opens offline", f"/files/runs/{row.id}/report.html", new_tab=True)
            ui.link("The predictions, as Parquet", f"/files/runs/{row.id}/predictions.parquet")
            ui.link("The model's weights", f"/files/runs/{row.id}/model.safetensors")


async def image(library: Library, identity: str, looking: Looking) -> None:
    """Build the page of one test image in full."""
    found = await off_loop(content, library, identity, looking)
    path = [*found.path, ("Result", f"/runs/{found.row.id}/result")]
    if not found.rows or looking.image not in (None, *found.rows):
        raise RunError("There is no such test image.")
    with page("Test image", path):
        await Viewer(found.row, found.judged, looking, found.rows).show()


def _confusion(library: Library, found: Content, looking: Looking, used: Callable[[], Awaitable[None]]) -> None:
    """Show what is taken for what, and the images that are looked at; above them a detector's threshold."""
    row, judged = found.row, found.judged
    place = ui.column().classes("w-full") if judged.detects else None
    confusion = Confusion(row, looking, found.counted["confusion"])
    shown = Feed(row, judged, looking, found.rows) if found.rows is not None else None
    if place:
        with place:
            threshold = Threshold(library, row, judged, looking, confusion, used)
        threshold.begin(found.counted, shown)


def _summary(report: dict[str, Any]) -> None:
    with card():
        with ui.row().classes("gap-8"):
            for one in report["tiles"]:
                fact(one["title"], one["value"]).tooltip(one["text"])
        for sentence in report["summary"]:
            ui.label(sentence.replace(RESUME, "Resume on the page of the run goes on from the last epoch."))
        for note in report["notes"]:
            ui.label(note).classes("vf-soft")
