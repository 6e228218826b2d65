"""What if: a model is tried on images that are dropped, pasted or taken from its test images."""

import asyncio
from pathlib import Path

from nicegui import background_tasks, ui
from nicegui.element import Element

from viewfinder.errors import InputError, ViewfinderError
from viewfinder.run import ModelInfo, read_model_info
from viewfinder.service.library import runs, saved, trials
from viewfinder.service.library.library import Library
from viewfinder.service.library.trials import Samples, Trial
from viewfinder.store import Analysis, Run, SavedModel
from viewfinder.web.add import Upload
from viewfinder.web.batches import Batches
from viewfinder.web.frame import heading, off_loop, page
from viewfinder.words import plural

STYLE = Path(__file__).with_name("what_if.css")
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
        Batches(library, model_folder, looking.send_many_through)
    background_tasks.create(_warm_up(library, trial, state, wrong), name="warm up")


async def _warm_up(library: Library, trial: Trial, state: ui.label, wrong: ui.label) -> None:
    state.visible, wrong.visible = library.warm.state != "ready", False
    try:
        await asyncio.wrap_future(trials.load(library, trial))
    except ViewfinderError as error:
        wrong.text, wrong.visible = str(error), True
    state.visible = False
