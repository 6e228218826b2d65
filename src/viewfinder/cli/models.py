"""The commands about the catalogue: `models` and `weights`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from viewfinder.cli.options import Json
from viewfinder.cli.output import document, show, table

weights = typer.Typer(help="List or add pretrained weight files.", no_args_is_help=True)


def models(json: Json = False) -> None:
    """List the models that can be trained."""
    from viewfinder.service.models import models

    rows = models()
    if json:
        document(rows)
        return
    columns = ["model", "task", "input px", "million parameters", "backbone layers", "pretrained on", ""]
    show(table(columns, [_model(row) for row in rows]))
    show("\nChoose one with --set training.model=NAME.")


@weights.command("list")
def list_weights(json: Json = False) -> None:
    """List the weight files, and where each is."""
    from viewfinder.service.weights import weights

    rows = weights()
    if json:
        document(rows)
        return
    show(table(["file", "MB", "models", "where"], [_file(row) for row in rows]))


@weights.command("add")
def add_weights(
    file: Annotated[Path, typer.Argument(metavar="FILE", show_default=False, help="A weight file that you have.")],
    json: Json = False,
) -> None:
    """Copy a weight FILE to where it is found.

    It is recognised by its hash, and goes to the folder VIEWFINDER_WEIGHTS or the torch hub cache.
    """
    from viewfinder.service.weights import add_weights

    row = add_weights(file)
    if json:
        document(row)
    else:
        show(f"{row['file']} is now in {row['origin']}: {row['path']} (for {', '.join(row['models'])})")


def _model(row: dict[str, Any]) -> list[object]:
    marks = [name for name in ("default", "bundled") if row[name]]
    layers = f"{len(row['backbone_layers'])} ({row['retrained_layers']} retrained)"
    parameters = f"{row['parameters'] / 1e6:.1f}"
    return [row["name"], row["task"], row["input_size"], parameters, layers, row["trained_on"], ", ".join(marks)]


def _file(row: dict[str, Any]) -> list[object]:
    here = f"{row['path']} ({row['origin']})" if row["path"] else f"fetched when needed from {row['url']}"
    return [row["file"], f"{row['size_mb']:.1f}", ", ".join(row["models"]), row["problem"] or here]
