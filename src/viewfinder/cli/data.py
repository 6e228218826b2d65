"""Commands about data: `sample` and `check`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from viewfinder.cli.options import ImageColumn, Json, SourcePath, TargetColumn, Task, source_of
from viewfinder.cli.output import document, show, table
from viewfinder.words import plural, typed, visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewfinder.data.diagnostics import Diagnostic


def sample(
    name: Annotated[str, typer.Argument(metavar="NAME", show_default=False, help="digits | digit-scenes")],
    dest: Annotated[Path, typer.Argument(metavar="DEST", show_default=False, help="A new or empty folder.")],
    json: Json = False,
) -> None:
    """Write a sample data set.

    digits is for classification, digit-scenes for detection. No network is needed.
    """
    from viewfinder.service.samples import sample

    path = sample(name, dest)
    if json:
        document({"sample": name, "path": str(path)})
    else:
        show(f"Written to {path}. Next: viewfinder train {typed(path)}")


def check(
    source: SourcePath,
    task: Task = None,
    image_column: ImageColumn = None,
    target_column: TargetColumn = None,
    json: Json = False,
) -> None:
    """Say what is in SOURCE, and what is wrong.

    Every image is opened, as it would be before a training.
    """
    from viewfinder.cli.counter import counting
    from viewfinder.service.checking import check

    with counting("Reading images") as progress:
        report = check(source_of(source, task, image_column, target_column), progress=progress).as_dict()
    if json:
        document(report)
    else:
        show(summary(report))


def summary(report: dict[str, Any]) -> str:
    """Return a pre-flight report as text."""
    (width, height), repeated = _common_size(report), report["images"] - report["distinct_images"]
    lines = [
        f"{report['name']}: {report['format']}, {report['task']}, {plural(report['images'], 'image')}, "
        f"{plural(len(report['classes']), 'class')}",
        f"Sizes: {_range(report['sizes']['width'])} × {_range(report['sizes']['height'])} px, "
        f"most often {width} × {height}",
    ]
    if report["splits"]:
        lines.append("Its own splits: " + ", ".join(f"{name} {count:,}" for name, count in report["splits"].items()))
    if report["background_images"]:
        lines.append(f"{plural(report['background_images'], 'image')} without objects, kept as background")
    if repeated:
        lines.append(f"{plural(repeated, 'image')} repeated, byte for byte")
    columns = ["class", "images", "objects"] if report["objects"] is not None else ["class", "images"]
    rows = [[row["name"], row["images"], row["objects"]][: len(columns)] for row in report["classes"]]
    lines += ["", table(columns, rows), "", *finding_lines(report["diagnostics"])]
    if report["obstacle"]:
        return "\n".join([*lines, f"It cannot be trained as it is: {report['obstacle']}"])
    return "\n".join([*lines, f"Next: viewfinder train {typed(Path(report['source']))}"])


WORDS = {"error": "Left out", "warning": "To look at", "info": "To know"}


def finding_lines(groups: "Sequence[dict[str, Any]]") -> list[str]:
    """Return findings grouped by severity and kind, each with the first of its files and reasons."""
    if not groups:
        return ["Nothing is wrong with it."]
    lines = []
    for group in groups:
        shown = group["examples"]
        lines.append(f"{WORDS[group['severity']]}: {group['kind'].replace('_', ' ')} ({group['count']:,})")
        told = [f"{one['file']}: {one['reason']}" if one["file"] else one["reason"] for one in shown]
        lines += [f"  {visible(line)}" for line in told]
        if group["count"] > len(shown):
            lines.append(f"  … and {group['count'] - len(shown):,} more; --json lists all")
    return [*lines, ""]


def _common_size(report: dict[str, Any]) -> tuple[int, int]:
    commonest = report["sizes"]["commonest"][0]
    return commonest["width"], commonest["height"]


def _range(side: dict[str, int]) -> str:
    return f"{side['least']}" if side["least"] == side["greatest"] else f"{side['least']} to {side['greatest']}"


def counted(diagnostics: "Sequence[Diagnostic]") -> str:
    """Return how many findings there are of each severity, in a few words."""
    counts = {name: sum(one.severity == name for one in diagnostics) for name in WORDS}
    return ", ".join(f"{count:,} {WORDS[name].lower()}" for name, count in counts.items() if count)
