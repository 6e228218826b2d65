"""Measurements as tables and plots: `python benchmarks/tables.py MEASUREMENTS.jsonl [--plot PNG]`.

Reads what `--json` of training.py and predicting.py appended, prints a Markdown table for each of the two, of medians,
and draws images/s as bars. Of a case that was measured by several runs of a benchmark the last run counts.
"""

import argparse
import json
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

RUN = datetime.now(UTC).isoformat(timespec="seconds")
CASE = {"training": "model, retrained layers", "predicting": "model"}
FASTEST = "the fastest peer"
REFERENCES = {"training": (FASTEST,), "predicting": (FASTEST, "torch", "limit")}
FURTHER = {"memory_mb": ("MB", ",.0f"), "accuracy": ("accuracy", ".3f"), "seconds": ("s in all", ".3g")}
FIGURES = {"training": tuple(FURTHER), "predicting": ()}
COLOURS = {"ours": "#1f6feb", "peer": "#8c959f", "shown": "#d0d7de"}


@dataclass(frozen=True)
class Measurement:
    """What one repetition of one contestant gave: `images_per_second`, and other figures by name.

    `role` is `ours`, `peer` (compared with) or `shown` (not compared with). `run` is when the benchmark was started.
    """

    benchmark: str
    case: str
    contestant: str
    role: str
    figures: Mapping[str, float | None]
    run: str = field(default=RUN)


def append(path: Path | None, measurements: Iterable[Measurement]) -> None:
    """Append measurements to a file of JSON Lines, if there is one."""
    if path:
        with path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(asdict(one)) + "\n" for one in measurements)


def read(path: Path) -> list[Measurement]:
    """Return the measurements of a file; of each case only those of the last run."""
    found = [Measurement(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
    last = {(one.benchmark, one.case): one.run for one in found}
    return [one for one in found if one.run == last[one.benchmark, one.case]]


def head(benchmark: str) -> str:
    """Return the first two lines of a benchmark's table."""
    against = [f"against {reference}" for reference in REFERENCES[benchmark]]
    titles = [CASE[benchmark], "contestant", "images/s", *against, *(FURTHER[name][0] for name in FIGURES[benchmark])]
    return f"| {' | '.join(titles)} |\n|{' --- |' * len(titles)}"


def rows(measurements: Sequence[Measurement]) -> str:
    """Return a table's rows of one case: the medians of each contestant."""
    case, benchmark, speed = measurements[0].case, measurements[0].benchmark, speeds(measurements)
    peers = [speed[one.contestant] for one in measurements if one.role == "peer"]
    fastest = {FASTEST: max(peers, default=math.nan)}
    lines = []
    for contestant, value in speed.items():
        mine = [one for one in measurements if one.contestant == contestant]
        ratios = [_ratio(value / {**speed, **fastest}.get(name, math.nan)) for name in REFERENCES[benchmark]]
        further = [_number(median(mine, name), FURTHER[name][1]) for name in FIGURES[benchmark]]
        lines.append(" | ".join([case.replace(":", ", "), contestant, f"{value:.3g}", *ratios, *further]))
    return "\n".join(f"| {line} |" for line in lines)


def speeds(measurements: Sequence[Measurement]) -> dict[str, float]:
    """Return each contestant's images/s."""
    names = dict.fromkeys(one.contestant for one in measurements)
    return {name: median([m for m in measurements if m.contestant == name], "images_per_second") for name in names}


def median(measurements: Sequence[Measurement], name: str) -> float:
    """Return the median of a figure; NaN where nobody told it."""
    told = [value for one in measurements if (value := one.figures.get(name)) is not None]
    return statistics.median(told) if told else math.nan


def _ratio(value: float) -> str:
    return _number(value, ".2f" if value < 1 else ".1f", "×")


def _number(value: float, form: str, unit: str = "") -> str:
    return "" if math.isnan(value) else f"{value:{form}}{unit}"


def installed(package: str) -> str:
    """Return the version of a package, or nothing where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def versions(packages: Iterable[str]) -> str:
    """Return in words which packages are installed, and which are not: those contestants were left out."""
    found = {package: installed(package) for package in dict.fromkeys(packages)}
    there = [f"{package} {number}" for package, number in found.items() if number]
    absent = [package for package, number in found.items() if not number]
    return f"Versions: {', '.join(there)}." + (f" Not installed, so left out: {', '.join(absent)}." if absent else "")


def by_case(measurements: Iterable[Measurement]) -> list[list[Measurement]]:
    """Return the measurements of every case of every benchmark."""
    found: dict[tuple[str, str], list[Measurement]] = {}
    for one in measurements:
        found.setdefault((one.benchmark, one.case), []).append(one)
    return list(found.values())


def plot(measurements: Iterable[Measurement], path: Path) -> None:
    """Draw a panel of bars for each case."""
    from matplotlib.figure import Figure

    cases = by_case(measurements)
    heights = [len(speeds(case)) + 1.5 for case in cases]
    figure = Figure((7, 0.26 * sum(heights)), layout="constrained")
    panels = figure.subplots(len(cases), squeeze=False, height_ratios=heights)[:, 0]
    for axes, case in zip(panels, cases, strict=True):
        speed, role = speeds(case), {one.contestant: one.role for one in case}
        bars = axes.barh(list(speed), list(speed.values()), color=[COLOURS[role[name]] for name in speed])
        axes.bar_label(bars, [f"{value:.3g}" for value in speed.values()], padding=3, fontsize=8)
        axes.set_title(f"{case[0].benchmark}: {case[0].case.replace(':', ', ')}, images/s", loc="left", fontsize=9)
        axes.margins(x=0.1)
        axes.invert_yaxis()
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Print the tables, and draw the plot if one is wanted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measurements", type=Path)
    parser.add_argument("--plot", type=Path)
    asked = parser.parse_args()
    found = read(asked.measurements)
    for benchmark in REFERENCES:
        cases = by_case(one for one in found if one.benchmark == benchmark)
        if cases:
            print("\n".join([head(benchmark), *(rows(case) for case in cases)]) + "\n")
    if asked.plot:
        plot(found, asked.plot)


if __name__ == "__main__":
    main()
