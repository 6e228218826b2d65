"""The models whose weights need a download: an epoch from random ones on a few real images, and a prediction."""

import json

import pytest

import viewfinder
from viewfinder import catalogue

NAMES = [
    "efficientnet_b0",
    pytest.param("efficientnet_b4", marks=pytest.mark.slow),
    pytest.param("efficientnet_b7", marks=pytest.mark.slow),
    pytest.param("fasterrcnn_resnet50_fpn", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("name", NAMES)
def test_it_trains_and_predicts(name, trained, colors, squares):
    detects = catalogue.get(name).task == "detection"
    source = squares if detects else colors
    settings = {"model": name, "weights": "none", "epochs": 1, "batch_size": 8, "input_size": 64 if detects else 32}
    run = trained(source, {f"training.{key}": value for key, value in settings.items()})
    info = run.info()
    assert (info.status, info.epochs_done, info.weights) == ("finished", 1, "")
    assert run.epochs()["train_loss"].is_finite().all()
    model = viewfinder.load(run.path, devices="cpu")
    images = run.split().filter(split="test")["image"]
    found = model.predict([source / image for image in images])
    assert found.height == len(images)
    if detects:
        known = {box["category"] for text in found["boxes"] for box in json.loads(text)}
        assert known <= set(model.classes)
    else:
        assert set(found["prediction"]) <= set(model.classes)
