"""Tables of the pages."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from nicegui import ui

HEADER = """
<q-th :props="props" :tabindex="props.col.sortable ? 0 : null" @keydown.enter="props.sort(props.col)"
      :aria-sort="!props.col.__thClass.includes(' sorted') ? null :
                  props.col.__thClass.includes('sort-desc') ? 'descending' : 'ascending'">
  {{ props.col.label }}</q-th>"""
"""Quasar sorts by a click only; this header takes the Enter key too, and says how it is sorted."""


CELL = '<q-td :props="props" :data-title="props.col.label || null">{}</q-td>'
"""A cell that knows its title, which a narrow window shows beside it when rows are stacked."""


class _Table(ui.table):
    """A table that is built again only for what is new: a click on a button that is just then replaced is lost.

    A browser tells how a table is sorted as soon as it has drawn it, and NiceGUI would answer with the whole table.
    """

    @property
    def pagination(self) -> dict[str, Any]:
        """Which column sorts it, and which rows are shown."""
        return dict(self._props["pagination"])

    @pagination.setter
    def pagination(self, value: dict[str, Any]) -> None:
        if value != self._props["pagination"]:
            self._props["pagination"] = value


def table(
    columns: Mapping[str, str],
    rows: Sequence[Mapping[str, Any]],
    *,
    right: Collection[str] = (),
    by: Mapping[str, str] | None = None,
    key: str = "",
    stacked: bool = False,
    at_once: int = 0,
    **options: Any,
) -> ui.table:
    """Show rows under titles, sorted by a click on one; `right` are the columns that stand to the right.

    `by` names the field that sorts a column whose text does not; a column without a title is not sorted. In a narrow
    window the cells of a row are `stacked`, where that is wanted. `at_once` is how many rows a page of it has; 0: all.
    """
    shown = [
        {
            "name": name,
            "label": title,
            "field": (by or {}).get(name, name),
            "align": "right" if name in right else "left",
            "sortable": bool(title),
        }
        for name, title in columns.items()
    ]
    key = key or next(iter(columns))
    pagination = {"sortBy": None, "descending": False, "page": 1, "rowsPerPage": at_once}
    listed = [dict(row) for row in rows]
    made = _Table(columns=shown, rows=listed, row_key=key, pagination=pagination, **options)
    made.add_slot("header-cell", HEADER)
    made.add_slot("body-cell", CELL.format("{{ props.value }}"))
    for name in by or {}:
        made.add_slot(f"body-cell-{name}", CELL.format(f'{{{{ props.row["{name}"] }}}}'))
    made.props("flat dense wrap-cells" + ("" if at_once else " hide-pagination"))
    return made.classes("w-full vf-stacked" if stacked else "w-full")


def link_cells(shown: ui.table, column: str, href: str = "href") -> None:
    """Make the cells of a column links to the address in each row's field `href`, if it has one."""
    text = f'{{{{ props.row["{column}"] }}}}'
    cell = f'<a v-if="props.row.{href}" :href="props.row.{href}" class="vf-cell">{text}</a><span v-else>{text}</span>'
    shown.add_slot(f"body-cell-{column}", CELL.format(cell))
