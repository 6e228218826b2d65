"""Models tried over REST: an image at once, and many as a batch."""

import time

import pytest
from fastapi.testclient import TestClient

from viewfinder.rest.app import create_rest
from viewfinder.service.library import batches

TIMEOUT_S = 60


@pytest.fixture
def api(own):
    with TestClient(create_rest(own)) as client:
        yield client
    batches.stop_all(own)
    own.warm.close()


def upload(api, *paths):
    identity = api.post("/uploads").json()["id"]
    for path in paths:
        api.put(f"/uploads/{identity}/files/{path.name}", content=path.read_bytes())
    return identity


def test_a_batch_waits_its_turn_is_stopped_and_goes_on(api, own, colors):
    with own.heavy:  # something else computes
        sent = upload(api, colors / "red" / "red 0.png")
        begun = api.post("/batches", json={"upload": sent, "run": "colors", "name": "May"})
        address = begun.headers["location"]
        assert (begun.status_code, begun.json()["name"], begun.json()["state"]) == (202, "May", "waiting")
        early = api.get(f"{address}/predictions.csv")
        assert (early.status_code, "no predictions yet: it is waiting" in early.json()["detail"]) == (409, True)
        assert api.post(f"{address}/stop").status_code == 202
    end = time.monotonic() + TIMEOUT_S
    while (now := api.get(address).json())["state"] != "stopped":
        assert time.monotonic() < end
    assert [api.get(f"/batches{query}").json()["items"] for query in ("", "?run=colors")] == [[now], [now]]
    assert now["resumable"]
    assert api.post(f"{address}/resume").json()["state"] in ("waiting", "running")
    while (now := api.get(address).json())["state"] != "finished":
        assert time.monotonic() < end, now
    assert not now["resumable"]
    refused = api.post(f"{address}/resume")
    assert (refused.status_code, "'May' is finished" in refused.json()["detail"]) == (409, True)
    assert [api.delete(address).status_code for _ in range(2)] == [204, 404]


def test_what_a_batch_needs_is_said(api):
    sent = upload(api)
    for wanted in ({}, {"run": "colors", "saved_model": "x"}):
        refused = api.post("/batches", json={"upload": sent, **wanted})
        assert (refused.status_code, "either a run or a saved model" in refused.json()["detail"]) == (422, True)
    assert api.post("/batches", json={"upload": "gone", "run": "colors"}).status_code == 404
    assert api.post("/runs/gone/try", content=b"x").status_code == 404


@pytest.mark.slow
def test_a_saved_model_is_tried_on_one_image_and_on_many(api, colors, colors_run):
    image, (broken) = colors / "red" / "red 0.png", b"no image"
    tried = api.post("/runs/colors/try?name=mine.png", content=image.read_bytes()).json()
    assert (tried["size"], tried["found"]) == ([40, 40], None)
    assert {one["name"] for one in tried["classes"]} == {"blue", "green", "red"}
    assert sum(one["probability"] for one in tried["classes"]) == pytest.approx(1, abs=1e-5)
    model = api.post("/runs/colors/deploy", json={"name": "Sorter"}).json()["saved_model"]
    assert api.post(f"/saved-models/{model}/try", content=image.read_bytes()).json()["classes"] == tried["classes"]
    refused = api.post(f"/saved-models/{model}/try", content=broken)
    assert (refused.status_code, "cannot be read" in refused.json()["detail"]) == (422, True)
    begun = api.post("/batches", json={"upload": upload(api, image), "saved_model": model, "name": "May"})
    address = begun.headers["location"]
    end = time.monotonic() + TIMEOUT_S
    while (now := api.get(address).json())["state"] != "finished":
        assert time.monotonic() < end, now
        time.sleep(0.05)
    table = api.get(f"{address}/predictions.csv")
    assert table.headers["content-type"].startswith("text/csv")
    assert table.text.splitlines()[1].startswith(f"red 0.png,{tried['classes'][0]['name']}")
