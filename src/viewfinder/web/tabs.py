"""The other tabs of a design: target, train and test, metrics, data augmentation, runtime."""

from typing import Any

from nicegui import ui

from viewfinder import tasks
from viewfinder.data.check import summarise
from viewfinder.web.editing import Editing
from viewfinder.web.frame import card, fact, heading

AUGMENTATION = {
    "color": "Brightness, contrast and hue",
    "affine": "Flips and rotation",
    "crop": "A random part of the image, enlarged to the whole",
}


def target(editing: Editing) -> None:
    """Build the Target tab: the classes that are learned."""
    counted = "objects" if editing.index.target.is_objects else "images"
    rows = summarise(editing.index)["classes"]
    chosen = editing.design.target.classes

    async def choose() -> None:
        names = [name for name, box in boxes.items() if box.value]
        wrong.text = await editing.change("target.classes", None if len(names) == len(rows) else names) or ""

    with card():
        heading("Classes", 2)
        ui.label("What the model learns to tell apart. Images of classes that are not chosen are left out.").classes(
            "vf-soft"
        )
        boxes = {}
        with ui.grid().classes("w-full gap-1 grid-cols-2 sm:grid-cols-3 md:grid-cols-4"):
            for row in rows:
                text = f"{row['name']} ({row[counted]:,} {counted})"
                on = chosen is None or row["name"] in chosen
                boxes[row["name"]] = ui.checkbox(text, value=on, on_change=choose)
        wrong = ui.label().classes("vf-wrong text-sm").props("role=alert")


def split(editing: Editing) -> None:
    """Build the Train / Test tab: the ratios, and what results."""
    with ui.grid().classes("w-full gap-4 grid-cols-1 md:grid-cols-2 items-start"):
        with card():
            heading("Train and test", 2)
            for name in ("test_ratio", "validation_ratio", "stratify", "seed"):
                editing.setting(f"split.{name}")
        with card():
            heading("What results", 2)

            @ui.refreshable
            def counts() -> None:
                with ui.row().classes("gap-8"):
                    for name, count in editing.outlook.counts.items():
                        if count:
                            fact(name.capitalize(), f"{count:,}")

            counts()
            editing.on_change(counts.refresh)


def metrics(editing: Editing) -> None:
    """Build the Metrics tab: the choice, each explained."""
    known = tasks.get(editing.dataset.task).metrics

    async def choose(event: Any) -> None:
        if wrong := await editing.change("metrics.optimize", event.value):
            ui.notify(wrong, type="negative")

    with card():
        heading("What a good model is", 2)
        ui.label("This metric decides when to stop, and which epoch becomes the model.").classes("vf-soft")
        options = {name: f"{metric.title}: {metric.explanation}" for name, metric in known.items()}
        ui.radio(options, value=editing.design.metrics.optimize, on_change=choose)


def augmentation(editing: Editing) -> None:
    """Build the Data augmentation tab."""
    ui.label("Random changes of the training images, so that the model does not learn them by heart.").classes(
        "vf-soft"
    )
    with ui.grid().classes("w-full gap-4 grid-cols-1 md:grid-cols-3 items-start"):
        for category, what in AUGMENTATION.items():
            with card():
                heading(category.capitalize(), 2)
                ui.label(what).classes("vf-soft text-sm")
                for name in type(getattr(editing.design.augmentation, category)).model_fields:
                    editing.setting(f"augmentation.{category}.{name}")


def runtime(editing: Editing) -> None:
    """Build the Runtime tab."""
    with card("max-w-xl"):
        heading("Where and how it is computed", 2)
        for name in ("devices", "precision", "workers", "seed"):
            editing.setting(f"runtime.{name}")
