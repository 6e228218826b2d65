"""The other tabs of a design: target, train and test, metrics, runtime."""

from typing import Any

from nicegui import ui

from viewfinder import catalogue, tasks
from viewfinder.web.editing import Editing
from viewfinder.web.frame import card, fact, heading
from viewfinder.web.tables import table


def target(editing: Editing) -> None:
    """Build the Target tab: the classes that are learned, with examples of each."""
    counted = "objects" if editing.index.target.is_objects else "images"
    rows = editing.classes
    chosen = editing.design.target.classes
    boxes: dict[str, ui.checkbox] = {}

    async def choose() -> None:
        names = tuple(name for name, box in boxes.items() if box.value)
        refused = await editing.change("target.classes", None if len(names) == len(rows) else names)
        wrong.text = refused.text if refused else ""

    with card():
        heading("Classes", 2)
        ui.label("What the model learns to tell apart. Images of classes that are not chosen are left out.").classes(
            "vf-soft"
        )
        wrong = ui.label().classes("vf-wrong text-sm").props("role=alert")
        with ui.grid().classes("w-full gap-4 grid-cols-1 sm:grid-cols-2 md:grid-cols-3"):
            for row in rows:
                with ui.column().classes("gap-1 min-w-0"):
                    on = chosen is None or row["name"] in chosen
                    text = f"{row['name']} ({row[counted]:,} {counted})"
                    boxes[row["name"]] = ui.checkbox(text, value=on, on_change=choose)
                    _examples(editing, row["name"])


def _examples(editing: Editing, name: str) -> None:
    with ui.element("div").classes("vf-examples"):
        for sha256 in editing.examples.get(name, ()):
            image = ui.element("img").props("loading=lazy")
            image._props |= {"src": f"/files/datasets/{editing.dataset.id}/{sha256}.jpg", "alt": f"Example of {name}"}


def split(editing: Editing) -> None:
    """Build the Train / Test tab: the ratios, and what results."""
    with ui.grid().classes("w-full gap-4 grid-cols-1 md:grid-cols-2 items-start"):
        with card():
            heading("Train and test", 2)
            for name in ("test_ratio", "validation_ratio", "stratify"):
                editing.setting(f"split.{name}")
            if editing.group_columns:
                editing.setting("split.group_column", choices=editing.group_columns)
            editing.setting("split.seed")
        with card():
            heading("What results", 2)

            @ui.refreshable
            def counts() -> None:
                _parts(editing)

            counts()
            editing.on_change(lambda: counts.refresh())


def _parts(editing: Editing) -> None:
    used = [name for name, count in editing.parts.images.items() if count]
    with ui.row().classes("gap-8"):
        for name in used:
            fact(name.capitalize(), f"{editing.parts.images[name]:,}")
    counted = "Objects" if editing.index.target.is_objects else "Images"
    columns = {"class": f"{counted} of", **{name: name.capitalize() for name in used}}
    rows = [{"class": name, **{one: counts[one] for one in used}} for name, counts in editing.parts.classes.items()]
    table(columns, rows, right=set(used))


def metrics(editing: Editing) -> None:
    """Build the Metrics tab: the choice, each explained."""
    known = tasks.get(editing.dataset.task).metrics

    async def choose(event: Any) -> None:
        if refused := await editing.change("metrics.optimize", event.value):
            ui.notify(refused.text, type="negative")

    with card():
        heading("What a good model is", 2)
        ui.label("This metric decides when to stop, and which epoch becomes the model.").classes("vf-soft")
        options = {name: f"{metric.title}: {metric.explanation}" for name, metric in known.items()}
        ui.radio(options, value=editing.design.metrics.optimize, on_change=choose)


def runtime(editing: Editing) -> None:
    """Build the Runtime tab: what this machine has, and how it is used."""

    async def choose(name: str) -> None:
        if refused := await editing.change("runtime.devices", name):
            ui.notify(refused.text, type="negative")
        else:
            editing.fields["runtime.devices"].show(name)

    with ui.grid().classes("w-full gap-3 grid-cols-1 sm:grid-cols-2 lg:grid-cols-3"):
        for device in editing.devices:
            with card():
                ui.label(device.title).classes("font-bold")
                ui.label(device.text).classes("vf-soft")
                if device.use is not None:
                    ui.label(f"{device.use:.0%} busy").classes("vf-soft")
                    ui.linear_progress(device.use, show_value=False).props(f'aria-label="Use of {device.name}"')
                ui.button(f"Train on {device.name}", on_click=lambda device=device: choose(device.name)).props(
                    "outline no-caps"
                )
    with card("max-w-xl"):
        heading("Where and how it is computed", 2)
        editing.setting("runtime.devices")
        _device_warning(editing)
        editing.setting("runtime.strict", "Only on this device")
        editing.setting("runtime.precision")
        if tasks.get(editing.dataset.task).frozen_apart:
            _engine(editing)
        for name in ("views", "workers", "seed"):
            editing.setting(f"runtime.{name}")


def _engine(editing: Editing) -> None:
    """Show the engine, and whether there is anything for it to do."""
    editing.setting("runtime.engine")
    idle = ui.label("No layer is frozen: the engine changes nothing.").classes("vf-soft text-sm").props("role=status")

    def show() -> None:
        training = editing.outlook.design.training
        idle.visible = training.retrained_layers == len(catalogue.get(training.model).layers)

    show()
    editing.on_change(show)


def _device_warning(editing: Editing) -> None:
    """Say below the field when its device is not there; it hinders nothing."""
    with ui.row().classes("items-center no-wrap gap-2").props("role=status") as row:
        ui.icon("warning").classes("vf-warning")
        text = ui.label()

    def show() -> None:
        text.text = editing.outlook.device_warning or ""
        row.visible = bool(text.text)

    show()
    editing.on_change(show)
