"""Deploy: a run's model becomes a version of a saved model."""

from nicegui import ui

from viewfinder.errors import InputError
from viewfinder.service.library import saved
from viewfinder.service.library.library import Library
from viewfinder.store import Run, SavedModel, Version
from viewfinder.web.frame import off_loop, titled_dialog

NEW = "A new saved model"


def deploy_button(library: Library, run: Run) -> ui.button:
    """Show the button that asks where a run is deployed."""
    return ui.button("Deploy", icon="rocket_launch", on_click=lambda: _ask(library, run)).props("unelevated no-caps")


async def _ask(library: Library, run: Run) -> None:
    there = await off_loop(saved.saved_models, library)
    by_id = {one.id: one for one in there}

    def deploy() -> Version:
        into: SavedModel | None = by_id.get(model.value or "")
        return saved.deploy(
            library, run, into, name=name.value or "", notes=notes.value or "", activate=bool(use.value)
        )

    async def pressed() -> None:
        wrong.text = ""
        button.disable()
        try:
            made = await off_loop(deploy)
        except InputError as error:
            wrong.text = str(error)
            button.enable()
            return
        ui.navigate.to(f"/models/{made.saved_model_id}")

    def show() -> None:
        name.visible, use.visible = not model.value, bool(model.value)

    with titled_dialog("Deploy") as dialog:
        ui.label("The model is copied, so that it stays as it is when the run goes on.").classes("vf-soft")
        model = ui.select({"": NEW, **{one.id: one.name for one in there}}, value="", label="As a version of")
        model.props("outlined dense").classes("w-full").on_value_change(show)
        name = ui.input("Name", value=run.name).props("outlined dense").classes("w-full")
        use = ui.switch("Use it at once", value=True)
        notes = ui.textarea("Notes").props("outlined dense autogrow").classes("w-full")
        wrong = ui.label().classes("vf-wrong").props("role=alert")
        with ui.row().classes("w-full justify-end"):
            ui.button("Cancel", on_click=dialog.close).props("flat no-caps")
            button = ui.button("Deploy", on_click=pressed).props("unelevated no-caps")
    show()
    dialog.open()
