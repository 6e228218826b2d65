"""Average precision in many draws: against the COCO reference, in all images and draw by draw."""

import time
import tracemalloc

import numpy as np
import pytest

from viewfinder.metrics import bootstrap
from viewfinder.metrics.coco import average_precisions as reference
from viewfinder.metrics.drawn_boxes import average_precisions
from viewfinder.metrics.matching import Boxes


def scenes(seed, images, classes, objects, boxes, *, grid=0.0, digits=8):
    """Return random objects, and boxes near some of them or anywhere; on a `grid` many overlaps are exact."""
    rng = np.random.default_rng(seed)

    def snapped(xywh):
        return np.maximum(np.round(xywh / grid), 1) * grid if grid else xywh

    def scattered(count):
        return np.hstack([rng.uniform(1, 300, (count, 2)), rng.uniform(10, 60, (count, 2))])

    image = rng.integers(0, images, images * objects)
    truth = Boxes(snapped(scattered(len(image))), image, rng.integers(0, classes, len(image)), np.ones(len(image)))
    near = rng.integers(0, len(image), images * boxes)
    xywh = truth.xywh[near] + rng.normal(scale=rng.uniform(0, 6, (len(near), 1)), size=(len(near), 4))
    anywhere = rng.random(len(near)) < 0.4
    xywh[anywhere] = scattered(anywhere.sum())
    xywh[:, 2:] = np.maximum(xywh[:, 2:], 2)
    category = np.where(rng.random(len(near)) < 0.9, truth.category[near], rng.integers(0, classes, len(near)))
    confidence = np.round((rng.random(len(near)) + ~anywhere) / 2, digits)
    order = np.argsort(truth.image[near], kind="stable")
    return truth, Boxes(snapped(xywh), truth.image[near], category, confidence).keep(order)


def drawn_twice(boxes, chosen):
    """Return the boxes of the images `chosen`, one after the other, as new images."""
    parts = [np.flatnonzero(boxes.image == number) for number in chosen]
    kept = boxes.keep(np.concatenate(parts))
    image = np.repeat(np.arange(len(chosen)), [len(part) for part in parts])
    return Boxes(kept.xywh, image, kept.category, kept.confidence)


def values(truth, predicted, images, classes, weights=None):
    found = average_precisions(truth, predicted, images, classes)
    return found(np.ones((1, images)) if weights is None else weights)


CASES = {
    "plain": {},
    "exact overlaps": {"grid": 10.0},
    "one class, few objects": {"classes": 1, "objects": 1},
    "more than a hundred boxes": {"images": 4, "classes": 1, "objects": 90, "boxes": 180},
    "ten objects of a class": {"images": 10, "classes": 1, "objects": 2},
}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("case", CASES)
def test_in_all_images_it_is_that_of_the_coco_reference(case, seed):
    shape = {"images": 30, "classes": 4, "objects": 5, "boxes": 8} | CASES[case]
    truth, predicted = scenes(seed, **shape)
    expected = reference(truth, predicted, shape["images"], shape["classes"]).means
    found = values(truth, predicted, shape["images"], shape["classes"])
    assert expected["map"] > 0.05
    for name in ("map", "map_50"):
        assert found[name][0] == pytest.approx(expected[name], abs=1e-9)


def test_in_each_draw_it_is_that_of_its_images():
    truth, predicted = scenes(8, 20, 3, 2, 5)
    weights = bootstrap.resample(np.random.default_rng(1), 12, 20)
    found = values(truth, predicted, 20, 3, weights)
    for draw, row in enumerate(weights):
        chosen = np.repeat(np.arange(20), row.astype(int))
        expected = reference(drawn_twice(truth, chosen), drawn_twice(predicted, chosen), 20, 3).means
        for name in ("map", "map_50"):
            assert found[name][draw] == pytest.approx(expected[name], abs=1e-9)


def test_equal_confidences_are_taken_in_order_of_the_images_as_in_the_reference():
    truth, predicted = scenes(5, 40, 2, 3, 6, digits=1)
    expected = reference(truth, predicted, 40, 2).means
    assert values(truth, predicted, 40, 2)["map"][0] == pytest.approx(expected["map"], abs=1e-9)
    assert values(truth, predicted.keep(np.argsort(-predicted.image, kind="stable")), 40, 2)["map"][0] == pytest.approx(
        expected["map"], abs=1e-9
    )


def test_a_class_that_a_draw_lacks_is_left_out_and_one_that_nobody_found_counts_zero():
    square = np.array([[0.0, 0, 10, 10]])
    truth = Boxes(np.repeat(square, 2, axis=0), np.array([0, 1]), np.array([0, 1]), np.ones(2))
    predicted = Boxes(square, np.array([0]), np.array([0]), np.array([0.9]))
    weights = np.array([[1, 1, 0], [2, 0, 1], [0, 3, 0], [0, 0, 3]], float)
    found = values(truth, predicted, 3, 2, weights)
    assert found["map"].tolist() == pytest.approx([0.5, 1.0, 0.0, np.nan], nan_ok=True)
    assert found["map_50"].tolist() == pytest.approx([0.5, 1.0, 0.0, np.nan], nan_ok=True)
    nothing = truth.keep(np.zeros(2, bool))
    assert values(nothing, predicted, 3, 2, weights) == {}
    assert values(truth, predicted.keep(np.zeros(1, bool)), 3, 2)["map"].tolist() == [0.0]


def test_a_better_detector_is_found():
    truth, good = scenes(2, 300, 3, 3, 4)
    poor = Boxes(good.xywh + np.array([4, 4, 0, 0]), good.image, good.category, good.confidence)
    models = [average_precisions(truth, one, 300, 3) for one in (poor, good)]
    found = bootstrap.differences(*models, 300, draws=300)
    assert found.keys() == {"map", "map_50"}
    assert all(one.is_more_than_chance and one.low < one.value < one.high for one in found.values())
    alone = bootstrap.intervals(models[1], 300, draws=300)["map"]
    assert alone.low < alone.value < alone.high
    assert alone.value == pytest.approx(reference(truth, good, 300, 3).means["map"])


def test_many_boxes_are_drawn_quickly_and_in_little_memory():
    truth, predicted = scenes(3, 2000, 10, 5, 50)
    tracemalloc.start()
    start = time.process_time()
    found = bootstrap.intervals(average_precisions(truth, predicted, 2000, 10), 2000, draws=200)
    assert time.process_time() - start < 20  # measured: under 3 s; the limit allows for a slow machine
    assert tracemalloc.get_traced_memory()[1] < 300e6
    tracemalloc.stop()
    assert found["map"].low < found["map"].value < found["map"].high
