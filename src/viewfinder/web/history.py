"""Runs of an analysis: a table to sort, name, compare and delete in."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from nicegui import ui

from viewfinder.errors import InputError
from viewfinder.report.html import moment
from viewfinder.report.summary import duration
from viewfinder.run import RunFolder
from viewfinder.service.library import history, names, runs
from viewfinder.service.library.history import Entry
from viewfinder.service.library.library import Library
from viewfinder.store import Analysis, Run
from viewfinder.web.frame import card, heading, link_button, off_loop, page, titled_dialog
from viewfinder.web.tables import table
from viewfinder.web.undo import delete, undo_bar
from viewfinder.words import score

COLUMNS = {
    "name": "Name", "state": "State", "score": "Best", "model": "Model", "epochs": "Epochs", "time": "Time",
    "when": "When", "actions": "",
}  # fmt: skip
NAME = """
<q-td :props="props">
  <a :href="'/runs/' + props.row.id" class="vf-cell font-bold">{{ props.row.name }}</a>
  <div v-if="props.row.notes" class="vf-soft text-xs vf-notes">{{ props.row.notes }}</div>
  <div v-if="props.row.error" class="vf-wrong text-xs vf-notes">{{ props.row.error }}</div>
</q-td>"""
ACTIONS = """
<q-td :props="props" class="whitespace-nowrap">
  <q-btn v-if="props.row.result" flat dense round size="sm" icon="insights" tag="a" role="link"
         :href="'/runs/' + props.row.id + '/result'" :aria-label="'Result of ' + props.row.name">
    <q-tooltip>Result</q-tooltip></q-btn>
  <q-btn flat dense round size="sm" icon="edit" :aria-label="'Name and notes of ' + props.row.name"
         @click="() => $parent.$emit('edit', props.row.id)"><q-tooltip>Name and notes</q-tooltip></q-btn>
  <q-btn flat dense round size="sm" icon="content_copy" :aria-label="'Duplicate the design of ' + props.row.name"
         @click="() => $parent.$emit('duplicate', props.row.id)"><q-tooltip>Duplicate the design</q-tooltip></q-btn>
  <q-btn flat dense round size="sm" icon="delete" :aria-label="'Delete ' + props.row.name"
         @click="() => $parent.$emit('remove', props.row.id)"><q-tooltip>Delete</q-tooltip></q-btn>
</q-td>"""
SELECT_ALL = '<q-checkbox v-model="props.selected" dense aria-label="Select all runs" />'
SELECT_ONE = '<q-checkbox v-model="props.selected" dense :aria-label="\'Select \' + props.row.name" />'


@dataclass(frozen=True)
class Content:
    """What the page shows."""

    analysis: Analysis
    entries: list[Entry]
    reported: set[str]


def content(library: Library, identity: str) -> Content:
    """Read it; raise NotFoundError when there is no such analysis."""
    analysis = library.get(Analysis, identity)
    entries = history.entries(library, analysis)
    reported = {one.row.id for one in entries if (library.home / one.row.folder / "report.json").is_file()}
    return Content(analysis, entries, reported)


async def run_table(library: Library, identity: str, trashed: str | None) -> None:
    """Build the page."""
    found = await off_loop(content, library, identity)
    analysis, address = found.analysis, f"/analyses/{identity}/runs"
    with page(f"Runs of {analysis.name}", [(analysis.name, f"/analyses/{identity}"), ("Runs", address)]):
        heading(f"Runs of {analysis.name}")
        await undo_bar(library, trashed, address)
        if found.entries:
            _Runs(library, found, address).build()
            return
        with card("items-start"):
            ui.label("Nothing was trained here yet.")
            link_button("Design a training", f"/analyses/{identity}", "tune", "unelevated")


class _Runs:
    """The table, and what is done with its rows."""

    def __init__(self, library: Library, found: Content, address: str) -> None:
        self.library, self.found, self.address = library, found, address
        self.by_id = {one.row.id: one for one in found.entries}

    def build(self) -> None:
        """Build it."""
        with card():
            with ui.row().classes("w-full items-center gap-2"):
                self.hint = ui.label("Select two or more to compare them.").classes("vf-soft grow")
                self.remove = ui.button("Delete", icon="delete", on_click=self._delete_selected).props("flat no-caps")
                self.compare = ui.button("Compare", icon="compare_arrows", on_click=self._compare)
                self.compare.props("unelevated no-caps")
            rows = [_row(one, one.row.id in self.found.reported) for one in self.found.entries]
            columns = {**COLUMNS, "score": _metric_title(self.found.entries)}
            by = {"score": "score_value", "time": "seconds", "when": "created"}
            with ui.element("div").classes("w-full overflow-x-auto"):
                self.table = table(
                    columns, rows, right=("score", "epochs", "time"), by=by, key="id", selection="multiple",
                    on_select=self._show, stacked=True,
                )  # fmt: skip
            for slot, template in (
                ("body-cell-name", NAME), ("body-cell-actions", ACTIONS), ("header-selection", SELECT_ALL),
                ("body-selection", SELECT_ONE),
            ):  # fmt: skip
                self.table.add_slot(slot, template)
            self.table.on("edit", lambda event: _edit(self.library, self._row(event), self.address))
            self.table.on("duplicate", self._duplicate)
            self.table.on("remove", self._delete)
            self._show()

    def _row(self, event: Any) -> Run:
        return self.by_id[str(event.args)].row

    def _selected(self) -> list[Run]:
        chosen = {row["id"] for row in self.table.selected}
        return [one.row for one in reversed(self.found.entries) if one.row.id in chosen]

    def _show(self) -> None:
        count = len(self.table.selected)
        self.compare.set_enabled(count > 1)
        self.remove.visible = count > 0
        self.hint.text = f"{count} selected." if count else "Select two or more to compare them."

    def _compare(self) -> None:
        ui.navigate.to(f"/compare?{urlencode([('run', row.id) for row in self._selected()])}")

    async def _duplicate(self, event: Any) -> None:
        try:
            made = await off_loop(history.duplicate, self.library, self._row(event))
        except InputError as error:
            ui.notify(str(error), type="negative")
            return
        ui.navigate.to(f"/analyses/{made.id}")

    async def _delete(self, event: Any) -> None:
        await delete(self.library, [self._row(event)], self.address)

    async def _delete_selected(self) -> None:
        await delete(self.library, self._selected(), self.address)


def _metric_title(entries: list[Entry]) -> str:
    """Return the metric's own name where all runs optimise the same one."""
    titles = {one.title for one in entries if one.title}
    return f"Best {titles.pop()}" if len(titles) == 1 else "Best"


def _row(one: Entry, reported: bool) -> dict[str, Any]:
    return {
        "id": one.row.id, "name": one.row.name, "notes": one.row.notes, "error": one.error, "state": one.state,
        "score": score(one.score), "score_value": one.score, "model": one.model, "epochs": one.epochs,
        "time": duration(one.seconds) if one.seconds else "–", "seconds": one.seconds,
        "when": moment(one.row.created).removesuffix(" UTC"), "created": one.row.created, "result": reported,
    }  # fmt: skip


def _edit(library: Library, row: Run, address: str) -> None:
    """Ask for another name and notes."""

    def save() -> RunFolder:
        names.rename(library, row, name.value or "")
        names.write_notes(library, row, notes.value or "")
        return runs.folder(library, row)

    async def pressed() -> None:
        try:
            await off_loop(save)
        except InputError as error:
            wrong.text = str(error)
            return
        ui.navigate.to(address)

    with titled_dialog("Name and notes") as dialog:
        name = ui.input("Name", value=row.name).props("outlined dense autofocus").classes("w-full")
        name.on("keydown.enter", pressed)
        notes = ui.textarea("Notes", value=row.notes).props("outlined dense").classes("w-full")
        wrong = ui.label().classes("vf-wrong").props("role=alert")
        with ui.row().classes("w-full justify-end"):
            ui.button("Cancel", on_click=dialog.close).props("flat no-caps")
            ui.button("Save", on_click=pressed).props("unelevated no-caps")
    dialog.open()
