"""Saved models over REST: deployed, activated, rolled back, downloaded; what depends on them stays."""

import io
import zipfile

import pytest
from fastapi.testclient import TestClient

from viewfinder.rest.app import create_rest


@pytest.fixture
def api(own):
    with TestClient(create_rest(own)) as client:
        yield client


def test_a_run_is_deployed_activated_rolled_back_and_downloaded(api, own):
    first = api.post("/runs/colors/deploy", json={"name": "Sorter", "notes": "the first"})
    assert (first.status_code, first.json()["number"], first.json()["notes"]) == (201, 1, "the first")
    model = first.json()["saved_model"]
    assert first.headers["location"] == f"/saved-models/{model}"
    second = api.post("/runs/colors/deploy", json={"saved_model": model, "activate": False}).json()
    assert second["number"] == 2
    assert api.put(f"/saved-models/{model}/active", json={"version": 2}).json()["active"] == 2
    assert api.post(f"/saved-models/{model}/roll-back").json()["active"] == 1
    refused = api.post(f"/saved-models/{model}/roll-back")
    assert (refused.status_code, "no version before 1" in refused.json()["detail"]) == (409, True)
    noted = api.patch(f"/saved-models/{model}/versions/2", json={"notes": "in the shop"}).json()
    found = api.get(f"/saved-models/{model}").json()
    assert found["versions"][0] == noted
    assert [one["number"] for one in found["versions"]] == [2, 1]
    assert (noted["notes"], noted["trained"]["run"], noted["trained"]["metric"]) == ("in the shop", "colors", "roc_auc")
    assert api.get("/saved-models").json()["items"] == [{k: v for k, v in found.items() if k != "versions"}]
    sent = api.get(f"/saved-models/{model}/versions/1.zip")
    assert sent.headers["content-type"] == "application/zip"
    archive = zipfile.ZipFile(io.BytesIO(sent.content))
    kept = own.home / "models" / model / "1" / "model.safetensors"
    assert archive.read("model.safetensors") == kept.read_bytes()
    assert api.get(f"/saved-models/{model}/versions/3.zip").status_code == 404


def test_where_a_model_goes_is_said_once(api):
    for wanted in ({}, {"name": "a", "saved_model": "b"}):
        assert api.post("/runs/colors/deploy", json=wanted).status_code == 422
    assert api.post("/runs/colors/deploy", json={"saved_model": "gone"}).status_code == 404
    model = api.post("/runs/colors/deploy", json={"name": "Sorter"}).json()["saved_model"]
    taken = api.post("/runs/colors/deploy", json={"name": "Sorter"})
    assert (taken.status_code, "already is a saved model 'Sorter'" in taken.json()["detail"]) == (422, True)
    assert api.patch(f"/saved-models/{model}", json={"name": "Colour sorter"}).json()["name"] == "Colour sorter"
