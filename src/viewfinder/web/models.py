"""Saved models: what was put to work, in versions, and where each came from."""

from collections.abc import Callable
from dataclasses import dataclass

from nicegui import ui

from viewfinder.errors import InputError
from viewfinder.report.html import moment
from viewfinder.service.library import names, saved
from viewfinder.service.library.library import Library
from viewfinder.service.library.saved import Origin
from viewfinder.store import SavedModel, Version
from viewfinder.web.frame import card, fact, heading, link_button, off_loop, page
from viewfinder.web.undo import delete_button, undo_bar
from viewfinder.words import megabytes, plural


@dataclass(frozen=True)
class Saved:
    """A saved model with its versions, the newest first."""

    row: SavedModel
    origins: list[Origin]

    @classmethod
    def of(cls, library: Library, row: SavedModel) -> "Saved":
        """Read it."""
        return cls(row, [saved.origin(library, one) for one in saved.versions(library, row)])

    @property
    def active(self) -> Origin | None:
        """The version in use."""
        return next((one for one in self.origins if one.version.number == self.row.active), None)


def all_saved(library: Library) -> list[Saved]:
    """Read all saved models."""
    return [Saved.of(library, row) for row in saved.saved_models(library)]


async def models(library: Library, trashed: str | None) -> None:
    """Build the page of all saved models."""
    found = await off_loop(all_saved, library)
    with page("Models", [("Models", "/models")]):
        with ui.row().classes("w-full items-center justify-between"):
            heading("Saved models")
            link_button("Models and weights to start from", "/weights", "fitness_center", "flat")
        await undo_bar(library, trashed, "/models")
        if not found:
            with card("items-start"):
                ui.label("Nothing was deployed yet. The result of a run has a button for it.")
                link_button("Choose a run", "/", "home", "unelevated")
        saved_cards(found)


def saved_cards(found: list[Saved]) -> None:
    """Show a card for each saved model."""
    with ui.grid().classes("w-full gap-4 grid-cols-1 sm:grid-cols-2 md:grid-cols-3"):
        for one in found:
            with card("!gap-1"):
                ui.link(one.row.name, f"/models/{one.row.id}").classes("text-lg font-bold vf-link vf-cell")
                task = {"classification": "Image classification", "detection": "Object detection"}[one.row.task]
                ui.label(f"{task}, {plural(len(one.origins), 'version')}").classes("vf-soft")
                if one.active:
                    ui.label(f"Version {one.active.version.number} is active: {_score(one.active)}")


def _score(origin: Origin) -> str:
    entry = origin.entry
    return "no score" if entry.score is None else f"{entry.title} {entry.score:.4f}"


async def model(library: Library, identity: str) -> None:
    """Build the page of a saved model."""
    found = await off_loop(lambda: Saved.of(library, library.get(SavedModel, identity)))
    row, address = found.row, f"/models/{identity}"

    async def change(work: Callable[[], SavedModel]) -> None:
        try:
            await off_loop(work)
        except InputError as error:
            ui.notify(str(error), type="negative")
            return
        ui.navigate.to(address)

    with page(row.name, [("Models", "/models"), (row.name, address)]):
        with ui.row().classes("w-full items-center justify-between"):
            heading(row.name)
            with ui.row().classes("gap-2"):
                back = ui.button(
                    "Roll back", icon="undo", on_click=lambda: change(lambda: saved.roll_back(library, row))
                )
                back.props("outline no-caps").set_enabled(any(_before(row, one.version) for one in found.origins))
                delete_button(library, row, "/models")
                if row.active is not None:
                    link_button("Try it", f"{address}/try", "image_search")
        for origin in found.origins:
            _version(library, row, origin, lambda number: change(lambda: saved.activate(library, row, number)))


def _before(row: SavedModel, version: Version) -> bool:
    return row.active is not None and version.number < row.active


def _version(library: Library, row: SavedModel, origin: Origin, activate: Callable[[int], object]) -> None:
    """Show a version: what it is, where it came from, and what can be done with it."""
    version, entry = origin.version, origin.entry
    with card():
        with ui.row().classes("w-full items-center justify-between"):
            with ui.row().classes("items-center gap-3"):
                heading(f"Version {version.number}", 2)
                if version.number == row.active:
                    ui.badge("active").props("color=primary")
            with ui.row().classes("gap-2"):
                if version.number != row.active:
                    button = ui.button("Activate", on_click=lambda: activate(version.number)).props("outline no-caps")
                    button._props["aria-label"] = f"Activate version {version.number}"
                link_button(
                    f"Download ({megabytes(origin.bytes)})", f"/files/models/{row.id}/{version.number}.zip", "download"
                )
        with ui.row().classes("gap-8"):
            fact(entry.title or "Score", "–" if entry.score is None else f"{entry.score:.4f}")
            fact("Model", entry.model or "–")
            fact("Deployed", moment(version.created).removesuffix(" UTC"))
        with ui.row().classes("gap-x-6 gap-y-1"):
            _from("Run", entry.row.name, f"/runs/{entry.row.id}")
            _from("Design", origin.analysis.name, f"/analyses/{origin.analysis.id}")
            _from("Data", origin.dataset.name, f"/datasets/{origin.dataset.id}")
        _notes(library, version)


def _from(what: str, name: str, address: str) -> None:
    with ui.row().classes("gap-2"):
        ui.label(what).classes("vf-soft")
        ui.link(name, address).classes("vf-cell")


def _notes(library: Library, version: Version) -> None:
    """Show the notes, kept as they are typed."""

    async def keep() -> None:
        try:
            await off_loop(names.write_notes, library, version, notes.value or "")
        except InputError as error:
            wrong.text = str(error)
            return
        wrong.text = ""

    notes = ui.textarea("Notes", value=version.notes, on_change=keep).props("outlined dense autogrow debounce=400")
    notes.classes("w-full")
    wrong = ui.label().classes("vf-wrong text-sm").props("role=alert")
