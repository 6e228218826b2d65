"""The commands that put a run's model to the test, or to work: `evaluate`, `predict`, `compare`."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from viewfinder.cli import STOPPED
from viewfinder.cli.options import ImageColumn, Json, RunPath, SourcePath, TargetColumn, source_of
from viewfinder.cli.output import document, metrics, show, table, tell, text
from viewfinder.words import plural

if TYPE_CHECKING:
    from viewfinder.data.diagnostics import Diagnostic
    from viewfinder.service.predicting import Predictions


def evaluate(
    run: RunPath,
    source: SourcePath,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="A new folder. Default: evaluations/<run>-on-<source>-<time>."),
    ] = None,
    image_column: ImageColumn = None,
    target_column: TargetColumn = None,
    json: Json = False,
) -> None:
    """Measure the model of RUN on other data.

    The data has labels; a report and the predictions are written.
    """
    from viewfinder.cli.counter import counting
    from viewfinder.cli.data import finding_lines
    from viewfinder.service.evaluating import evaluate

    with _stopping(), counting("Reading images") as reading, counting("Predicting") as predicting:
        asked = source_of(source, None, image_column, target_column)
        found = evaluate(run, asked, out, progress=reading, predicting=predicting)
    report = found.report
    if report["data"]["diagnostics"]:
        tell("\n".join(finding_lines(report["data"]["diagnostics"])))
    if json:
        document({"folder": str(found.folder), "report": str(found.folder / "report.html"), **_numbers(report)})
        return
    show(f"Metrics on {report['judged_on']['words']}:")
    show(metrics(report))
    for note in report["notes"]:
        show(f"Note: {note}")
    show(f"Report: {found.folder / 'report.html'}")


def predict(
    run: RunPath,
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGE|FOLDER...", show_default=False, help="Images, or folders of images.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write a table: .csv, .parquet or .jsonl.")
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option("--threshold", metavar="0…1", help="Confidence from which a box counts. Default: the model's."),
    ] = None,
    json: Json = False,
) -> None:
    """Predict images with the model of RUN."""
    from viewfinder.cli.counter import counting
    from viewfinder.service.predicting import plain, predict, predict_into

    if out and not json:
        with _stopping(), counting("Predicting") as progress:
            written = predict_into(run, images, out, threshold, progress=progress)
        _left_out(written.diagnostics)
        show(f"{plural(written.count, 'prediction')} written to {out}")
        return
    with _stopping(), counting("Predicting") as progress:
        found = predict(run, images, out, threshold, progress=progress)
    _left_out(found.diagnostics)
    if json:
        document({"predictions": plain(found.table), "left_out": [one.as_dict() for one in found.diagnostics]})
    else:
        show(prediction_table(found))


@contextlib.contextmanager
def _stopping() -> Iterator[None]:
    """Say what Ctrl-C left of what was done; Typer would end without a word."""
    try:
        yield
    except KeyboardInterrupt as stopped:
        tell(str(stopped) or "Stopped.")
        raise typer.Exit(STOPPED) from None


def _left_out(found: "Sequence[Diagnostic]") -> None:
    for one in found:
        tell(f"Left out: {one.file}: {one.reason}")


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN RUN...", show_default=False, help="Folders of runs.")],
    json: Json = False,
) -> None:
    """Show two or more runs side by side.

    What differs in their designs, their metrics, and their curves.
    """
    from viewfinder.service.comparing import compare

    compared = compare(runs)
    if json:
        document(compared)
    else:
        show(comparison(compared))


def _numbers(report: dict[str, Any]) -> dict[str, Any]:
    names = ("task", "judged_on", "optimized", "metrics", "threshold", "confusion", "notes", "data")
    return {name: report[name] for name in names}


def prediction_table(found: "Predictions") -> str:
    """Return predictions as a table: the class and its probability, or the boxes."""
    from viewfinder.service.predicting import plain

    rows = plain(found.table)
    if "boxes" in found.table.columns:
        return table(["image", "objects", "what and where"], [_boxes(row) for row in rows])
    answers = [(row["image"], row["prediction"], row[f"proba_{row['prediction']}"]) for row in rows]
    return table(["image", "prediction", "probability"], answers)


def _boxes(row: dict[str, Any]) -> tuple[str, int, str]:
    shown = [
        f"{box['category']} {box['confidence']:.2f} [{', '.join(f'{number:.0f}' for number in box['bbox'])}]"
        for box in row["boxes"]
    ]
    return row["image"], len(shown), "; ".join(shown) or "–"


def comparison(compared: dict[str, Any]) -> str:
    """Return compared runs as text: runs are columns, named A, B, …"""
    from viewfinder.service.comparing import letter

    runs = compared["runs"]
    names = [letter(number) for number in range(len(runs))]
    facts = ("status", "dataset", "model", "monitored_split", "judged_on", "judged_images", "epochs_done", "best_epoch")
    parts = [
        "\n".join(f"{name}: {row['run']}" for name, row in zip(names, runs, strict=True)),
        table(["run", *names], [[fact.replace("_", " "), *(row[fact] for row in runs)] for fact in facts]),
        table(["metric", *names], [_best_marked(row) for row in compared["metrics"]]),
        *(_chance(names, one) for one in compared["chance"]),
    ]
    if compared["designs"]:
        parts.append(table(["setting", *names], [[name, *values] for name, values in compared["designs"].items()]))
    else:
        parts.append("The designs are the same.")
    parts.append(_curves(names, runs))
    return "\n\n".join([*(part for part in parts if part), *(f"Note: {warning}" for warning in compared["warnings"])])


def _best_marked(row: dict[str, Any]) -> list[str]:
    marked = [text(value) + (" *" if number in row["best"] else "  ") for number, value in enumerate(row["values"])]
    return [row["metric"], *marked]


def _chance(names: list[str], found: dict[str, Any]) -> str:
    """Return whether a run differs from the first by more than chance."""
    if found["reason"]:
        return f"{names[found['run']]} against {names[0]}: {found['reason']}"
    lines = [f"  {row['sentence']}" for row in found["metrics"]]
    return "\n".join([f"{names[found['run']]} against {names[0]}. {found['basis']}", *lines])


def _curves(names: list[str], runs: list[dict[str, Any]]) -> str:
    """Return the optimised metric of each run after each epoch."""
    series = [[_optimized(run, epoch) for epoch in run["epochs"]] for run in runs]
    epochs = max(map(len, series), default=0)
    if not epochs:
        return ""
    columns = [f"{name} {run['monitored_split']} {run['optimized']}" for name, run in zip(names, runs, strict=True)]
    rows = [[i + 1, *(values[i] if i < len(values) else None for values in series)] for i in range(epochs)]
    return table(["epoch", *columns], rows)


def _optimized(run: dict[str, Any], epoch: dict[str, Any]) -> Any:
    return epoch.get(f"{run['monitored_split']}_{run['optimized']}")
