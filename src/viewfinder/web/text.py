"""A design as text: the whole as YAML to copy or paste, and the command that trains it."""

from nicegui import ui

from viewfinder import design_file
from viewfinder.errors import InputError
from viewfinder.service.library import texts
from viewfinder.web.editing import Editing
from viewfinder.web.frame import off_loop, titled_dialog


def text_dialog(editing: Editing) -> None:
    """Show the design as YAML, to be copied, or changed and used."""

    async def use() -> None:
        try:
            values = await off_loop(texts.from_text, editing.dataset.task, text.value or "")
        except InputError as error:
            wrong.text = str(error)
            return
        refused = await editing.change_whole(values)
        wrong.text = refused.text if refused else ""
        if not refused:
            dialog.close()
            ui.notify("The design is the one you pasted.")

    with titled_dialog("The design as text", "vf-dialog") as dialog:
        ui.label("A design file, as `viewfinder train --design` takes it. Change it here, or paste another.").classes(
            "vf-soft"
        )
        text = ui.textarea("Design", value=design_file.dumps(editing.design)).classes("w-full vf-code")
        text.props("outlined input-style='min-height: 50vh' spellcheck=false")
        wrong = ui.label().classes("vf-wrong whitespace-pre-line").props("role=alert")
        with ui.row().classes("w-full justify-end"):
            ui.button("Copy", icon="content_copy", on_click=lambda: _copy(text.value or "")).props("flat no-caps")
            ui.button("Close", on_click=dialog.close).props("flat no-caps")
            ui.button("Use this design", on_click=use).props("unelevated no-caps")
    dialog.open()


async def command_dialog(editing: Editing) -> None:
    """Show the command that trains this design, to be copied."""
    command = await off_loop(texts.command, editing.library, editing.analysis)
    with titled_dialog("The same as a command", "vf-dialog") as dialog:
        ui.label("It trains this design on these images from a terminal on this machine.").classes("vf-soft")
        ui.label(command).classes("vf-code vf-command")
        with ui.row().classes("w-full justify-end"):
            ui.button("Close", on_click=dialog.close).props("flat no-caps")
            ui.button("Copy", icon="content_copy", on_click=lambda: _copy(command)).props("unelevated no-caps")
    dialog.open()


def _copy(text: str) -> None:
    ui.clipboard.write(text)
    ui.notify("Copied.")
