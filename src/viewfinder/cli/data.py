"""Commands about data: `sample` and `check`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from viewfinder.cli.options import ImageColumn, Json, SourcePath, TargetColumn, Task, source_of
from viewfinder.cli.output import document, plural, show, table

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
        show(f"Written to {path}. Next: viewfinder train {path}")


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
    sizes = {name: f"{width}×{height}" for name, (width, height) in report["sizes"].items()}
    lines = [
        f"{report['name']}: {report['format']}, {report['task']}, {plural(report['images'], 'image')}, "
        f"{plural(len(report['classes']), 'class')}",
        f"Sizes in pixels: {sizes['smallest']} to {sizes['largest']}, in the middle {sizes['median']}",
    ]
    if report["splits"]:
        lines.append("Its own splits: " + ", ".join(f"{name} {count:,}" for name, count in report["splits"].items()))
    if report["without_objects"]:
        lines.append(f"{plural(report['without_objects'], 'image')} without objects, kept as background")
    if report["duplicates"]:
        lines.append(f"{plural(report['duplicates'], 'image')} more than once, byte for byte")
    columns = list(report["classes"][0]) if report["classes"] else ["class"]
    lines += ["", table(columns, [list(row.values()) for row in report["classes"]]), ""]
    lines += finding_lines(report["findings"], report["diagnostics"])
    return "\n".join([*lines, f"Next: viewfinder train {report['source']}"])


WORDS = {"error": "Left out", "warning": "To look at", "info": "To know"}


def finding_lines(findings: "Sequence[dict[str, Any]]", diagnostics: "Sequence[dict[str, str]]") -> list[str]:
    """Return findings grouped by severity and kind, each with its files and reasons."""
    if not findings:
        return ["Nothing is wrong with it."]
    lines = []
    for group in findings:
        lines.append(f"{WORDS[group['severity']]}: {group['kind'].replace('_', ' ')} ({group['count']:,})")
        of_kind = [one for one in diagnostics if (one["severity"], one["kind"]) == (group["severity"], group["kind"])]
        lines += [f"  {one['file']}: {one['reason']}" if one["file"] else f"  {one['reason']}" for one in of_kind[:10]]
        if len(of_kind) > 10:
            lines.append(f"  … and {len(of_kind) - 10:,} more; --json lists all")
    return [*lines, ""]


def counted(diagnostics: "Sequence[Diagnostic]") -> str:
    """Return how many findings there are of each severity, in a few words."""
    counts = {name: sum(one.severity == name for one in diagnostics) for name in WORDS}
    return ", ".join(f"{count:,} {WORDS[name].lower()}" for name, count in counts.items() if count)
