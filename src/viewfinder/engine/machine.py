"""What a machine was found to compute fastest, kept in a file; what is not known yet is measured."""

import os
import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, ValidationError

from viewfinder import processor
from viewfinder.atomic import replace
from viewfinder.data import slots
from viewfinder.engine import device

FORMAT = 1  # of the files
CLEARLY = 1.2  # times as fast as the default is what takes its place: noise never does
BUSY = 0.75  # of the cores have had work for a minute: what is measured then says little
LEAST, MOST = 3, 5  # repetitions
ENOUGH_S = 0.3  # of repetitions of one question, when there are LEAST

Way = Callable[[], object]
Ways = Mapping[str, Way]
"""Ways to compute the same, by their names; the first one is the default."""
Measure = Callable[[Ways], Mapping[str, float]]


class Answer(BaseModel):
    """The way that was chosen, and the milliseconds that each took."""

    model_config = ConfigDict(frozen=True)
    choice: str
    ms: dict[str, float]


class Known(BaseModel):
    """A machine's file: what the answers depend on, and the answers by their questions."""

    model_config = ConfigDict(frozen=True)
    facts: dict[str, str]
    answers: dict[str, Answer] = {}


class Machine:
    """Answers which way is the fastest on this machine, the same at every time.

    What is known is kept below the folder `kept`, a file for each processor, number of cores, version of what computes,
    and `family` of models. A file that is damaged, or cannot be written, is none. `tell` is told once that something is
    going to be measured, by `measure`. While the machine is busy nothing is: the defaults are used, and not kept.
    """

    def __init__(self, kept: Path, family: str, tell: Callable[[str], None], measure: Measure | None = None) -> None:
        self.answers: dict[str, Answer] = {}
        self._facts = facts(family)
        self._file = kept / f"{slots.key((FORMAT, *self._facts.items()))}.json"
        self._tell, self._told, self._measure = tell, False, measure or median_ms

    def fastest(self, question: str, ways: Ways) -> str:
        """Return the name of the first way, or of the fastest if that is clearly faster."""
        default = next(iter(ways))
        if len(ways) == 1:
            return default
        answer = self._known(question, ways) or self._measured(question, ways)
        if answer is None:
            return default
        self.answers[question] = answer
        return answer.choice

    def _known(self, question: str, ways: Ways) -> Answer | None:
        answer = self._read().answers.get(question)
        return answer if answer and answer.choice in ways else None

    def _measured(self, question: str, ways: Ways) -> Answer | None:
        if busy():
            return None
        if not self._told:
            self._told = True
            self._tell("Measuring this machine once: which engine, precision and threads train fastest …")
        try:
            ms = {name: round(value, 3) for name, value in self._measure(ways).items()}
        except Exception:  # noqa: BLE001 - whatever cannot be measured on this machine, the default is not worse for it
            return None
        default, fastest = next(iter(ways)), min(ms, key=lambda name: ms[name])
        choice = fastest if ms[default] >= CLEARLY * ms[fastest] else default
        return self._keep(question, ways, Answer(choice=choice, ms=ms))

    def _keep(self, question: str, ways: Ways, answer: Answer) -> Answer:
        """Keep an answer, unless another process was faster: then its answer holds."""
        if (earlier := self._known(question, ways)) is not None:
            return earlier
        known = Known(facts=self._facts, answers={**self._read().answers, question: answer})
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            replace(self._file, lambda file: file.write((known.model_dump_json(indent=2) + "\n").encode()))
        return answer

    def _read(self) -> Known:
        try:
            return Known.model_validate_json(self._file.read_bytes())
        except (OSError, ValidationError):
            return Known(facts=self._facts)


def busy() -> bool:
    """Return whether the machine has had other work to do; where systems do not count that, it has not."""
    load: Callable[[], tuple[float, ...]] = getattr(os, "getloadavg", lambda: (0.0,))
    try:
        return load()[0] > BUSY * (os.cpu_count() or 1)
    except OSError:
        return False


def facts(family: str) -> dict[str, str]:
    """Return what decides how fast this machine computes a family of models."""
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()  # not in every torch
    return {
        "processor": processor.name(),
        "capabilities": " ".join(sorted(name for name, has in capabilities.items() if has is True)),
        "cores": str(device.cores()),
        "torch": torch.__version__,
        "openvino": version("openvino") if find_spec("openvino") else "none",
        "family": family,
    }


def median_ms(ways: Ways) -> dict[str, float]:
    """Return the median milliseconds of each way, of interleaved repetitions; the first of each does not count."""
    for way in ways.values():
        way()
    found: dict[str, list[float]] = {name: [] for name in ways}
    began = time.perf_counter()
    for repetition in range(MOST):
        if repetition >= LEAST and time.perf_counter() - began > ENOUGH_S:
            break
        for name, way in ways.items():
            at = time.perf_counter()
            way()
            found[name].append(1000 * (time.perf_counter() - at))
    return {name: statistics.median(times) for name, times in found.items()}
