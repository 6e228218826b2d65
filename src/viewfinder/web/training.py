"""The Training tab of a design: the model, how much of it learns, and how."""

from typing import Any

from nicegui import ui

from viewfinder import catalogue, tasks
from viewfinder.design import Design
from viewfinder.service.library.outlook import Outlook, rates, seconds_per_epoch
from viewfinder.web.chart import axis, chart, line
from viewfinder.web.editing import Editing
from viewfinder.web.frame import card, heading

LEARNING = {
    "retrained_layers": "Retrained layers",
    "input_size": "Input size (px)",
    "optimizer": "Optimizer",
    "learning_rate": "Learning rate",
    "weight_decay": "Weight decay",
    "gradient_clip": "Gradient clip",
}
SCHEDULES = {"plateau": "on plateau", "step": "step", "exponential": "exponential", "none": "constant"}
SCHEDULE = {"factor": "Factor", "patience": "Patience of the schedule", "step_size": "Step size", "gamma": "Gamma"}
STOPPING = {"enabled": "Early stopping", "min_delta": "Delta", "patience": "Patience"}


def training(editing: Editing) -> None:
    """Build the tab."""
    with card():
        heading("Model", 2)
        _models(editing)
    _follows(editing)
    with ui.grid().classes("w-full gap-4 grid-cols-1 md:grid-cols-2 items-start"):
        with card():
            heading("Learning", 2)
            for name, title in LEARNING.items():
                editing.setting(f"training.{name}", title)
            if tasks.get(editing.dataset.task).class_weights:
                editing.setting("training.class_weights")
        with ui.column().classes("gap-4 w-full"):
            with card():
                heading("Schedule", 2)
                _schedule(editing)
                editing.setting("training.warmup", "Warm-up")
            with card():
                heading("Length", 2)
                editing.setting("training.epochs", "Epochs")
                editing.setting("training.batch_size", "Batch size per device")
                _memory(editing)
            with card():
                heading("Early stopping", 2)
                for name, title in STOPPING.items():
                    editing.setting(f"training.early_stopping.{name}", title)


def _memory(editing: Editing) -> None:
    label = ui.label().classes("vf-soft text-sm")

    def show() -> None:
        label.text = f"Takes about {editing.outlook.estimate.memory_mb / 1000:.1f} GB of memory."

    show()
    editing.on_change(show)


def _follows(editing: Editing) -> None:
    """Show the backbone and the learning rate; drawn again after every change."""

    @ui.refreshable
    def drawn() -> None:
        with ui.row().classes("w-full gap-4 no-wrap max-md:flex-wrap items-stretch"):
            with card():
                heading("What is trained", 2)
                _backbone(editing.outlook)
            with card():
                heading("Learning rate", 2)
                _rate_chart(editing.outlook.design)

    drawn()
    editing.on_change(lambda: drawn.refresh())


def _schedule(editing: Editing) -> None:
    schedule = editing.design.training.schedule

    async def choose(event: Any) -> None:
        if refused := await editing.change("training.schedule", {"kind": event.value}):
            ui.notify(refused.text, type="negative")

    ui.select(SCHEDULES, label="Schedule", value=schedule.kind, on_change=choose).props("outlined dense").classes(
        "w-full"
    )
    for name, title in SCHEDULE.items():
        if name in type(schedule).model_fields:
            editing.setting(f"training.schedule.{name}", title)


def _models(editing: Editing) -> None:
    chosen = editing.design.training.model

    async def choose(name: str) -> None:
        if refused := await editing.change("training.model", name):
            ui.notify(refused.text, type="negative")

    with ui.grid().classes("w-full gap-3 grid-cols-1 sm:grid-cols-2 lg:grid-cols-4"):
        for row in catalogue.of_task(editing.dataset.task):
            pressed = "true" if row.name == chosen else "false"
            with (
                ui.element("button")
                .classes("vf-card vf-model text-left")
                .props(f"type=button aria-pressed={pressed}")
                .on("click", lambda row=row: choose(row.name))
            ):
                ui.label(row.name).classes("font-bold")
                for text in (
                    f"{row.parameters / 1e6:.1f} million parameters, {row.weights.size_mb:g} MB",
                    f"{row.input_size} px, {len(row.layers)} backbone layers",
                    f"Weights from {row.weights.trained_on} {editing.weights.get(row.name, '')}",
                    _epoch_time(editing, row.name),
                ):
                    ui.label(text).classes("vf-soft text-sm")


def _epoch_time(editing: Editing, model: str) -> str:
    seconds = seconds_per_epoch(editing.parts, editing.design, model, editing.speed)
    if seconds is None:
        return "Time per epoch shows in the first epoch"
    least, most = (round(value) for value in seconds)
    return (
        f"{least} to {most} s per epoch here"
        if most < 120
        else f"{least / 60:.0f} to {most / 60:.0f} min per epoch here"
    )


def _backbone(seen: Outlook) -> None:
    """Draw the backbone and the head as blocks; those that learn are lit."""
    training = seen.design.training
    layers, retrained = catalogue.get(training.model).layers, int(training.retrained_layers)
    drawn = 'role=img aria-label="The layers of the backbone, and at last the head"'
    with ui.row().classes("w-full gap-1 items-end no-wrap").props(drawn):
        for number, layer in enumerate(layers):
            lit = number >= len(layers) - retrained
            _block(layer.name, lit, 1.6 + 2.4 * (number + 1) / len(layers))
        with ui.column().classes("gap-1 ml-2"):  # apart: it is no layer of the backbone
            ui.label("head").classes("vf-soft text-sm")
            _block("head", True, 4.6)
    share = f"{seen.trained_share:.0%} of the parameters"
    ui.label(f"{retrained} of {len(layers)} backbone layers and the head learn: {share}.").classes("vf-soft text-sm")
    if seen.warning:
        with ui.row().classes("items-center no-wrap gap-2"):
            ui.icon("warning").classes("vf-warning")
            ui.label(seen.warning)


def _block(name: str, lit: bool, height_rem: float) -> None:
    color = "on" if lit else "off"
    style = f"flex: 0 1 auto; width: 1.7rem; height: {height_rem}rem; background: var(--vf-{color})"
    with ui.element("div").classes("rounded").style(style):
        ui.tooltip(f"{name}: {'learns' if lit else 'frozen'}")


def _rate_chart(design: Design) -> None:
    plotted, example = rates(design)
    lines = [line("learning rate", plotted, showSymbol=False)]
    if example:
        patience = getattr(design.training.schedule, "patience", 0)
        name = f"only if the metric stalls for {patience + 1} epochs"
        lines.append(line(name, example, showSymbol=False, step="end", lineStyle={"type": "dashed"}))
    chart(lines, axis("epoch", max=plotted[-1][0]), axis())
