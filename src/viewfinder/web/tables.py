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


def table(
    columns: Mapping[str, str],
    rows: Sequence[Mapping[str, Any]],
    *,
    right: Collection[str] = (),
    by: Mapping[str, str] | None = None,
    key: str = "",
    stacked: bool = False,
    **options: Any,
) -> ui.table:
    """Show rows under titles, sorted by a click on one; `right` are the columns that stand to the right.

    `by` names the field that sorts a column whose text does not; a column without a title is not sorted. In a narrow
    window the cells of a row are `stacked`, where that is wanted.
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
    made = ui.table(columns=shown, rows=[dict(row) for row in rows], row_key=key, **options)
    made.add_slot("header-cell", HEADER)
    made.add_slot("body-cell", CELL.format("{{ props.value }}"))
    for name in by or {}:
        made.add_slot(f"body-cell-{name}", CELL.format(f'{{{{ props.row["{name}"] }}}}'))
    return made.props("flat dense wrap-cells hide-pagination").classes("w-full vf-stacked" if stacked else "w-full")


def link_cells(shown: ui.table, column: str, href: str = "href") -> None:
    """Make the cells of a column links to the address in each row's field `href`, if it has one."""
    text = f'{{{{ props.row["{column}"] }}}}'
    cell = f'<a v-if="props.row.{href}" :href="props.row.{href}" class="vf-cell">{text}</a><span v-else>{text}</span>'
    shown.add_slot(f"body-cell-{column}", CELL.format(cell))
