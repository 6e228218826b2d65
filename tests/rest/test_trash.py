"""The trash over REST: what is deleted is restored or gone, and what is needed stays."""

import pytest
from fastapi.testclient import TestClient

from viewfinder.rest.app import create_rest


@pytest.fixture
def api(own):
    with TestClient(create_rest(own)) as client:
        yield client


def kinds(api):
    return [one["kind"] for one in api.get("/trash").json()["items"]]


def test_what_is_deleted_is_restored_or_gone(api, own):
    analysis = api.get("/analyses").json()["items"][0]
    model = api.post("/runs/colors/deploy", json={"name": "Sorter"}).json()["saved_model"]
    for address, needed in (
        (f"/datasets/{analysis['dataset']}", "used by the analysis 'colors'"),
        (f"/analyses/{analysis['id']}", "used by the run 'On colors'"),
        ("/runs/colors", "used by the saved model 'Sorter'"),
    ):
        refused = api.delete(address)
        assert (refused.status_code, needed in refused.json()["detail"]) == (409, True)
    assert api.delete(f"/saved-models/{model}").status_code == 204
    assert api.delete(f"/trash/saved-model/{model}").status_code == 204
    for address in ("/runs/colors", f"/analyses/{analysis['id']}", f"/datasets/{analysis['dataset']}"):
        assert (api.delete(address).status_code, api.get(address).status_code) == (204, 404)
    assert sorted(kinds(api)) == ["analysis", "dataset", "run"]
    assert api.post("/trash/run/colors/restore").status_code == 204  # with what it belongs to
    assert (kinds(api), api.get("/runs/colors").status_code) == ([], 200)
    api.delete("/runs/colors")
    assert api.delete("/trash/run/colors").status_code == 204
    assert not (own.home / "runs" / "colors").exists()
    assert api.delete("/trash/run/colors").status_code == 404
    assert api.post("/trash/token/x/restore").status_code == 422
