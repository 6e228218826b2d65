"""What is chosen by measuring: when a default is left, where the answer is kept, and that a run keeps its own."""

import json
import os
import time

import numpy as np
import pytest
import torch

from runs import StopAfter, rows, same_tensors, told, weights
from viewfinder import catalogue
from viewfinder.design import Runtime
from viewfinder.engine import device, loop
from viewfinder.engine.choices import THREAD_VARIABLES
from viewfinder.engine.machine import Machine, median_ms
from viewfinder.engine.trials import Trials

FAMILY = "a family"


class Asked:
    """A measure that answers with given milliseconds, and counts how often it is asked."""

    def __init__(self, **ms):
        self.ms, self.times = ms, 0

    def __call__(self, ways):
        self.times += 1
        assert list(ways) == list(self.ms)
        return self.ms


def machine(kept, measure, messages=None, family=FAMILY):
    return Machine(kept, family, (messages if messages is not None else []).append, measure)


def ways(*names):
    return {name: lambda: None for name in names}


@pytest.fixture(autouse=True)
def _idle(monkeypatch):
    """Whatever else runs on it, the machine has nothing to do."""
    monkeypatch.setattr(os, "getloadavg", lambda: (0.0, 0.0, 0.0), raising=False)


# -- one question -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ms", "fastest"),
    [
        ({"bf16": 10, "fp32": 30}, "bf16"),
        ({"bf16": 10, "fp32": 9}, "bf16"),
        ({"bf16": 11.9, "fp32": 10}, "bf16"),  # not clearly
        ({"bf16": 12.1, "fp32": 10}, "fp32"),
        ({"2": 12.1, "4": 11, "8": 10}, "8"),
    ],
)
def test_a_default_is_left_only_for_what_is_clearly_faster(ms, fastest, tmp_path):
    assert machine(tmp_path, Asked(**ms)).fastest("which", ways(*ms)) == fastest


def test_it_is_measured_once_and_told_once(tmp_path):
    messages, first = [], Asked(a=2, b=1)
    asked = machine(tmp_path / "kept", first, messages)
    assert [asked.fastest(question, ways("a", "b")) for question in ("one", "two", "one")] == ["b", "b", "b"]
    assert first.times == 2
    assert len(messages) == 1
    assert "Measuring this machine once" in messages[0]
    later, messages = Asked(a=1, b=2), []
    again = machine(tmp_path / "kept", later, messages)
    began = time.perf_counter()
    assert again.fastest("one", ways("a", "b")) == "b"
    assert time.perf_counter() - began < 0.02
    assert (later.times, messages) == (0, [])
    assert again.answers["one"].ms == {"a": 2, "b": 1}
    assert machine(tmp_path / "kept", later, family="another").fastest("one", ways("a", "b")) == "a"
    assert (later.times, len(list((tmp_path / "kept").iterdir()))) == (1, 2)


def test_a_single_way_is_not_measured(tmp_path):
    measure = Asked()
    assert machine(tmp_path / "kept", measure).fastest("one", ways("a")) == "a"
    assert measure.times == 0
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"facts": {}, "answers": {"one": 1}}', "unknown"])
def test_a_damaged_file_is_measured_again(content, tmp_path):
    machine(tmp_path, Asked(a=2, b=1)).fastest("one", ways("a", "b"))
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole.replace(b'"choice": "b"', b'"choice": "gone"') if content == "unknown" else content)
    assert file.read_bytes() != whole
    again = Asked(a=2, b=1)
    assert machine(tmp_path, again).fastest("one", ways("a", "b")) == "b"
    assert again.times == 1
    assert file.read_bytes() == whole


def test_a_home_that_cannot_be_written_is_no_error(tmp_path):
    (tmp_path / "file").touch()
    for _ in range(2):
        measure = Asked(a=2, b=1)
        assert machine(tmp_path / "file" / "kept", measure).fastest("one", ways("a", "b")) == "b"
        assert measure.times == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_of_two_processes_at_once_the_first_answer_holds(tmp_path):
    def slow(asked):
        assert machine(tmp_path, Asked(a=9, b=1)).fastest("one", ways("a", "b")) == "b"
        machine(tmp_path, Asked(a=1, b=9)).fastest("two", ways("a", "b"))
        return {"a": 1, "b": 9}

    late = machine(tmp_path, slow)
    assert late.fastest("one", ways("a", "b")) == "b"
    assert late.answers["one"].ms == {"a": 9, "b": 1}
    assert machine(tmp_path, Asked()).fastest("two", ways("a", "b")) == "a"


def test_a_busy_machine_is_not_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "getloadavg", lambda: (0.8 * os.cpu_count(), 0.0, 0.0), raising=False)
    notes = []
    asked = Machine(tmp_path, "a family", notes.append, lambda asked: {"a": 10, "b": 1})
    assert asked.fastest("one", ways("a", "b")) == "a"
    assert (notes, list(tmp_path.iterdir())) == ([], [])
    monkeypatch.setattr(os, "getloadavg", lambda: (0.7 * os.cpu_count(), 9.0, 9.0), raising=False)
    assert asked.fastest("one", ways("a", "b")) == "b"


def test_what_cannot_be_measured_stays_as_it_is(tmp_path):
    def fails(asked):
        raise RuntimeError("no such instruction")

    assert machine(tmp_path, fails).fastest("one", ways("a", "b")) == "a"
    assert not list(tmp_path.iterdir())


def test_milliseconds_are_medians_of_interleaved_repetitions():
    calls = []

    def way(name, seconds):
        def compute():
            calls.append(name)
            time.sleep(seconds if len(calls) > 2 else 0.2)  # the first of each does not count

        return compute

    found = median_ms({"short": way("short", 0.004), "long": way("long", 0.02)})
    assert 4 <= found["short"] < 20 <= found["long"] < 100
    assert calls == ["short", "long"] * (len(calls) // 2)


@pytest.mark.parametrize("name", ["efficientnet_b4", "efficientnet_lite0"])
def test_real_pieces_are_measured(name, tmp_path):
    """And no number is drawn that a training would draw."""
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    trials = Trials(catalogue.get(name), tmp_path)
    trials.learning("fp32", 1)()
    ours, plain = trials.by_openvino("fp32", 1)(), trials.by_torch("fp32", 1)().permute(0, 2, 3, 1).numpy()
    assert np.abs(ours - plain).max() <= 0.01 * plain.std()  # both compute the same
    assert torch.rand(1) == expected


# -- runs -------------------------------------------------------------------------------------------------------------

AUTO = {"runtime.precision": "auto", "runtime.views": 0, "training.epochs": 2, "training.batch_size": 4}


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("VIEWFINDER_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def free_threads(monkeypatch):
    """The environment does not say how many threads there are; `free_threads()` makes torch as new."""
    for name in THREAD_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    torch.set_num_threads(1)
    yield lambda: torch.set_num_threads(1)
    torch.set_num_threads(1)


def flip(home):
    """Have the machine's file say the opposite to every question; return these."""
    (file,) = (home / "machine").iterdir()
    known = json.loads(file.read_text(encoding="utf-8"))
    for answer in known["answers"].values():
        answer["choice"] = next(name for name in answer["ms"] if name != answer["choice"])
    file.write_text(json.dumps(known), encoding="utf-8")
    return set(known["answers"])


def measuring(run):
    return [note.message for note in told(run, "note") if "Measuring" in note.message]


def test_a_run_records_its_choices_and_the_next_has_them_too(trained, colors, home):
    first, second = trained(colors, AUTO), trained(colors, AUTO)
    found, runtime = first.info().choices, first.design().runtime
    assert (found.engine, found.precision) == (runtime.engine, runtime.precision)
    assert found.threads == torch.get_num_threads()
    assert any(question.startswith("engine") for question in found.measured)
    default = device.resolve(Runtime())
    assert ("precision" in found.measured) == (default.precision == "bf16")  # only what the processor has itself
    assert (len(measuring(first)), len(measuring(second))) == (1, 0)
    assert second.info().choices == found
    assert first.report()["environment"]["threads"] == found.threads
    assert same_tensors(weights(first), weights(second))


def test_what_the_design_fixes_is_not_measured(trained, colors, home):
    run = trained(colors, {**AUTO, "training.epochs": 1, "runtime.precision": "fp32", "runtime.engine": "torch"})
    found = run.info().choices
    assert (found.engine, found.precision, found.measured) == ("torch", "fp32", {})
    assert not measuring(run)
    assert not (home / "machine").exists()


def test_what_a_run_does_not_need_is_not_measured(trained, colors, home):
    """With views that are kept, and with no frozen layers, there is nothing that torch could compute faster."""
    for settings in ({"runtime.views": 1}, {"training.retrained_layers": 9}):
        run = trained(colors, {**AUTO, "training.epochs": 1, "runtime.precision": "fp32", **settings})
        assert (run.info().choices.engine, run.info().choices.measured) == ("openvino", {})


@pytest.mark.parametrize("recorded", [True, False], ids=["recorded", "of an earlier version"])
def test_a_resumed_run_keeps_what_it_began_with(recorded, queued, colors, home, free_threads):
    """Although the machine would choose otherwise by now: the model is the same to the bit."""
    whole, run = queued(colors, AUTO), queued(colors, AUTO)
    loop.train(whole)
    began = whole.info().choices
    free_threads()
    assert loop.train(run, StopAfter(run, "step", 3)) == "stopped"
    flip(home)
    if not recorded:
        info = json.loads((run.path / "run.json").read_text(encoding="utf-8"))
        del info["choices"]
        (run.path / "run.json").write_text(json.dumps(info), encoding="utf-8")
    free_threads()
    loop.train(run)
    now = run.info().choices
    assert (now.engine, now.precision) == (began.engine, began.precision)
    if recorded or began.threads == 1:
        assert now.threads == torch.get_num_threads() == began.threads
        assert rows(run) == rows(whole)
        assert same_tensors(weights(run), weights(whole))


def test_a_new_run_takes_what_the_machine_says_now(queued, colors, home):
    """So that the file which the resumed run did not heed is one that is read."""
    first, second = queued(colors, AUTO), queued(colors, AUTO)
    loop.train(first)
    asked = flip(home)
    loop.train(second)
    before, now = first.info().choices, second.info().choices
    if "precision" in asked:
        assert (before.precision, now.precision) == ("bf16", "fp32")
    else:
        assert (before.engine, now.engine) == ("openvino", "torch")
    assert not same_tensors(weights(first), weights(second))


def test_a_run_that_goes_on_with_fewer_cores_says_so(queued, colors, home):
    run = queued(colors, AUTO)
    loop.train(run, StopAfter(run, "step", 3))
    info = run.info()
    run.update(choices=info.choices.model_copy(update={"threads": 4096, "streams": 4096}).model_dump())
    assert loop.train(run) == "finished"
    assert torch.get_num_threads() <= device.cores()
    assert any("began with 4096 threads" in note.message for note in told(run, "note"))
    assert run.info().choices.threads == 4096  # for the day when it goes back
    torch.set_num_threads(1)
