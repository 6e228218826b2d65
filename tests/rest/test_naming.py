"""Names, notes, and designs that are used again, over REST."""

import pytest
from fastapi.testclient import TestClient

from viewfinder.rest.app import create_rest


@pytest.fixture
def api(own):
    with TestClient(create_rest(own)) as client:
        yield client


def test_everything_has_a_name_and_a_run_has_notes(api):
    analysis = api.get("/analyses").json()["items"][0]
    for address in (f"/datasets/{analysis['dataset']}", f"/analyses/{analysis['id']}", "/runs/colors"):
        assert api.patch(address, json={"name": "Ångström <b>"}).json()["name"] == "Ångström <b>"
        assert api.get(address).json()["name"] == "Ångström <b>"
        blank = api.patch(address, json={"name": "  "})
        assert (blank.status_code, "name" in blank.json()["detail"]) == (422, True)
    noted = api.patch("/runs/colors", json={"notes": "one more layer"}).json()
    assert (noted["name"], noted["notes"]) == ("Ångström <b>", "one more layer")
    assert api.patch("/runs/colors", json={"nmae": "x"}).status_code == 422


def test_the_runs_of_an_analysis_have_scores_and_their_designs_are_used_again(api, colors_run):
    analysis = api.get("/analyses").json()["items"][0]["id"]
    (entry,) = api.get(f"/analyses/{analysis}/history").json()["items"]
    best = colors_run.epochs().row(colors_run.info().best_epoch - 1, named=True)["test_roc_auc"]
    assert (entry["run"], entry["metric"], entry["epochs"]) == ("colors", "roc_auc", 2)
    assert entry["score"] == pytest.approx(best)
    made = api.post("/runs/colors/duplicate", json={})
    assert (made.status_code, made.json()["name"]) == (201, "colors (On colors)")
    chosen = api.get(f"{made.headers['location']}/design").json()["chosen"]["training"]
    assert (chosen["input_size"], chosen["epochs"]) == (32, 2)
    assert api.post("/runs/gone/duplicate", json={}).status_code == 404
