"""Queued runs as real processes: one after the other, killed, adopted."""

import os
import shutil
import signal
import sys
import time

import pytest

from viewfinder.jobs.local import LocalJobs
from viewfinder.service.library import analyses, datasets, runs
from viewfinder.store import Analysis, Run

TIMEOUT_S = 90


@pytest.fixture
def queue(library, colors, quick):
    """queue(epochs): a queued run."""
    analysis = analyses.create(library, datasets.add(library, colors))
    for name, value in quick.items():
        analyses.change(library, analysis.id, name, value)

    def make(epochs=2):
        now = library.get(Analysis, analysis.id)
        analyses.change(library, analysis.id, "training.epochs", epochs, now.design["training"]["epochs"])
        return runs.create(library, library.get(Analysis, analysis.id))

    return make


def until(jobs, condition):
    end = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        jobs.step()
        time.sleep(0.05)


def state(library, run):
    return library.get(Run, run.id).state


def test_runs_are_trained_one_after_the_other(library, queue):
    jobs, (one, two) = LocalJobs(library), (queue(), queue())
    seen = set()

    def both_done():
        seen.add((state(library, one), state(library, two)))
        return state(library, two) == "finished"

    until(jobs, both_done)
    assert ("running", "running") not in seen
    assert [runs.info(library, run).epochs_done for run in (one, two)] == [2, 2]


def test_a_finished_run_is_extended_and_a_stopped_one_resumed(library, queue):
    run, jobs = queue(), LocalJobs(library)
    until(jobs, lambda: state(library, run) == "finished")
    runs.resume(library, library.get(Run, run.id), more=30)
    until(jobs, lambda: runs.info(library, run).epochs_done > 2)
    runs.stop(library, library.get(Run, run.id))
    until(jobs, lambda: state(library, run) == "stopped")
    done = runs.info(library, run).epochs_done
    runs.resume(library, library.get(Run, run.id))
    until(jobs, lambda: runs.info(library, run).epochs_done > done)
    runs.stop(library, library.get(Run, run.id))
    until(jobs, lambda: state(library, run) == "stopped")


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_run_that_is_resumed_while_its_end_is_noted_waits(when, library, queue, monkeypatch):
    """Its row says that it runs, its folder that it failed: what `LocalJobs` saw may be older than the resuming."""
    run = queue()
    assert runs.claim(library, run)
    runs.folder(library, run).update(status="failed", error="no room")
    seen, reopen = library.get(Run, run.id), runs.reopen

    def noted(*given):
        runs.set_state(library, seen, "failed", "no room", as_seen=True)
        reopen(*given)

    if when == "before":
        monkeypatch.setattr(runs, "reopen", noted)
    runs.resume(library, seen)
    if when == "after":
        runs.set_state(library, seen, "failed", "no room", as_seen=True)
    assert (state(library, run), runs.info(library, run).status) == ("queued", "queued")


def test_a_run_whose_folder_is_gone_fails_and_holds_up_no_other(library, queue):
    lost, other = queue(), queue()
    shutil.rmtree(runs.folder(library, lost).path)
    jobs = LocalJobs(library)
    until(jobs, lambda: state(library, other) == "finished")
    assert state(library, lost) == "failed"
    assert "does not exist" in library.get(Run, lost.id).error


def test_a_run_that_another_server_started_is_adopted(library, queue):
    run = queue(epochs=30)
    first = LocalJobs(library)
    until(first, lambda: runs.folder(library, run).is_alive())
    second = LocalJobs(library)
    second.step()
    assert library.get(Run, run.id).attempts == 1  # it was not started again
    runs.stop(library, run)
    until(second, lambda: state(library, run) == "stopped")
    until(first, lambda: first.process_id(run) is None)


@pytest.mark.skipif(sys.platform == "win32", reason="signals as POSIX has them")
def test_a_killed_run_goes_on_from_its_checkpoint_and_at_last_fails(library, queue):
    run = queue(epochs=400)
    jobs = LocalJobs(library)
    folder = runs.folder(library, run)
    done = 0
    for attempt in (1, 2, 3):
        until(jobs, lambda least=done: runs.info(library, run).epochs_done > least)
        assert library.get(Run, run.id).attempts == attempt
        done = runs.info(library, run).epochs_done
        os.kill(jobs.process_id(run), signal.SIGKILL)
    until(jobs, lambda: state(library, run) == "failed")
    assert "The trainer was killed" in library.get(Run, run.id).error
    epochs = folder.epochs()["epoch"].to_list()
    assert epochs == list(range(1, len(epochs) + 1))
