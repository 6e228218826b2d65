"""Run folders with real images, as a trainer leaves them."""

import json
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from PIL import Image

from viewfinder import design_file
from viewfinder.design import resolve
from viewfinder.events import Diagnostic
from viewfinder.run import DatasetInfo, RunFolder, RunInfo

HOSTILE = "<img src=x onerror=alert(1)>"
CLASSES = ("01", HOSTILE, "no")


def image(path, seed, size=(64, 48)):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def make(folder, task, table, classes=CLASSES, monitored="test", settings=(), **info):
    """Make a run of a training that has not begun; the images must lie in `folder / "source"`."""
    data = {"task": task}
    for setting in settings:
        data = design_file.set_value(data, setting)
    counts = dict(table.group_by("split").len().iter_rows())
    dataset = DatasetInfo(
        name="hands & <b>feet</b>",
        source=str(folder / "source"),
        root=str(folder / "source"),
        format="folder per class",
        classes=classes,
        fingerprint="f" * 64,
        images=table.height,
        counts=counts,
        monitored_split=monitored,
    )
    facts = RunInfo(created=1.7e9, seed=5, dataset=dataset, versions={"viewfinder": "0.1.0"}, device="cpu", **info)
    run = RunFolder.create(folder / "run", resolve(design_file.parse(data)), facts, table)
    run.append(
        Diagnostic(time=0, severity="error", kind="corrupt_image", file=f"{HOSTILE}.jpg", reason="It ends too early.")
    )
    return run


def write_epochs(run, metrics, split="test", epochs=4):
    run.write_epochs(
        [
            {
                "epoch": number,
                "learning_rate": 0.001 * 0.1 ** (number // 3),
                "train_loss": 2 / number,
                f"{split}_loss": 2.2 / number,
                **{f"{split}_{name}": 0.9 - 0.3 / number for name in metrics},
                "seconds": 3.5,
                "images_per_second": 11.0,
            }
            for number in range(1, epochs + 1)
        ]
    )


def classified(folder, classes=CLASSES, images=10, **info):
    """A split and predictions of a classification, a third of them wrong."""
    random, rows = np.random.default_rng(0), []
    for number in range(images * len(classes)):
        name, label = f"a folder/é {number}.png", classes[number % len(classes)]
        image(folder / "source" / name, number)
        rows.append({"image": name, "split": "test" if number % 2 else "train", "label": label})
    table = pl.DataFrame(rows)
    test = table.filter(pl.col("split") == "test")
    truth = np.array([classes.index(label) for label in test["label"]])
    scores = random.normal(size=(test.height, len(classes))) + 1.5 * np.eye(len(classes))[truth]
    proba = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    predictions = pl.DataFrame(
        {
            "image": test["image"],
            "prediction": [classes[number] for number in proba.argmax(axis=1)],
            **{f"proba_{name}": proba[:, number].astype(np.float32) for number, name in enumerate(classes)},
        }
    )
    return table, predictions


def finished_classification(tmp_path):
    """Make a finished classification, with class, image and data names that would do harm if they were not escaped."""
    table, predictions = classified(tmp_path)
    run = make(tmp_path, "classification", table, settings=["training.model=efficientnet_lite0"], weights="w.pth")
    run.write_predictions(predictions)
    write_epochs(run, ["roc_auc", "accuracy"])
    run.update(status="finished", reason="The metric did not improve for 5 epochs", best_epoch=3, epochs_done=4)
    return run


def finished_detection(tmp_path):
    """Make a finished detection; the last test image is background."""
    random, rows, found = np.random.default_rng(1), [], []
    for number in range(12):
        name = f"photos/{number}.jpg"
        image(tmp_path / "source" / name, number, (200, 120))
        boxes = [
            {"bbox": [10 + 60 * k, 20, 40 + k, 50], "category": CLASSES[int(random.integers(3))]}
            for k in range(0 if number == 11 else 3)
        ]
        rows.append({"image": name, "split": "test" if number % 2 else "train", "boxes": json.dumps(boxes)})
        if number % 2:
            answers = [
                {**box, "confidence": round(float(random.uniform(0.3, 1)), 3)} for box in boxes if random.random() < 0.8
            ]
            wrong = {"bbox": [150, 5, 30, 12], "category": "no", "confidence": round(float(random.uniform(0, 0.9)), 3)}
            found.append({"image": name, "boxes": json.dumps([*answers, wrong])})
    run = make(tmp_path, "detection", pl.DataFrame(rows), settings=["training.model=fasterrcnn_efficientnet_lite0_fpn"])
    run.write_predictions(pl.DataFrame(found))
    write_epochs(run, ["f1", "map"])
    run.update(status="finished", reason="All epochs are done.", best_epoch=4, epochs_done=4, threshold=0.35)
    return run


@pytest.fixture(scope="session")
def runs():
    """What makes run folders."""
    return SimpleNamespace(
        classified=classified,
        make=make,
        write_epochs=write_epochs,
        finished={"classification": finished_classification, "detection": finished_detection},
    )


@pytest.fixture
def classification(tmp_path):
    """A finished classification."""
    return finished_classification(tmp_path)


@pytest.fixture
def detection(tmp_path):
    """A finished detection."""
    return finished_detection(tmp_path)
