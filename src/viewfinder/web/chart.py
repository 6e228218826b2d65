"""Charts of the pages: one look, readable in light and dark."""

from collections.abc import Mapping, Sequence
from math import ceil, floor
from typing import Any

from nicegui import ui

COLORS = ("#2f7bd9", "#e08a00", "#1f9d78", "#b85cc4", "#d9485f", "#5f6caf", "#8a7a1f", "#3aa6b9", "#a0522d", "#708090")
_TEXT = {"color": "#7d8994"}
_LINES = {"lineStyle": {"color": "rgba(125, 137, 148, 0.28)"}}


def axis(name: str = "", **options: Any) -> dict[str, Any]:
    """Return an axis of numbers; `options` are ECharts' own, None is left out."""
    given = {key: value for key, value in options.items() if value is not None}
    named = {"name": name, "nameLocation": "middle", "nameGap": 26, "nameTextStyle": _TEXT} if name else {}
    return {"type": "value", "axisLabel": _TEXT, "splitLine": _LINES, "axisLine": _LINES, **named, **given}


def chart(series: Sequence[Mapping[str, Any]], x: Mapping[str, Any], y: Mapping[str, Any], **options: Any) -> ui.echart:
    """Show series, each as ECharts takes it, over two axes; more than one are named in a legend."""
    top = (36 if len(series) > 1 else 12) + (14 if any("markLine" in one for one in series) else 0)
    legend = {"top": 0, "type": "scroll", "textStyle": _TEXT} if len(series) > 1 else {"show": False}
    built = {
        "animation": False,
        "color": list(COLORS),
        "grid": {"left": 8, "right": 20, "top": top, "bottom": 24, "containLabel": True},
        "legend": legend,
        "tooltip": {"trigger": "axis"},
        "xAxis": dict(x),
        "yAxis": dict(y),
        "series": [dict(one) for one in series],
        **options,
    }
    return ui.echart(built).classes("w-full h-60")


def reported(drawn: Mapping[str, Any]) -> None:
    """Show a chart of report.json."""
    least, most = drawn["y_range"] or (None, None)
    lines = [_of_report(one) for one in drawn["series"]]
    if lines and drawn["marks"]:
        lines[0]["markLine"] = {
            "symbol": "none", "silent": True, "lineStyle": {"color": _TEXT["color"], "type": "dotted"},
            "data": marks(drawn),
        }  # fmt: skip
    chart(lines, across(drawn), axis(type="log" if drawn["log_y"] else "value", min=least, max=most, scale=True))


def across(drawn: Mapping[str, Any]) -> dict[str, Any]:
    """Return the x axis of a chart of report.json; one of epochs has whole numbers only."""
    if drawn["whole_x"] and drawn["x_range"]:
        first, last = drawn["x_range"]
        return axis(drawn["x_label"], min=floor(first), max=ceil(last), minInterval=1)
    low, high = drawn["x_range"] or (None, None)
    return axis(drawn["x_label"], min=low, max=high, scale=True)


def marks(drawn: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the vertical lines of a chart of report.json; the label of one near an edge stands inside of it."""
    points = drawn["x_range"] or [x for one in drawn["series"] for x in one["x"]] or (0, 1)
    low, wide = min(points), max(points) - min(points) or 1
    return [
        {"xAxis": mark["x"], "label": {"formatter": mark["label"], "align": _align((mark["x"] - low) / wide), **_TEXT}}
        for mark in drawn["marks"]
    ]


def _align(place: float) -> str:
    return "left" if place < 0.2 else "right" if place > 0.8 else "center"


def _of_report(one: Mapping[str, Any]) -> dict[str, Any]:
    color = _TEXT["color"] if one["faint"] else COLORS[one["color"] % len(COLORS)]
    style = {"color": color, "type": "dashed" if one["dashed"] else "solid", "width": 1 if one["faint"] else 2}
    points = list(zip(one["x"], one["y"], strict=True))
    return line(one["name"], points, lineStyle=style, itemStyle={"color": color})


def line(name: str, points: Sequence[Any], **options: Any) -> dict[str, Any]:
    """Return a line through (x, y) points; many points are drawn without dots."""
    return {
        "type": "line",
        "name": name,
        "data": list(points),
        "symbolSize": 5,
        "showSymbol": len(points) <= 30,
    } | options
