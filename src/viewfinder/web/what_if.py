"""What if: a model is tried on images that are dropped, pasted or taken from its test images."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from nicegui import background_tasks, ui
from nicegui.element import Element

from viewfinder.errors import InputError, ViewfinderError
from viewfinder.run import ModelInfo, read_model_info
from viewfinder.service.library import batches, runs, saved, trials
from viewfinder.service.library.batches import Batch
from viewfinder.service.library.library import Library
from viewfinder.service.library.trials import Samples, Trial
from viewfinder.store import Analysis, Run, SavedModel
from viewfinder.web.add import Upload
from viewfinder.web.frame import card, heading, off_loop, page
from viewfinder.words import plural

STYLE = Path(__file__).with_name("what_if.css")
REFRESH_S = 0.5
MOST_LISTED = 100
MOST_BATCHES = 10
WARMING = "Warming up: the first answer takes a few seconds."


class Looking(Element, component="what_if.js"):
    """Sends images to be looked at, and shows what the model says of them; all of it happens in the browser."""

    def __init__(self, trial: Trial, info: ModelInfo) -> None:
        super().__init__()
        self._props.update(
            trial=trial.id,
            threshold=info.threshold,
            samples=len(trial.samples.images),
            mostImages=trials.MOST_IMAGES,
            mostBytes=trials.MOST_FILE_BYTES,
        )

    def send_many_through(self, upload: Upload) -> None:
        """Have folders, zips and very many images sent by an upload instead."""
        self._props["upload"] = upload.id
        self.update()


async def of_run(library: Library, identity: str) -> None:
    """Build the page for the model of a run; raise RunError when it has none yet."""

    def read() -> tuple[Run, Analysis, Path, Samples]:
        row = library.get(Run, identity)
        folder = runs.folder(library, row)
        return row, library.get(Analysis, row.analysis_id), folder.model_path(), Samples.of_run(folder)

    row, analysis, model, samples = await off_loop(read)
    path = [(analysis.name, f"/analyses/{analysis.id}"), (row.name, f"/runs/{row.id}")]
    await what_if(library, row.name, path, model, samples)


async def of_saved(library: Library, identity: str) -> None:
    """Build the page for the version of a saved model that is in use; raise StateError when none is."""

    def read() -> tuple[SavedModel, Path, Samples]:
        row = library.get(SavedModel, identity)
        version = saved.get_version(library, row, row.active) if row.active else None
        model = saved.active_folder(library, row)
        try:
            samples = Samples.of_run(runs.folder(library, library.get(Run, version.run_id))) if version else None
        except InputError:  # the run is gone; the version is a copy
            samples = None
        return row, model, samples or Samples(model)

    row, model, samples = await off_loop(read)
    await what_if(library, row.name, [("Models", "/models"), (row.name, f"/models/{row.id}")], model, samples)


async def what_if(
    library: Library, title: str, path: list[tuple[str, str]], model_folder: Path, samples: Samples
) -> None:
    """Build the page for the model of a folder: one with model.json and model.safetensors.

    `path` holds (text, address) of the pages above it; `samples` are images that can be taken with a click. Raises
    RunError when the model cannot be read.
    """
    info = await off_loop(read_model_info, model_folder)
    trial = trials.begin(library, model_folder, samples)
    ui.context.client.on_delete(lambda: trials.end(library, trial))
    with page(f"Try {title}", path):
        ui.add_css(STYLE)
        heading(f"Try {title}")
        what = f"{info.model}, {plural(len(info.classes), 'class')}: {', '.join(info.classes[:12])}"
        ui.label(what + (" …" if len(info.classes) > 12 else "")).classes("vf-soft")
        state = ui.label(WARMING).classes("vf-soft").props("role=status")
        wrong = ui.label().classes("vf-wrong").props("role=alert")
        looking = Looking(trial, info)
        _many(library, model_folder, looking)
    background_tasks.create(_warm_up(library, trial, state, wrong), name="warm up")


async def _warm_up(library: Library, trial: Trial, state: ui.label, wrong: ui.label) -> None:
    state.visible, wrong.visible = library.warm.state != "ready", False
    try:
        await asyncio.wrap_future(trials.load(library, trial))
    except ViewfinderError as error:
        wrong.text, wrong.visible = str(error), True
    state.visible = False


# -- many images at once ----------------------------------------------------------------------------------------------


def _many(library: Library, model: Path, looking: Looking) -> None:
    """Show where folders and zips go, and what became of them."""
    said: dict[str, ui.label] = {}
    seen: list[tuple[str, str]] = []

    async def sent(identity: str, name: str) -> None:
        try:
            await off_loop(batches.of_upload, library, identity, name, model)
        except InputError as error:
            ui.notify(str(error), type="negative")
        offer()
        timer.activate()

    async def delete(batch: Batch) -> None:
        try:
            await off_loop(batches.delete, library, batch.id)
        except InputError as error:
            ui.notify(str(error), type="negative")
        refresh()

    def offer() -> None:
        place.clear()
        with place:
            looking.send_many_through(Upload(sent, ""))

    def refresh() -> None:
        """Draw the list when a batch came or changed its state; otherwise only say how far they are."""
        found = batches.of_model(library, model)[:MOST_BATCHES]
        states = [(batch.id, batch.state) for batch in found]
        if states != seen:
            seen[:] = states
            shown.refresh()
        for batch in found:
            said[batch.id].text = _said(batch)
        timer.active = any(batch.state not in batches.OVER for batch in found)

    @ui.refreshable
    def shown() -> None:
        found = batches.of_model(library, model)
        for batch in found[:MOST_BATCHES]:
            said[batch.id] = _batch(batch, delete)
        if len(found) > MOST_BATCHES:
            ui.label(f"… and {len(found) - MOST_BATCHES:,} older").classes("vf-soft")

    with card():
        heading("Many images at once", 2)
        ui.label("A folder or a zip is predicted in the background; what the model says comes as a CSV file.").classes(
            "vf-soft"
        )
        place = ui.element("div").classes("w-full")
        shown()
    timer = ui.timer(REFRESH_S, refresh)
    offer()


def _batch(batch: Batch, delete: Callable[[Batch], Awaitable[None]]) -> ui.label:
    """Show a batch, and return the label that says how far it is."""
    with ui.row().classes("w-full items-center gap-4"):
        with ui.column().classes("gap-0"):
            ui.label(batch.name).classes("font-bold")
            ui.label(time.strftime("%Y-%m-%d %H:%M", time.localtime(batch.begun))).classes("vf-soft text-sm")
        said = ui.label(_said(batch)).props("role=status")
        if batch.state == "finished":
            ui.link("Download the CSV", f"/files/predictions/{batch.id}.csv")
        elif batch.state not in batches.OVER:
            stop = ui.button("Stop", icon="stop", on_click=lambda: batches.stop(batch)).props("outline no-caps dense")
            stop.props["aria-label"] = f"Stop {batch.name}"
        if batch.state in batches.OVER:
            gone = ui.button("Delete", icon="delete", on_click=lambda: delete(batch)).props("flat no-caps dense")
            gone.props["aria-label"] = f"Delete {batch.name}"
    if batch.error:
        ui.label(batch.error).classes("vf-wrong")
    if batch.unreadable:
        _left_out(batch)
    return said


def _left_out(batch: Batch) -> None:
    with ui.expansion(f"Left out: {plural(len(batch.unreadable), 'image')}").classes("w-full"):
        for one in batch.unreadable[:MOST_LISTED]:
            ui.label(f"{one.file}: {one.reason}").classes("text-sm")
        if len(batch.unreadable) > MOST_LISTED:
            ui.label(f"… and {len(batch.unreadable) - MOST_LISTED:,} more").classes("vf-soft text-sm")


def _said(batch: Batch) -> str:
    """Return in words how far a batch is."""
    words = {
        "waiting": "waits for its turn",
        "stopped": "stopped",
        "failed": "failed",
        "interrupted": "interrupted: the server ended before it was done. Send the images again.",
    }
    if batch.state == "finished":
        return f"{plural(batch.total - len(batch.unreadable), 'image')} predicted"
    if batch.state == "running" and batch.stopping.is_set():
        return "stops after this image"
    return words.get(batch.state) or f"{batch.done:,} of {batch.total:,} images"
