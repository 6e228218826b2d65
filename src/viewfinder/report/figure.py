"""A chart drawn as SVG, to stand inside an HTML page.

Text and lines take their colours from the page (currentColor, and the variables --grid, --faint and --c0 … --c9), so
that they follow it into dark mode. Titles and legends are the page's, in HTML: they hold names of any script.
"""

import io
import re
from typing import TYPE_CHECKING, Any

from viewfinder.report.charts import Chart, Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLORS = 10
SIZE_IN, SMALL_IN = (4.8, 3.0), (3.7, 2.6)  # the small ones stand three in a row

# matplotlib knows no CSS variables: it draws with stand-ins, which are then replaced in the SVG.
_TEXT, _GRID, _FAINT = "#010203", "#040506", "#070809"
_VARIABLES = {
    _TEXT: "currentColor",
    _GRID: "var(--grid)",
    _FAINT: "var(--faint)",
    **{f"#0a0b{number:02x}": f"var(--c{number})" for number in range(COLORS)},
}
_STYLE = {
    "svg.fonttype": "none",
    "font.size": 9.5,
    "text.color": _TEXT,
    "axes.labelcolor": _TEXT,
    "axes.edgecolor": _GRID,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": _GRID,
    "grid.linewidth": 0.7,
    "xtick.color": _GRID,
    "ytick.color": _GRID,
    "xtick.labelcolor": _TEXT,
    "ytick.labelcolor": _TEXT,
    "lines.linewidth": 1.8,
    "axes.ymargin": 0.1,
    "path.simplify": False,
}


def svg(chart: Chart) -> str:
    """Return the chart as an `<svg>` element; the same chart always gives the same text."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    defaults: dict[Any, Any] = {key: value for key, value in mpl.rcParamsDefault.items() if key != "backend"}
    settings: dict[Any, Any] = {**defaults, **_STYLE, "svg.hashsalt": chart.id}
    figsize = SMALL_IN if chart.whole_x else SIZE_IN
    with mpl.rc_context(settings):
        figure = Figure(figsize=figsize)
        axes = figure.add_axes(_area(figsize))
        for series in chart.series:
            _draw(axes, series, markers=chart.whole_x)
        _set_axes(axes, chart)
        for mark in chart.marks:
            _mark(axes, mark.x, mark.label)
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _for_html(file.getvalue(), chart)


def _area(size: tuple[float, float]) -> tuple[float, float, float, float]:
    """Return where the axes stand in a figure of `size`, as shares of it, so that charts beside each other line up."""
    left, bottom, right, top = 0.72, 0.48, 0.1, 0.22
    return left / size[0], bottom / size[1], 1 - (left + right) / size[0], 1 - (bottom + top) / size[1]


def _draw(axes: "Axes", series: Series, *, markers: bool) -> None:
    points = [(x, float("nan") if y is None else y) for x, y in zip(series.x, series.y, strict=True)]
    shown = sum(y == y for _, y in points)
    axes.plot(
        *zip(*points, strict=True) if points else ((), ()),
        color=_FAINT if series.faint else f"#0a0b{series.color % COLORS:02x}",
        linestyle="--" if series.dashed else "-",
        linewidth=0.8 if series.faint else 1.8,
        marker="o" if markers and shown <= 12 else None,
        markersize=3.5,
    )


def _set_axes(axes: "Axes", chart: Chart) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

    axes.set_xlabel(chart.x_label)
    axes.set_ylabel(chart.y_label)
    if chart.log_y:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.ticklabel_format(axis="y", style="plain", useOffset=False)
    if chart.whole_x:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=9, min_n_ticks=1))
    if chart.x_range:
        margin = 0.02 * (chart.x_range[1] - chart.x_range[0])
        axes.set_xlim(chart.x_range[0] - margin, chart.x_range[1] + margin)
    if chart.y_range:
        margin = 0.02 * (chart.y_range[1] - chart.y_range[0])
        axes.set_ylim(chart.y_range[0] - margin, chart.y_range[1] + margin)


def _mark(axes: "Axes", x: float, label: str) -> None:
    """Draw a vertical line, its label above the axes, where no curve is."""
    low, high = axes.get_xlim()
    axes.axvline(x, color=_TEXT, linewidth=1, linestyle=":")
    place = (x - low) / (high - low)
    axes.annotate(
        label,
        (x, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(0, 2),
        textcoords="offset points",
        ha="left" if place < 0.2 else "right" if place > 0.8 else "center",
        va="bottom",
        fontsize=8.5,
    )


def _for_html(text: str, chart: Chart) -> str:
    """Keep what an inline SVG needs: no prologue, no namespaces, no ids but those that are referred to."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->\s*", "", text, flags=re.DOTALL)
    text = re.sub(r'<g id="[^"]*">', "<g>", text)
    text = re.sub(r'font: ([\d.]+)px [^;"]*', r"font-size: \1px; font-family: inherit", text)
    text = re.sub(r"font-family: [^;\"]*", "font-family: inherit", text)
    text = text.replace("xlink:href", "href")
    for stand_in, variable in _VARIABLES.items():
        text = text.replace(stand_in, variable)
    viewbox = re.search(r'viewBox="([^"]*)"', text)
    assert viewbox, "matplotlib writes a viewBox"
    start = text.index(">") + 1
    return f'<svg viewBox="{viewbox.group(1)}" role="img" aria-labelledby="chart-{chart.id}">{text[start:]}'.strip()
