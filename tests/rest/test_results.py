"""Results over REST: the same numbers as in the report, images and files."""

import io
import json

import polars as pl
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from viewfinder.rest.app import create_rest


def test_a_dataset_shows_what_is_in_it(results, shown):
    dataset = next(one for one in results.get("/datasets").json()["items"] if one["name"] == "colors")["id"]
    check = results.get(f"/datasets/{dataset}/check").json()
    assert [(one["name"], one["images"]) for one in check["classes"]] == [("blue", 10), ("green", 10), ("red", 10)]
    first = results.get(f"/datasets/{dataset}/images?shows=red&limit=8").json()
    second = results.get(first["next"]).json()
    assert (first["total"], len(first["items"]), len(second["items"]), second["next"]) == (10, 8, 2, None)
    assert {one["label"] for one in first["items"] + second["items"]} == {"red"}
    picture = results.get(first["items"][0]["thumbnail"])
    assert picture.headers["content-type"] == "image/jpeg"
    assert "immutable" in picture.headers["cache-control"]
    assert Image.open(io.BytesIO(picture.content)).format == "JPEG"
    assert results.get(f"/datasets/{dataset}/diagnostics").json() == {"items": [], "total": 0, "next": None}
    assert results.get(f"/datasets/{dataset}/thumbnails/{'0' * 64}.jpg").status_code == 404


@pytest.mark.parametrize("name", ["colors", "squares"])
def test_the_confusion_and_the_images_behind_it_are_those_of_the_report(results, name):
    report = results.get(f"/runs/{name}/report.json").json()
    counted = results.get(f"/runs/{name}/confusion").json()
    assert counted["confusion"] == report["confusion"]
    assert counted["metrics"]["f1"] == pytest.approx(report["metrics"]["f1"])
    confusion = counted["confusion"]
    for truth, line in zip(confusion["labels"], confusion["counts"], strict=True):
        for predicted, count in zip(confusion["predicted_labels"], line, strict=True):
            feed = results.get(f"/runs/{name}/feed", params={"truth": truth, "predicted": predicted}).json()
            assert (feed["total"] > 0) == (count > 0)
    if name == "colors":
        wrong = sum(map(sum, confusion["counts"])) - sum(line[i] for i, line in enumerate(confusion["counts"]))
        assert results.get(f"/runs/{name}/feed?mistakes=true&order=doubt").json()["total"] == wrong
    rows = results.get(f"/runs/{name}/predictions").json()
    assert rows["total"] == report["judged_on"]["images"]
    assert [one["image"] for one in rows["items"]] == sorted(one["image"] for one in rows["items"])


def test_an_answer_of_a_classifier_has_its_probabilities(results, colors_run):
    one = results.get("/runs/colors/predictions?limit=1").json()["items"][0]
    known = colors_run.predictions().filter(pl.col("image") == one["image"]).row(0, named=True)
    assert one["prediction"] == known["prediction"]
    assert one["probabilities"] == {name: known[f"proba_{name}"] for name in ("blue", "green", "red")}
    assert (one["label"], one["objects"]) == (one["image"].split("/")[0], None)
    refused = results.get("/runs/colors/confusion?threshold=0.5")
    assert (refused.status_code, "classifier" in refused.json()["detail"]) == (422, True)
    assert "Did you mean 'blue'" in results.get("/runs/colors/feed?truth=blu").json()["detail"]
    assert results.put("/runs/colors/threshold", json={"threshold": 0.5}).status_code == 409


def test_a_detector_is_counted_at_any_threshold(results):
    few = results.get("/runs/squares/confusion?threshold=1").json()
    many = results.get("/runs/squares/confusion?threshold=0&iou=0.1").json()
    assert (few["threshold"], many["iou"]) == (1.0, 0.1)

    def boxes(counted):
        return sum(row["predictions"] for row in counted["per_class"])

    assert boxes(few) == 0 < boxes(many)
    one = results.get("/runs/squares/predictions?limit=1").json()["items"][0]
    assert {box["category"] for box in one["objects"]} <= {"blue", "red"}
    assert all(0 <= box["confidence"] <= 1 for box in one["found"])


@pytest.mark.parametrize("name", ["colors", "squares"])
def test_pictures_and_files_are_had(results, name, request):
    run = request.getfixturevalue(f"{name}_run")
    small = Image.open(io.BytesIO(results.get(f"/runs/{name}/images/0.jpg").content))
    assert small.format == "JPEG"
    assert results.get(f"/runs/{name}/images/99.jpg").status_code == 404
    page = results.get(f"/runs/{name}/report.html")
    assert page.headers["content-security-policy"] == "sandbox"
    for file, path in (
        ("predictions.parquet", "predictions.parquet"),
        ("model.safetensors", "model/model.safetensors"),
    ):
        answer = results.get(f"/runs/{name}/{file}")
        assert answer.content == (run.path / path).read_bytes()
        assert answer.headers["content-disposition"] == f'attachment; filename="{file}"'
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_no_answer_holds_what_json_cannot(own):
    folder = own.home / "runs" / "colors"
    report = json.loads((folder / "report.json").read_text())
    (folder / "report.json").write_text(json.dumps({**report, "metrics": {"f1": float("nan")}}))
    with (folder / "events.jsonl").open("a") as file:
        step = {"type": "step", "time": 1, "epoch": 2, "step": 1, "steps": 3, "loss": "NaN", "learning_rate": 1e-3}
        file.write(json.dumps({**step, "images_per_second": "Infinity"}) + "\n")
    with TestClient(create_rest(own)) as api:
        assert api.get("/runs/colors/report.json").json()["metrics"] == {"f1": None}
        event = api.get("/runs/colors/events?limit=200").json()["items"][-1]
        assert (event["loss"], event["images_per_second"]) == (None, None)
        assert api.get("/runs/colors").json()["progress"]["loss"] is None


def test_another_threshold_is_used(shown):
    """Last: it changes the run."""
    with TestClient(create_rest(shown)) as api:
        assert api.put("/runs/squares/threshold", json={"threshold": 0.25}).json()["threshold"] == 0.25
        assert api.get("/runs/squares").json()["threshold"] == 0.25
        assert api.put("/runs/squares/threshold", json={"threshold": 1.5}).status_code == 422
    model = json.loads((shown.home / "runs" / "squares" / "model" / "model.json").read_text())
    assert model["threshold"] == 0.25


def test_the_catalogue_is_told(api):
    models = {one["name"]: one for one in api.get("/models").json()}
    assert models["efficientnet_lite0"]["bundled"]
    assert len(models["efficientnet_b4"]["backbone_layers"]) == 9
    files = {name for one in api.get("/weights").json() for name in one["models"]}
    assert files == set(models)
    tasks = {one["name"]: one for one in api.get("/tasks").json()}
    assert "log_loss" in {metric["name"] for metric in tasks["classification"]["metrics"]}
    assert "training" in api.get("/design-schema").json()["properties"]
    assert api.get("/health").json() == {"status": "ok"}
    assert api.get("/version").json()["version"]
