"""The arguments and options that several commands share."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from viewfinder.service.source import Source

SourcePath = Annotated[
    Path,
    typer.Argument(
        metavar="SOURCE",
        show_default=False,
        help="A folder per class; a CSV, Parquet or JSON Lines table; COCO JSON; Pascal VOC; or the folder of one.",
    ),
]
MaybeSourcePath = Annotated[
    Path | None,
    typer.Argument(
        metavar="SOURCE",
        show_default=False,
        help="A folder per class; a CSV, Parquet or JSON Lines table; COCO JSON; Pascal VOC; or the folder of one. "
        "With --repeat: where the data is now, if it was moved.",
    ),
]
RunPath = Annotated[Path, typer.Argument(metavar="RUN", show_default=False, help="The folder of a run.")]
Task = Annotated[
    str | None,
    typer.Option("--task", metavar="TASK", help="classification | detection, where SOURCE can be read as both."),
]
ImageColumn = Annotated[
    str | None, typer.Option("--image-column", metavar="NAME", help="The column of a table with paths.")
]
TargetColumn = Annotated[
    str | None, typer.Option("--target-column", metavar="NAME", help="The column of a table with classes or boxes.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="A setting of the design, such as training.epochs=3. May be given many times.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON document.")]


def source_of(path: Path, task: str | None, image_column: str | None, target_column: str | None) -> "Source":
    """Return the source that a command was given."""
    from viewfinder.service.source import Source

    return Source(path, task, image_column, target_column)
