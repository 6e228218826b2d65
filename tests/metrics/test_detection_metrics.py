"""Detection metrics against the COCO reference, a slow brute force and cases worked out by hand."""

import json
import time

import numpy as np
import pytest
from faster_coco_eval import COCO, COCOeval_faster
from hypothesis import given, settings
from hypothesis import strategies as st

from viewfinder.metrics.detection import NO_OBJECT, NOT_DETECTED, best_threshold, counted, measure
from viewfinder.tasks import DETECTION

CLASSES = ["cat", "dog", "owl"]


def box(category, x, y, width, height, confidence=None):
    made = {"bbox": [x, y, width, height], "category": category}
    return made if confidence is None else {**made, "confidence": confidence}


def scenes(seed, images=12, classes=CLASSES, objects=5, sizes=(10, 160), digits=2):
    """Random images: objects, and predictions that are shifted objects of now and then another class, or nothing."""
    random = np.random.default_rng(seed)
    truth, predicted = [], []
    for _ in range(images):
        things = [
            box(str(random.choice(classes)), *random.uniform(0, 300, 2), *random.uniform(*sizes, 2))
            for _ in range(random.integers(0, objects + 1))
        ]
        found = []
        for thing in things * 2:
            if random.random() < 0.7:
                shifted = np.array(thing["bbox"]) + random.normal(0, 0.08, 4) * thing["bbox"][2]
                kind = thing["category"] if random.random() < 0.8 else str(random.choice(classes))
                found.append(
                    box(kind, *shifted[:2], *np.maximum(shifted[2:], 1), round(float(random.random()), digits))
                )
        truth.append(things)
        predicted.append(found)
    return truth, predicted


def overlap(a, b):
    (ax, ay, aw, ah), (bx, by, bw, bh) = a["bbox"], b["bbox"]
    width = min(ax + aw, bx + bw) - max(ax, bx)
    height = min(ay + ah, by + bh) - max(ay, by)
    shared = max(width, 0) * max(height, 0)
    return shared / (aw * ah + bw * bh - shared)


def counts_by_hand(truth, predicted, name, threshold):
    """Right answers, answers and objects of one class, box by box."""
    right = answers = objects = 0
    for things, found in zip(truth, predicted, strict=True):
        things = [thing for thing in things if thing["category"] == name]
        found = [other for other in found if other["category"] == name and other["confidence"] >= threshold]
        answers, objects = answers + len(found), objects + len(things)
        for other in sorted(found, key=lambda other: -other["confidence"]):
            near = [thing for thing in things if overlap(thing, other) >= 0.5]
            if near:
                things.remove(max(near, key=lambda thing: overlap(thing, other)))
                right += 1
    return right, answers, objects


def macro_by_hand(truth, predicted, classes, threshold):
    rows = [counts_by_hand(truth, predicted, name, threshold) for name in classes]
    rows = [(2 * r / (a + o), r / a if a else 0.0, r / o) for r, a, o in rows if o]
    return tuple(np.mean(rows, axis=0)) if rows else None


def coco_reference(folder, truth, predicted, classes):
    """faster-coco-eval's own summary, from files."""
    header = {
        "images": [{"id": i, "width": 1000, "height": 1000, "file_name": f"{i}.jpg"} for i in range(len(truth))],
        "categories": [{"id": i, "name": name} for i, name in enumerate(classes)],
    }
    things = [
        {"image_id": i, "category_id": classes.index(b["category"]), "bbox": b["bbox"], "iscrowd": 0,
         "area": b["bbox"][2] * b["bbox"][3]}
        for i, boxes in enumerate(truth) for b in boxes
    ]  # fmt: skip
    (folder / "truth.json").write_text(
        json.dumps({**header, "annotations": [{"id": n, **thing} for n, thing in enumerate(things, 1)]})
    )
    found = [
        {"image_id": i, "category_id": classes.index(b["category"]), "bbox": b["bbox"], "score": b["confidence"]}
        for i, boxes in enumerate(predicted) for b in boxes
    ]  # fmt: skip
    (folder / "found.json").write_text(json.dumps(found))
    reference = COCO(str(folder / "truth.json"))
    evaluation = COCOeval_faster(reference, reference.loadRes(str(folder / "found.json")), "bbox")
    evaluation.run()
    return evaluation


@pytest.mark.parametrize("seed", range(4))
def test_average_precisions_are_those_of_the_coco_reference(tmp_path, seed):
    truth, predicted = scenes(seed, images=25)
    got = measure(truth, predicted, CLASSES)
    evaluation = coco_reference(tmp_path, truth, predicted, CLASSES)
    names = ["map", "map_50", "map_75", "map_small", "map_medium", "map_large"]
    assert [got["metrics"][name] for name in names] == pytest.approx(list(evaluation.stats[:6]))
    for number, row in enumerate(got["per_class"]):
        table = evaluation.eval["precision"][:, :, number, 0, -1]
        expected = (table.mean(), table[0].mean(), table[5].mean())
        assert (row["ap"], row["ap_50"], row["ap_75"]) == pytest.approx(expected)


def test_more_than_100_boxes_count_as_the_coco_reference_counts_them(tmp_path):
    random = np.random.default_rng(0)
    truth = [[box("cat", 20 * n, 0, 15, 15) for n in range(130)]]
    predicted = [[box("cat", 20 * n, 0, 15, 15, float(random.random())) for n in range(130)]]
    evaluation = coco_reference(tmp_path, truth, predicted, ["cat"])
    got = measure(truth, predicted, ["cat"])["metrics"]
    assert got["map"] == pytest.approx(evaluation.stats[0])
    assert 0.7 < got["map"] < 0.8  # 100 of 130 can be found
    assert got["map_medium"] is got["map_large"] is None


def test_a_case_worked_out_by_hand():
    # The most confident box is right, the second is on nothing, the third finds the other object at IoU 0.6.
    truth = [[box("cat", 0, 0, 10, 10), box("cat", 100, 0, 10, 10)]]
    predicted = [[box("cat", 0, 0, 10, 10, 0.9), box("cat", 50, 50, 10, 10, 0.8), box("cat", 100, 0, 10, 6, 0.7)]]
    result = measure(truth, predicted, ["cat"])
    # 51 of COCO's 101 recall levels are reached with precision 1, the other 50 with 2/3: up to IoU 0.60, three of ten.
    with_both, with_one = (51 + 50 * 2 / 3) / 101, 51 / 101
    assert result["metrics"]["map_50"] == pytest.approx(with_both)
    assert result["metrics"]["map_75"] == pytest.approx(with_one)
    assert result["metrics"]["map"] == pytest.approx((3 * with_both + 7 * with_one) / 10)
    assert result["threshold"] == 0.7
    assert result["metrics"]["f1"] == pytest.approx(2 * 2 / (3 + 2))
    assert result["metrics"]["precision"] == pytest.approx(2 / 3)
    assert result["metrics"]["recall"] == 1.0
    assert measure(truth, predicted, ["cat"], threshold=0.75)["metrics"]["recall"] == 0.5


def test_an_object_is_found_once_and_by_the_most_confident_box():
    truth = [[box("cat", 0, 0, 10, 10)]]
    predicted = [[box("cat", 0, 0, 10, 10, 0.6), box("cat", 1, 0, 10, 10, 0.7)]]
    row = measure(truth, predicted, ["cat"], threshold=0.5)["per_class"][0]
    assert (row["objects"], row["predictions"], row["precision"], row["recall"]) == (1, 2, 0.5, 1.0)


def test_a_box_takes_the_object_it_overlaps_most():
    truth = [[box("cat", 0, 0, 10, 10), box("cat", 2, 0, 10, 10)]]
    predicted = [[box("cat", 1.5, 0, 10, 10, 0.9), box("cat", 4, 0, 10, 10, 0.8)]]
    # The first takes the second object (IoU 0.90, against 0.74), the only one that the second box is near to.
    assert measure(truth, predicted, ["cat"], threshold=0.5)["metrics"]["recall"] == 0.5


def test_exactly_half_overlap_counts():
    truth, predicted = [[box("cat", 0, 0, 10, 10)]], [[box("cat", 0, 0, 10, 5, 0.9)]]
    assert measure(truth, predicted, ["cat"])["metrics"]["f1"] == 1.0
    predicted = [[box("cat", 0, 0, 10, 4.99, 0.9)]]
    assert measure(truth, predicted, ["cat"])["metrics"]["f1"] == 0.0


def test_what_is_counted_quickly_is_what_is_measured():
    truth, predicted = scenes(7, images=20, objects=5, digits=2)
    for threshold in (0.0, 0.3, 0.8):
        quick, whole = counted(truth, predicted, CLASSES, threshold), measure(truth, predicted, CLASSES, threshold)
        assert quick["confusion"] == whole["confusion"]
        assert quick["metrics"] == {name: whole["metrics"][name] for name in quick["metrics"]}


def test_another_overlap_may_be_asked_for():
    truth, predicted = [[box("cat", 0, 0, 10, 10)]], [[box("cat", 0, 0, 10, 6, 0.9)]]  # IoU 0.6
    found = [counted(truth, predicted, ["cat"], 0.5, iou)["metrics"]["f1"] for iou in (0.3, 0.6, 0.61, 0.9)]
    assert found == [1.0, 1.0, 0.0, 0.0]
    assert counted(truth, predicted, ["cat"], 0.5, 0.61)["confusion"]["counts"] == [[0, 1], [1, 0]]


def test_equal_thresholds_go_to_the_higher():
    truth = [[box("cat", 0, 0, 10, 10), box("cat", 50, 0, 10, 10)]]
    # 0.9 alone: F1 2/3. With 0.8 and 0.7, one wrong and one right: 4/5. With 0.6 and 0.5, again: 4/7.
    predicted = [[box("cat", 0, 0, 10, 10, 0.9), box("cat", 90, 0, 9, 9, 0.8), box("cat", 50, 0, 10, 10, 0.7),
                  box("cat", 90, 50, 9, 9, 0.6)]]  # fmt: skip
    assert best_threshold(truth, predicted, ["cat"]) == 0.7
    # One right of one at 0.9 gives 2/3; so does everything down to 0.5: four boxes, two right.
    predicted = [[box("cat", 0, 0, 10, 10, 0.9), box("cat", 90, 0, 9, 9, 0.8), box("cat", 90, 50, 9, 9, 0.6),
                  box("cat", 50, 0, 10, 10, 0.5)]]  # fmt: skip
    assert best_threshold(truth, predicted, ["cat"]) == 0.9


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([1, 2, 6]))
def test_f1_and_threshold_are_those_of_a_brute_force(seed, digits):
    truth, predicted = scenes(seed, images=4, objects=4, digits=digits)
    result = measure(truth, predicted, CLASSES)
    json.dumps(result, allow_nan=False)
    if not any(truth):
        assert set(result["metrics"].values()) == {None}
        return
    levels = {b["confidence"] for boxes in predicted for b in boxes}
    scored = [(round(macro_by_hand(truth, predicted, CLASSES, level)[0], 10), level) for level in levels]
    present = {b["category"] for boxes in truth for b in boxes}
    scored = [s for s in scored if s[0] > 0 or any(b["category"] in present for p in predicted for b in p)]
    if scored and max(scored)[0] > 0:
        assert result["threshold"] == max(scored)[1]
    threshold = result["threshold"]
    got = result["metrics"]
    assert (got["f1"], got["precision"], got["recall"]) == pytest.approx(
        macro_by_hand(truth, predicted, CLASSES, threshold)
    )
    for given_threshold in (0.3, 0.75):
        got = measure(truth, predicted, CLASSES, given_threshold)["metrics"]
        expected = macro_by_hand(truth, predicted, CLASSES, given_threshold)
        assert (got["f1"], got["precision"], got["recall"]) == pytest.approx(expected)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.floats(0, 1))
def test_the_confusion_matrix_adds_up(seed, threshold):
    truth, predicted = scenes(seed, images=4)
    result = measure(truth, predicted, CLASSES, threshold)
    counts = np.array(result["confusion"]["counts"])
    assert result["confusion"]["labels"] == [*CLASSES, NO_OBJECT]
    assert result["confusion"]["predicted_labels"] == [*CLASSES, NOT_DETECTED]
    for number, name in enumerate(CLASSES):
        right, answers, objects = counts_by_hand(truth, predicted, name, threshold)
        assert counts[number, number] == right
        assert counts[number].sum() == objects
        assert counts[:, number].sum() == answers
    assert counts[-1, -1] == 0


def test_the_confusion_matrix_tells_mistaken_missed_and_invented_apart():
    truth = [[box("cat", 0, 0, 10, 10), box("dog", 50, 0, 10, 10)], [box("owl", 0, 0, 10, 10)]]
    predicted = [[box("cat", 0, 0, 10, 10, 0.9), box("cat", 50, 0, 10, 10, 0.8), box("owl", 90, 90, 5, 5, 0.7)], []]
    assert measure(truth, predicted, CLASSES, 0.5)["confusion"]["counts"] == [
        [1, 0, 0, 0],
        [1, 0, 0, 0],
        [0, 0, 0, 1],
        [0, 0, 1, 0],
    ]


def test_images_without_objects_count_their_false_alarms():
    truth = [[box("cat", 0, 0, 10, 10)], []]
    predicted = [[box("cat", 0, 0, 10, 10, 0.9)], [box("cat", 0, 0, 10, 10, 0.95)]]
    assert measure(truth, predicted, ["cat"], 0.5)["metrics"]["precision"] == 0.5


@pytest.mark.parametrize(
    ("truth", "predicted", "note"),
    [
        ([], [], "no images"),
        ([[], []], [[], []], "No image here has an object"),
        ([[], []], [[box("cat", 0, 0, 5, 5, 0.9)], []], "No image here has an object"),
        ([[box("cat", 0, 0, 10, 10)]], [[]], "reported no object at all"),
        ([[box("cat", 0, 0, 10, 10)]], [[box("dog", 0, 0, 10, 10, 0.9)]], "dog"),
        ([[box("cat", 0, 0, 9, 9), box("elk", 0, 0, 9, 9)]], [[box("cat", 0, 0, 9, 9, 0.5)]], "elk"),
    ],
)
def test_what_is_missing_is_said(truth, predicted, note):
    result = measure(truth, predicted, CLASSES)
    assert any(note in line for line in result["notes"]), result["notes"]
    json.dumps(result, allow_nan=False)
    assert 0 <= result["threshold"] <= 1


def test_nothing_predicted_is_zero_not_undefined():
    got = measure([[box("cat", 0, 0, 50, 50)]], [[]], ["cat"])
    assert got["metrics"]["f1"] == got["metrics"]["precision"] == got["metrics"]["map"] == 0.0
    assert got["metrics"]["map_small"] is got["metrics"]["map_large"] is None
    assert got["threshold"] == 0.5


def test_every_metric_of_the_task_is_measured():
    assert set(DETECTION.metrics) <= set(measure(*scenes(0), CLASSES)["metrics"])


def test_curves_pass_through_the_numbers_of_the_table():
    truth, predicted = scenes(7, images=30)
    result = measure(truth, predicted, CLASSES)
    for curve in result["curves"]["precision_recall"]:
        assert len(curve["x"]) <= 200
    for curve, row in zip(result["curves"]["f1_confidence"], result["per_class"], strict=True):
        assert curve["class"] == row["class"]
        assert max(curve["y"]) >= row["f1"] - 1e-3
    mean = result["curves"]["mean_f1_confidence"][0]
    assert max(mean["y"]) == pytest.approx(result["metrics"]["f1"], abs=1e-3)
    assert measure(truth, predicted, CLASSES, curves=False)["curves"] == {}


def test_precision_at_each_overlap_averages_to_the_table():
    result = measure(*scenes(7, images=30), CLASSES)
    for curve, row in zip(result["curves"]["ap_by_iou"], result["per_class"], strict=True):
        assert curve["x"] == pytest.approx(np.arange(0.5, 1, 0.05))
        assert np.mean(curve["y"]) == pytest.approx(row["ap"])
        assert (curve["y"][0], curve["y"][5]) == pytest.approx((row["ap_50"], row["ap_75"]))


def test_many_boxes_take_seconds():
    truth, predicted = scenes(0, images=100, objects=10)
    predicted = [(found * 20)[:100] for found in predicted]
    started = time.perf_counter()
    best_threshold(truth * 10, predicted * 10, CLASSES)
    assert time.perf_counter() - started < 5
