"""What a training was expected to take, and what it took: `python benchmarks/estimates.py [MODEL:RETRAINED ...]`.

Prints the range of seconds that the estimate gives, for an epoch after the first and for the whole, beside what they
took, and the memory that it gives beside the peak of all processes. Each model is trained once with its defaults but
for the epochs, the images' number and the size of the network's input where it is given (MODEL:RETRAINED:SIZE).
"""

import argparse
import sys
import tempfile
from pathlib import Path

import images
import measured

from viewfinder import catalogue
from viewfinder.events import Epoch, Started
from viewfinder.run import RunFolder
from viewfinder.service.estimate import estimate

CASES = (
    "efficientnet_lite0:3", "efficientnet_b0:2", "efficientnet_b4:2", "efficientnet_b0:9",
    "fasterrcnn_efficientnet_lite0_fpn:8", "fasterrcnn_resnet50_fpn:3",
)  # fmt: skip
SHARE = {"classification": 1.0, "detection": 0.1}  # of the images: a detector takes seconds for one
EPOCHS = {"classification": 3, "detection": 2}


def train(case: str, folder: Path, count: int, epochs: int | None) -> str:
    """Train a case and return its line of the table."""
    name, retrained, size = [*case.split(":"), "auto"][:3]
    row = catalogue.get(name)
    source, weights, run = folder / row.task, folder / f"{name}.pth", folder / case.replace(":", " ")
    if not source.exists():
        (images.classified if row.task == "classification" else images.with_boxes)(
            source, round(count * SHARE[row.task])
        )
    images.weights(name, source, weights)
    wanted = {
        "training.model": name,
        "training.weights": weights,
        "training.retrained_layers": retrained,
        "training.input_size": size,
        "training.epochs": epochs or EPOCHS[row.task],
        "training.early_stopping.enabled": "false",
        "runtime.devices": "cpu",
    }
    sets = [part for key, value in wanted.items() for part in ("--set", f"{key}={value}")]
    done = measured.run(
        [sys.executable, "-m", "viewfinder", "train", str(source), "--out", str(run), *sets],
        {"VIEWFINDER_HOME": str(folder / "home")},
    )
    return _line(case, RunFolder.open(run), done.seconds, done.memory_mb)


def _line(case: str, run: RunFolder, seconds: float, memory: float) -> str:
    data = run.info().dataset
    expected = estimate(run.design(), data.counts["train"], data.counts[data.monitored_split])
    assert expected.seconds is not None
    assert expected.seconds_per_epoch is not None
    times = [event.time for _, event in run.events() if isinstance(event, Started | Epoch)]
    cells = (
        case.replace(":", ", "),
        _between(expected.seconds_per_epoch), f"{times[-1] - times[-2]:.2f}", f"{times[1] - times[0]:.2f}",
        _between(expected.seconds), f"{seconds:.1f}",
        f"{expected.memory_mb:,.0f}", f"{memory:,.0f}",
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _between(seconds: tuple[float, float]) -> str:
    return f"{seconds[0]:.3g} to {seconds[1]:.3g}"


def main() -> None:
    """Train all cases and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", default=CASES)
    parser.add_argument("--images", type=int, default=160)
    parser.add_argument("--epochs", type=int)
    asked = parser.parse_args()
    columns = ("model, retrained layers", "epoch: expected, s", "last", "first", "whole: expected, s", "took")
    print(f"| {' | '.join(columns)} | memory: expected, MB | peak |\n| {' | '.join(['---'] * 8)} |")
    with tempfile.TemporaryDirectory() as folder:
        for case in asked.cases:
            print(train(case, Path(folder), asked.images, asked.epochs), flush=True)


if __name__ == "__main__":
    main()
