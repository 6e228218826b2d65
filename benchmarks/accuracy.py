"""Whether what is fast is as good: `python benchmarks/accuracy.py SOURCE [--seeds N] [--set KEY=VALUE ...]`.

Trains SOURCE with every seed, as it is by default and the plain way: everything in torch, in fp32, a fresh view in
every epoch. A seed draws another split too. Prints the metrics of each training on its test images, and over the seeds
the mean difference to the plain way with its standard error.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import measured

METRICS = {"classification": ("accuracy", "roc_auc", "log_loss"), "detection": ("map", "map_50", "f1")}
PLAIN = {"runtime.engine": "torch", "runtime.precision": "fp32", "runtime.views": "0"}
WAYS = {"plain": PLAIN, "default": {}}


def trained(source: Path, way: str, seed: int, settings: Sequence[str]) -> dict[str, float]:
    """Train as the command does; return the metrics of the test split, and the seconds that it took."""
    wanted = [*settings, f"runtime.seed={seed}", f"split.seed={seed}", *(f"{k}={v}" for k, v in WAYS[way].items())]
    with tempfile.TemporaryDirectory() as text:
        run, home = Path(text) / "run", Path(text) / "home"
        command = [sys.executable, "-m", "viewfinder", "train", str(source), "--out", str(run)]
        command += [part for one in wanted for part in ("--set", one)]
        seconds = measured.run(command, {"VIEWFINDER_HOME": str(home)}).seconds
        report = json.loads((run / "report.json").read_text(encoding="utf-8"))
    names = METRICS["detection" if "map" in report["metrics"] else "classification"]
    return {**{name: float(report["metrics"][name]) for name in names}, "seconds": seconds}


def row(name: str, cells: Sequence[str]) -> None:
    """Print a row of the table."""
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    """Train both ways with every seed and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set", dest="settings", action="append", default=[])
    asked = parser.parse_args()
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for seed in range(asked.seeds):
        for way, results in found.items():
            results.append(trained(asked.source, way, seed, asked.settings))
            if not seed and way == "plain":
                row(f"{asked.source.name}, seed", list(results[0]))
                row("---", ["---"] * len(results[0]))
            row(f"{seed}, {way}", [f"{value:.4g}" for value in results[-1].values()])
    apart = [
        [ours[name] - plain[name] for plain, ours in zip(found["plain"], found["default"], strict=True)]
        for name in found["plain"][0]
    ]
    if asked.seeds > 1:
        errors = [statistics.stdev(some) / asked.seeds**0.5 for some in apart]
        means = [statistics.mean(some) for some in apart]
        row("default − plain", [f"{mean:+.2g} ± {error:.1g}" for mean, error in zip(means, errors, strict=True)])


if __name__ == "__main__":
    main()
