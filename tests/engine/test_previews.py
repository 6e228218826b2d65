"""Previews of augmentation are what the trainer sees, and the most that its settings allow."""

import io
import json

import numpy as np
import polars as pl
import pytest
from PIL import Image

from runs import BOTH
from viewfinder.design import Affine, Augmentation, Color, Crop
from viewfinder.engine.examples import Item, Loader, Recipe, in_batches
from viewfinder.engine.loop import Trainer
from viewfinder.engine.previews import EPOCHS, Previews, example, strongest, trained_on
from viewfinder.errors import DesignError, InputError
from viewfinder.messages import Message


def asked(run, number):
    """Return the request for a training image of a run, as the page makes it."""
    design = run.design().model_dump(mode="json")
    images = run.split().filter(pl.col("split") == "train")
    column = "boxes" if "boxes" in images.columns else "label"
    info = run.info().dataset
    row = images.select("image", column).row(number, named=True)
    return {"design": design, "root": info.root, "classes": list(info.classes), "image": row}


@BOTH
def test_example_n_is_what_the_trainer_loads_in_epoch_n(queued, colors, squares, name):
    run = queued({"colors": colors, "squares": squares}[name], {"runtime.seed": 5})
    trainer = Trainer(run, clock=lambda: 0.0)
    changed = 0
    for number in (0, 3):
        _, item, recipe = trained_on(asked(run, number))
        image = recipe.open(item)
        for epoch in range(1, EPOCHS + 1):
            with Loader(0) as loader:
                batches = loader.batches(trainer.task.recipe(trainer.design), in_batches(trainer.items, 4), epoch)
                (theirs,) = [one for batch in batches for one in batch if one.item.name == item.name]
            ours = example(image, item, recipe, epoch)
            assert np.array_equal(np.asarray(ours.image), theirs.pixels)
            assert np.array_equal(ours.boxes, theirs.boxes)
            assert np.array_equal(ours.classes, theirs.classes)
            changed += not np.array_equal(theirs.pixels, recipe.resize(image))
    assert changed > EPOCHS  # most of the twelve were augmented at all


def test_the_maximum_of_each_category(tmp_path):
    x, y = np.meshgrid(np.arange(40), np.arange(20))
    pixels = np.stack([4 * x, 8 * y, np.full_like(x, 60)], axis=2).astype(np.uint8)
    item = Item(Image.fromarray(pixels), "a", (0, 1), ((0.0, 0.0, 8.0, 4.0), (16.0, 8.0, 24.0, 12.0)))
    augmentation = Augmentation(
        color=Color(brightness=0.5, contrast=0.0, hue=0.0),
        affine=Affine(horizontal_flip=True, rotate=True, max_rotation=90),
        crop=Crop(min_kept_ratio=0.25),
    )
    shown = list(strongest(item.path, item, Recipe(20, 40), augmentation))
    assert [one.name for one in shown] == ["original", "color", "color", "affine", "affine", "crop"]
    original, bright, dark, left, _, cropped = shown
    assert np.array_equal(np.asarray(original.image), pixels)
    assert np.allclose(np.asarray(bright.image), (pixels * 1.5).clip(0, 255), atol=1)
    assert np.allclose(np.asarray(dark.image), pixels * 0.5, atol=1)
    assert np.allclose(left.boxes, [[18, 6, 22, 14]])  # the other one is turned out of the image
    assert left.classes.tolist() == [1]
    assert np.allclose(cropped.boxes, [[12, 6, 28, 14]])  # the middle, twice as large
    assert cropped.classes.tolist() == [1]

    still = Affine(horizontal_flip=True, vertical_flip=True, rotate=False)
    off = augmentation.model_copy(update={"affine": still, "crop": Crop(enabled=False)})
    shown = list(strongest(item.path, item, Recipe(20, 40), off))
    assert [one.name for one in shown] == ["original", "color", "color", "affine"]
    assert np.array_equal(np.asarray(shown[3].image), pixels[::-1, ::-1])


def test_an_answer_has_a_picture_for_each_name(queued, squares):
    head = asked(queued(squares), 0)
    answer = Previews().answer(Message(head), 2)
    assert answer.head["shown"] == ["original", "color", "color", "affine", "crop"] + ["example"] * EPOCHS
    assert len(answer.blobs) == len(answer.head["shown"])
    sizes = {Image.open(io.BytesIO(content)).size for content in answer.blobs}
    assert sizes == {(280, 280)}
    again = Previews().answer(Message(json.loads(json.dumps(head))), 1)
    assert again.blobs == answer.blobs


def test_what_is_wrong_is_said(queued, squares):
    head = asked(queued(squares), 0)
    with pytest.raises(InputError, match=r"'gone\.png' cannot be read any more: there is no such file"):
        Previews().answer(Message({**head, "image": {"image": "gone.png", "boxes": "[]"}}), 1)
    design = {**head["design"], "augmentation": {"color": {"probability": 2}}}
    with pytest.raises(DesignError, match="probability"):
        Previews().answer(Message({**head, "design": design}), 1)
