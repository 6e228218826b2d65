"""The command `demo`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from viewfinder.cli.options import Json
from viewfinder.cli.output import document, duration, metrics, show, tell
from viewfinder.words import typed

if TYPE_CHECKING:
    from viewfinder.service.demo import Shown
    from viewfinder.service.preparing import Prepared


def demo(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where data and runs go.")] = Path(
        "viewfinder-demo"
    ),
    json: Json = False,
) -> None:
    """Show a whole main job on built-in real data.

    For each task: import, train, report, predict. Up to ten minutes on two cores.
    """
    import time
    from dataclasses import asdict

    from viewfinder.service.demo import demo

    begin = time.monotonic()
    shown = demo(out, clock=time.time, say=tell, train=_train)
    if json:
        document([asdict(one) for one in shown])
    else:
        show(ending(shown, time.monotonic() - begin))


def _train(prepared: "Prepared") -> None:
    from viewfinder.cli.training import follow, introduction

    tell(introduction(prepared))
    follow(prepared.run, as_json=False)


def ending(shown: "list[Shown]", seconds: float) -> str:
    """Return what came of a demo, and what to type next."""
    from viewfinder.run import RunFolder

    lines = [f"\nDone in {duration(seconds)}."]
    for one in shown:
        report = RunFolder(one.run).report()
        lines += [
            f"\n{report['title']}: metrics on {report['judged_on']['words']}",
            metrics(report),
            f"  Report:      {one.report}",
            f"  Predictions: {one.predictions}",
        ]
    lines += [
        "\nNext:",
        *(f"  viewfinder predict {typed(one.run)} {typed(one.images)}" for one in shown[:1]),
        "  viewfinder train FOLDER        with images of your own: a folder for each class, or boxes as COCO or VOC",
        "  viewfinder design FOLDER       to see and change what is proposed",
    ]
    return "\n".join(lines)
