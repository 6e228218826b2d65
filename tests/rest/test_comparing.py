"""Runs side by side over REST."""

import pytest
from fastapi.testclient import TestClient

from libraries import add_run
from viewfinder.rest.app import create_rest
from viewfinder.rest.finite import finite
from viewfinder.service import comparing
from viewfinder.store import Run


def test_runs_stand_side_by_side_as_the_service_says(own, colors_run):
    analysis = own.get(Run, "colors").analysis_id
    add_run(own, analysis, colors_run, "other", "Other", 2.0)
    folders = [own.home / "runs" / name for name in ("colors", "other")]
    told = finite(comparing.compare(folders, ["On colors", "Other"]))
    with TestClient(create_rest(own)) as api:
        found = api.get("/compare?run=colors&run=other").json()
    assert [run.pop("id") for run in found["runs"]] == ["colors", "other"]
    assert found == told
    assert found["chance"][0]["reason"] == "6 shared test images: too few to tell (30 at least)."


@pytest.mark.parametrize(("query", "status"), [("run=colors", 422), ("run=colors&run=gone", 404), ("", 422)])
def test_what_cannot_be_compared_is_said(results, query, status):
    assert results.get(f"/compare?{query}").status_code == status


def test_runs_of_different_tasks_are_not_compared(results):
    refused = results.get("/compare?run=colors&run=squares")
    assert (refused.status_code, "different tasks" in refused.json()["detail"]) == (409, True)
