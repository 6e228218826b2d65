"""A whole main job for each task, on real data of the base installation: import, train, report, predict."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viewfinder import tasks
from viewfinder.data import samples
from viewfinder.service import launch
from viewfinder.service.designs import wanted
from viewfinder.service.predicting import predict, write
from viewfinder.service.preparing import Prepared, free_folder, prepare

SHOWN = 5
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "digits": {"training.epochs": 10, "training.input_size": 96, "augmentation.affine.horizontal_flip": False},
    "digit-scenes": {"training.epochs": 4, "augmentation.affine.horizontal_flip": False},
}
"""What the demo changes in the default design of each sample: no mirrored digits, and little time."""


@dataclass(frozen=True)
class Shown:
    """What came of one sample: the run with its report, the model's metrics, and predictions of a few test images."""

    sample: str
    task: str
    run: Path
    report: Path
    images: Path
    predictions: Path
    metrics: dict[str, float | None]
    optimized: str
    seconds: float


def quick_design(sample: str) -> dict[str, Any]:
    """Return what the demo changes in the default design of a sample, nested as in a design file."""
    model = {"training.model": tasks.get(samples.get(sample).task).bundled_model}
    return wanted(settings={**model, **SETTINGS[sample]}).values


def demo(
    out: Path | str = "viewfinder-demo",
    *,
    clock: Callable[[], float],
    say: Callable[[str], None] = lambda text: None,
    train: Callable[[Prepared], None] = lambda prepared: launch.train(prepared.run),
) -> list[Shown]:
    """Do the main job on every sample with the bundled model of its task; return what came of each.

    Samples that an earlier demo wrote are used again. `say` is told each step, `train` trains a prepared run.
    """
    return [_show(samples.get(name), Path(out), clock, say, train) for name in SETTINGS]


def _show(
    sample: samples.Sample,
    out: Path,
    clock: Callable[[], float],
    say: Callable[[str], None],
    train: Callable[[Prepared], None],
) -> Shown:
    say(f"{tasks.get(sample.task).title}: {sample.description}")
    source = _written(sample, out)
    settings = {"training.model": tasks.get(sample.task).bundled_model, **SETTINGS[sample.name]}
    options = " ".join(f"--set {name}={_plain(value)}" for name, value in settings.items())
    run_path = free_folder(str(out / "runs"), sample.name, clock())
    say(f"$ viewfinder train {source} {options}")
    prepared = prepare(source, settings=settings, out=run_path, clock=clock)
    train(prepared)
    images = [prepared.dataset.path(image) for image in _some_test_images(prepared)]
    predictions = run_path.with_name(f"{run_path.name}-predictions.csv")
    say(f"$ viewfinder predict {run_path} …{SHOWN} test images… --out {predictions}")
    write(predict(prepared.run, images).table, predictions)
    info, report = prepared.run.info(), prepared.run.report()
    return Shown(
        sample.name,
        sample.task,
        run_path,
        run_path / "report.html",
        source,
        predictions,
        dict(report["metrics"]),
        prepared.design.metrics.optimize,
        info.seconds,
    )


def _written(sample: samples.Sample, out: Path) -> Path:
    """Return the folder of a sample, written in one step unless it is there already."""
    folder = out / sample.name
    if not folder.exists():
        beside = free_folder(str(out), f".{sample.name}", 0.0)
        sample.write(beside)
        beside.rename(folder)
    return folder


def _some_test_images(prepared: Prepared) -> list[str]:
    table = prepared.run.split()
    return list(table.filter(table["split"] == "test")["image"][:SHOWN])


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
