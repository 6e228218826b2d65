"""Charts of a dataset: the balance of its classes, and the sizes of images and boxes."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from nicegui import ui

from viewfinder.web.chart import axis, chart
from viewfinder.web.frame import card, heading
from viewfinder.words import plural

MOST_CLASSES = 40


def charts(summary: Mapping[str, Any]) -> None:
    """Show what `datasets.summary` has to draw."""
    drawn = summary["distributions"]
    with ui.grid().classes("w-full gap-5 grid-cols-1 md:grid-cols-2 items-start"):
        _balance(summary)
        with ui.column().classes("w-full gap-5 min-w-0"):
            _image_sizes(drawn["image_sizes"])
            if "objects_per_image" in drawn:
                _bars(
                    "Objects in an image", "images", [(str(many), count) for many, count in drawn["objects_per_image"]]
                )
                sides = [(f"{low}–{high}", count) for low, high, count in drawn["box_sides"]]
                _bars("Size of an object", "objects", sides, "Square root of the box's area, in pixels")


def _balance(summary: Mapping[str, Any]) -> None:
    counted = "objects" if summary["objects"] is not None else "images"
    rows = sorted(summary["classes"], key=lambda row: row[counted])
    shown = rows[-MOST_CLASSES:]
    with card("min-w-0"):
        heading(f"{counted.capitalize()} of each class", 2)
        names = axis(type="category", data=[row["name"] for row in shown])
        names["axisLabel"] = {**names["axisLabel"], "width": 110, "overflow": "truncate"}
        bars = {"type": "bar", "data": [row[counted] for row in shown], "barMaxWidth": 22}
        with ui.element("div").classes("vf-tall").props('tabindex=0 role=region aria-label="Balance of the classes"'):
            chart([bars], axis(minInterval=1), names).style(f"height: {60 + 22 * len(shown)}px")
        if len(rows) > len(shown):
            rest = rows[: -len(shown)]
            ui.label(f"And {plural(len(rest), 'class')} more, with {rest[-1][counted]:,} at most.").classes("vf-soft")


def _image_sizes(sizes: Sequence[tuple[int, int, int]]) -> None:
    with card("min-w-0"):
        heading("Size of the images", 2)
        if len(sizes) == 1:
            ui.label(f"All have {sizes[0][0]:,}×{sizes[0][1]:,} pixels.")
            return
        most = max(count for _, _, count in sizes)
        points = [
            {
                "name": f"{width:,}×{height:,}: {plural(count, 'image')}",
                "value": [width, height],
                "symbolSize": round(4 + 14 * math.sqrt(count / most), 1),
            }
            for width, height, count in sizes
        ]
        dots = {"type": "scatter", "data": points, "itemStyle": {"opacity": 0.45}}
        tooltip = {"trigger": "item", "formatter": "{b}"}
        x, y = axis("Width in pixels", scale=True), axis("Height in pixels", scale=True, nameGap=40)
        chart(
            [dots], x, y, tooltip=tooltip, grid={"left": 30, "right": 20, "top": 16, "bottom": 30, "containLabel": True}
        )


def _bars(title: str, counted: str, rows: Sequence[tuple[str, int]], name: str = "") -> None:
    if not rows:
        return
    with card("min-w-0"):
        heading(title, 2)
        bars = {"type": "bar", "name": counted, "data": [count for _, count in rows], "barMaxWidth": 40}
        grid = {"left": 8, "right": 20, "top": 16, "bottom": 30 if name else 12, "containLabel": True}
        chart([bars], axis(name, type="category", data=[text for text, _ in rows]), axis(minInterval=1), grid=grid)
