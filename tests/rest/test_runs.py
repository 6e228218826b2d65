"""Runs over REST: made once, followed, and stopped; what their state does not allow is a conflict."""

import time

import pytest

from viewfinder.jobs.local import LocalJobs
from viewfinder.service.library import analyses, datasets
from viewfinder.store import Run

TIMEOUT_S = 90


@pytest.fixture
def analysis(library, colors, quick):
    """The id of an analysis whose design trains in seconds."""
    row = analyses.create(library, datasets.add(library, colors))
    return analyses.change_all(library, row.id, quick).id


def create(api, analysis, key=None):
    headers = {"Idempotency-Key": key} if key else {}
    return api.post("/runs", json={"analysis": analysis}, headers=headers)


def test_a_request_that_is_sent_again_makes_no_second_run(api, library, colors, analysis):
    first, again = create(api, analysis, "k1"), create(api, analysis, "k1")
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert first.headers["location"] == again.headers["location"] == f"/runs/{first.json()['id']}"
    assert create(api, analysis).json()["id"] != first.json()["id"]
    other = analyses.create(library, datasets.add(library, colors))
    refused = create(api, other.id, "k1")
    assert refused.status_code == 409
    assert "another analysis" in refused.json()["detail"]
    assert api.get(f"/runs?analysis={other.id}").json()["total"] == 0
    assert create(api, analysis, "no spaces please").status_code == 422
    api.post(f"/runs/{first.json()['id']}/stop")
    assert api.delete(f"/runs/{first.json()['id']}").status_code == 204
    refused = create(api, analysis, "k1")
    assert (refused.status_code, "was deleted" in refused.json()["detail"]) == (409, True)


def test_runs_are_listed_by_analysis_and_state_a_page_at_a_time(api, library, colors, analysis):
    made = [create(api, analysis).json()["id"] for _ in range(3)]
    api.post(f"/runs/{made[0]}/stop")
    first = api.get(f"/runs?analysis={analysis}&limit=2").json()
    assert ([one["id"] for one in first["items"]], first["total"]) == ([made[2], made[1]], 3)
    last = api.get(first["next"]).json()
    assert ([one["id"] for one in last["items"]], last["next"]) == ([made[0]], None)
    assert [one["id"] for one in api.get("/runs?state=stopped").json()["items"]] == [made[0]]
    assert api.get("/runs?state=finished").json()["items"] == []


def test_a_queued_run_has_no_result_yet(api, analysis):
    identity = create(api, analysis).json()["id"]
    run = api.get(f"/runs/{identity}").json()
    assert (run["state"], run["reported"], run["progress"]["epoch"], run["progress"]["epochs"]) == (
        "queued",
        False,
        0,
        2,
    )
    for name in (
        "report.json",
        "report.html",
        "model.safetensors",
        "predictions.parquet",
        "predictions",
        "confusion",
        "feed",
    ):
        answer = api.get(f"/runs/{identity}/{name}")
        assert answer.status_code == 409, name
        assert "yet" in answer.json()["detail"]
    assert api.get(f"/runs/{identity}/log.txt").status_code == 409
    assert api.get(f"/runs/{identity}/latest").json() == []
    assert api.get(f"/runs/{identity}/epochs").json()["items"] == []
    assert api.post(f"/runs/{identity}/resume", json={}).status_code == 409
    assert api.put(f"/runs/{identity}/threshold", json={"threshold": 0.5}).status_code == 409
    assert api.post(f"/runs/{identity}/stop").json()["state"] == "stopped"
    assert api.post(f"/runs/{identity}/stop").status_code == 409


def test_a_run_that_lost_its_folder_is_still_listed(api, library, analysis):
    identity = create(api, analysis).json()["id"]
    (library.home / "runs" / identity / "run.json").unlink()
    assert [one["id"] for one in api.get("/runs").json()["items"]] == [identity]
    lost = api.get(f"/runs/{identity}")
    assert (lost.status_code, lost.json()["progress"]) == (200, None)
    assert "run.json" in lost.json()["error"]


@pytest.mark.slow
def test_a_training_is_followed_and_extended(api, library, analysis):
    identity, jobs = create(api, analysis).json()["id"], LocalJobs(library)

    def trained():
        end = time.monotonic() + TIMEOUT_S
        while library.get(Run, identity).state != "finished":
            assert time.monotonic() < end
            jobs.step()
            time.sleep(0.05)
        return api.get(f"/runs/{identity}").json()

    told, link, run = [], f"/runs/{identity}/events?limit=3", trained()
    assert (run["state"], run["reported"], run["epochs_done"]) == ("finished", True, 2)
    assert run["progress"]["best"]["epoch"] == run["best_epoch"]
    while (events := api.get(link).json())["items"]:
        told, link = told + events["items"], events["next"]
    kinds = [event["type"] for event in told]
    assert kinds.count("epoch") == 2
    assert kinds[-1] == "finished"
    assert events["offset"] == (library.home / "runs" / identity / "events.jsonl").stat().st_size
    latest = api.get(f"/runs/{identity}/latest").json()
    assert {one["image"] for one in latest} <= {
        one["image"] for one in api.get(f"/runs/{identity}/predictions").json()["items"]
    }
    assert latest
    assert run["guessing"]["metric"] == "accuracy"
    assert api.get(f"/runs/{identity}/log.txt").headers["content-type"].startswith("text/plain")
    assert [str(row["epoch"]) for row in api.get(f"/runs/{identity}/epochs").json()["items"]] == ["1", "2"]
    assert api.post(f"/runs/{identity}/resume", json={"more": 0}).status_code == 409  # nothing to do
    assert api.post(f"/runs/{identity}/resume", json={"more": 1}).status_code == 202
    assert trained()["epochs_done"] == 3
