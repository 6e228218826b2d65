"""Models and weights: what can be trained, what it starts from, and what of that is on this machine."""

from collections.abc import Callable
from typing import Any

from nicegui import ui
from nicegui.element import Element

from viewfinder import tasks
from viewfinder.service.library.library import Library
from viewfinder.service.models import models
from viewfinder.service.weights import weights
from viewfinder.web.frame import card, heading, off_loop, page
from viewfinder.web.tables import table

MODELS = {
    "name": "Name", "task": "Task", "parameters": "Parameters", "size": "Weights", "input": "Input", "layers": "Layers",
    "file": "File",
}  # fmt: skip


class WeightUpload(Element, component="weights.js"):
    """Sends one weight file from the browser; `added` is called when it was taken."""

    def __init__(self, added: Callable[[], Any]) -> None:
        super().__init__()
        self.on("added", lambda event: added())


async def model_catalogue(library: Library) -> None:
    """Build the page."""
    found = await off_loop(weights)
    with page("Models and weights", [("Models", "/models"), ("Models and weights", "/weights")]):
        heading("Models and weights")
        with card():
            heading("What can be trained", 2)
            rows = [_row(one) for one in models()]
            by = {"parameters": "parameter_count", "size": "weights_mb", "input": "input_size"}
            with ui.element("div").classes("w-full overflow-x-auto"):
                table(MODELS, rows, right=("parameters", "size", "input", "layers"), by=by)
        with card():
            heading("Weight files", 2)

            @ui.refreshable
            def files(rows: list[dict[str, Any]]) -> None:
                for one in rows:
                    _file(one)

            files(found)

        async def added() -> None:
            ui.notify("The weight file is at hand.", type="positive")
            files.refresh(await off_loop(weights))

        with card():
            heading("Add a weight file", 2)
            ui.label("It is known by its hash, whatever it is called; any other file is refused.").classes("vf-soft")
            WeightUpload(added)


def _row(one: dict[str, Any]) -> dict[str, Any]:
    marks = ["default"] * one["default"] + ["comes with Viewfinder"] * one["bundled"]
    return {
        "name": one["name"] + (f" ({', '.join(marks)})" if marks else ""),
        "task": tasks.get(one["task"]).title,
        "parameters": f"{one['parameters'] / 1e6:.1f} M",
        "parameter_count": one["parameters"],
        "size": f"{one['weights_mb']:g} MB",
        "weights_mb": one["weights_mb"],
        "input": f"{one['input_size']} px",
        "input_size": one["input_size"],
        "layers": len(one["backbone_layers"]),
        "file": one["weights"],
    }


def _file(one: dict[str, Any]) -> None:
    """Show a weight file, and whether it is on this machine."""
    with ui.column().classes("gap-0 w-full"):
        with ui.row().classes("items-center gap-2 no-wrap"):
            icon = "check_circle" if one["path"] else "error" if one["problem"] else "cloud_download"
            ui.icon(icon).classes("text-primary" if one["path"] else "vf-soft").props("aria-hidden=true")
            ui.label(one["file"]).classes("font-bold vf-cell")
        facts = f"{one['size_mb']:g} MB, trained on {one['trained_on']}, {one['licence']}"
        ui.label(f"for {', '.join(one['models'])}: {facts}").classes("vf-soft text-sm")
        ui.label(_where(one)).classes("text-sm vf-cell " + ("vf-wrong" if one["problem"] else ""))


def _where(one: dict[str, Any]) -> str:
    if one["problem"]:
        return str(one["problem"])
    if one["path"]:
        return f"At hand, in {one['origin']}: {one['path']}"
    return f"Not here: fetched from {one['url']} when it is needed, or added below."
