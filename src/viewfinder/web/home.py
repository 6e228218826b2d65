"""Home: what is running now, saved models, analyses, datasets."""

from dataclasses import dataclass

from nicegui import ui

from viewfinder.service.library import analyses, datasets, imports, runs
from viewfinder.service.library.imports import Import
from viewfinder.service.library.library import Library
from viewfinder.store import Analysis, Dataset, Run
from viewfinder.web.frame import card, heading, link_button, off_loop, page
from viewfinder.web.models import Saved, all_saved, saved_cards
from viewfinder.web.undo import undo_bar
from viewfinder.words import plural


@dataclass(frozen=True)
class Content:
    """What there is to show."""

    datasets: list[Dataset]
    analyses: list[Analysis]
    runs: list[Run]
    unfinished: list[Run]
    imports: list[Import]
    models: list[Saved]


def content(library: Library) -> Content:
    """Read what there is."""
    return Content(
        datasets.datasets(library), analyses.analyses(library), runs.runs(library), runs.unfinished(library),
        imports.unfinished(library), all_saved(library),
    )  # fmt: skip


async def home(library: Library, trashed: str | None = None) -> None:
    """Build the page; `trashed` is what was just deleted."""
    found = await off_loop(content, library)
    with page("Home"):
        await undo_bar(library, trashed, "/")
        _running(found.unfinished)
        _imports(found.imports)
        _models(found.models)
        _analyses(found)
        _datasets(library, found.datasets)


def _running(current: list[Run]) -> None:
    if not current:
        return
    with card():
        heading("Running now", 2)
        for one in current:
            with ui.row().classes("items-center gap-3"):
                ui.spinner(size="1.2em") if one.state == "running" else ui.icon("schedule")
                ui.link(one.name, f"/runs/{one.id}")
                ui.label(one.state).classes("vf-soft")


def _imports(unfinished: list[Import]) -> None:
    for one in unfinished:
        with card(), ui.row().classes("items-center gap-3"):
            ui.icon("pause_circle") if one.interrupted else ui.spinner(size="1.2em")
            ui.link(f"Import of {one.name}", f"/imports/{one.id}")
            ui.label("interrupted" if one.interrupted else "going on").classes("vf-soft")


def _models(found: list[Saved]) -> None:
    if not found:
        return
    heading("Saved models")
    saved_cards(found)


def _analyses(found: Content) -> None:
    if not found.analyses:
        return
    names = {one.id: one.name for one in found.datasets}
    heading("Analyses")
    with ui.grid().classes("w-full gap-4 grid-cols-1 sm:grid-cols-2 md:grid-cols-3"):
        for one in found.analyses:
            with card():
                ui.link(one.name, f"/analyses/{one.id}").classes("text-lg font-bold vf-link")
                count = sum(each.analysis_id == one.id for each in found.runs)
                text = f"{names[one.dataset_id]}, {plural(count, 'run')}"
                ui.link(text, f"/analyses/{one.id}/runs").classes("vf-soft vf-cell")


def _datasets(library: Library, rows: list[Dataset]) -> None:
    with ui.row().classes("w-full items-center justify-between"):
        heading("Datasets")
        link_button("Add a dataset", "/datasets/new", "add")
    with ui.grid().classes("w-full gap-4 grid-cols-1 sm:grid-cols-2"):
        for one in rows:
            with card():
                ui.link(one.name, f"/datasets/{one.id}").classes("text-lg font-bold vf-link")
                what = {"classification": "Image classification", "detection": "Object detection"}[one.task]
                ui.label(f"{what}: {plural(one.images, 'image')}, {plural(len(one.classes), 'class')}").classes(
                    "vf-soft"
                )
                if one.sample:
                    ui.label("A sample that comes with Viewfinder.").classes("vf-soft text-sm")
                ui.button("Design a training", on_click=lambda one=one: _begin(library, one)).props(
                    "unelevated no-caps"
                )


async def _begin(library: Library, dataset: Dataset) -> None:
    made = await off_loop(analyses.create, library, dataset)
    ui.navigate.to(f"/analyses/{made.id}")
