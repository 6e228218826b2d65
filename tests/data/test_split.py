import json
import math
from collections import Counter, defaultdict
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from viewfinder.data import dataset as datasets
from viewfinder.data.dataset import Dataset
from viewfinder.data.split import assign
from viewfinder.errors import InputError

RATIOS = st.sampled_from([0.05, 0.1, 0.2, 0.25, 0.3, 0.5, 0.8])
examples = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def make(targets, groups=None, hashes=None, splits=None, task="classification", prefix=""):
    """A dataset of rows without files; a target is a label, or the list of an image's categories."""
    rows = []
    for n, target in enumerate(targets):
        row = {"image": f"{prefix}{n:04d}.png", "sha256": hashes[n] if hashes else f"{n:064x}", "width": 9, "height": 9}
        row |= {"group": groups[n] if groups else None, "split": splits[n] if splits else None}
        if task == "detection":
            row["boxes"] = json.dumps([{"bbox": [0, 0, 1, 1], "category": name} for name in target])
        else:
            row["label"] = target
        rows.append(row)
    names = {name for target in targets for name in (target if task == "detection" else [target])}
    images = datasets.frame(task, rows)
    return Dataset(Path(), "made", "test", task, tuple(sorted(names)), images, (), "")


def split(dataset, test=0.2, validation=0.0, stratify=True, seed=0):
    images = assign(dataset, test_ratio=test, validation_ratio=validation, stratify=stratify, seed=seed)
    assert images.drop("split").equals(dataset.images.drop("split"))
    return dict(zip(images["image"], images["split"], strict=True))


labels = st.lists(st.sampled_from("abcd"), min_size=2, max_size=80).filter(lambda values: len(set(values)) > 1)


@examples
@given(labels, RATIOS)
def test_every_class_is_split_in_the_ratio(values, ratio):
    if max(Counter(values).values()) < 2:
        return
    found = split(make(values), test=ratio)
    tested = Counter(label for label, side in zip(values, found.values(), strict=True) if side == "test")
    forced = False
    for label, count in Counter(values).items():
        if count == 1:
            continue
        least, most = max(1, math.floor(count * ratio - 1e-9)), min(count - 1, math.ceil(count * ratio + 1e-9))
        forced |= math.floor(count * ratio) < 1 or math.ceil(count * ratio) > count - 1
        assert min(least, most) <= tested[label] <= max(least, most)
    if not forced and min(Counter(values).values()) > 1:
        assert sum(tested.values()) == math.floor(len(values) * ratio + 0.5 + 1e-9)


def _units(dataset):
    """The sets of images that belong together, found by joining until nothing changes."""
    units = [
        {("image", r["image"]), ("bytes", r["sha256"]), ("group", r["group"] or r["image"])}
        for r in dataset.images.iter_rows(named=True)
    ]
    joined = True
    while joined:
        joined = False
        for unit in units:
            others = [other for other in units if other is not unit and other & unit]
            if others:
                units = [other for other in units if other not in others and other is not unit]
                units.append(unit.union(*others))
                joined = True
                break
    return units


@examples
@given(labels, RATIOS, st.sampled_from([0.0, 0.1]), st.booleans(), st.integers(0, 5), st.data())
def test_groups_and_copies_never_cross(values, ratio, validation, stratify, seed, data):
    count = len(values)
    groups = data.draw(st.lists(st.sampled_from([None, "x", "y", "z", "w"]), min_size=count, max_size=count))
    hashes = data.draw(st.lists(st.sampled_from("0123456789abcdefghij"), min_size=count, max_size=count))
    dataset = make(values, groups, hashes)
    try:
        found = split(dataset, ratio, validation, stratify, seed)
    except InputError:  # all belong together
        assert len(_units(dataset)) < (3 if validation else 2)
        return
    sides = defaultdict(set)
    for row in dataset.images.iter_rows(named=True):
        sides["bytes", row["sha256"]].add(found[row["image"]])
        if row["group"]:
            sides["group", row["group"]].add(found[row["image"]])
    assert all(len(side) == 1 for side in sides.values())
    assert set(found.values()) == {"train", "test"} | ({"validation"} if validation else set())


@examples
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5)), min_size=4, max_size=80), RATIOS)
def test_every_class_of_two_units_is_on_both_sides(members, ratio):
    values = [label for label, _ in members]
    if len(set(values)) < 2:
        return
    units = {label: {group for name, group in members if name == label} for label in set(values)}
    if max(len(groups) for groups in units.values()) < 2:
        return
    found = split(make(values, [f"{label}{group}" for label, group in members]), test=ratio)
    for label, groups in units.items():
        sides = {side for name, side in zip(values, found.values(), strict=True) if name == label}
        assert sides == {"train", "test"} or len(groups) < 2


@examples
@given(st.lists(st.integers(0, 12), min_size=20, max_size=100), RATIOS)
def test_with_groups_the_ratio_is_met_to_within_one_group(groups, ratio):
    if len(set(groups)) < 3:
        return
    values = ["ab"[n % 2] for n in range(len(groups))]
    found = split(make(values, [str(group) for group in groups]), test=ratio, stratify=False)
    tested = Counter(found.values())["test"]
    assert abs(tested - ratio * len(groups)) <= max(Counter(groups).values()) + 0.5


@examples
@given(labels, st.integers(0, 3), st.randoms())
def test_neither_the_order_of_rows_nor_their_place_counts(values, seed, random):
    if max(Counter(values).values()) < 2:
        return
    dataset = make(values)
    found = split(dataset, seed=seed)
    assert split(dataset, seed=seed) == found
    order = list(range(len(values)))
    random.shuffle(order)
    shuffled = Dataset(Path("/b"), "b", "b", "classification", dataset.classes, dataset.images[order], (), "")
    assert split(shuffled, seed=seed) == found
    moved = split(make(values, prefix="else where/"), seed=seed)
    assert {f"else where/{image}": side for image, side in found.items()} == moved


def test_the_seed_changes_the_split():
    dataset = make("ab" * 50)
    assert len({tuple(split(dataset, seed=seed).values()) for seed in range(5)}) == 5


def test_not_stratified_means_that_labels_do_not_count():
    values = ["a"] * 50 + ["b"] * 50
    tested = [Counter(list(split(make(values), seed=s, stratify=False).values())[:50])["test"] for s in range(8)]
    assert len(set(tested)) > 1
    tested = [Counter(list(split(make(values), seed=s).values())[:50])["test"] for s in range(8)]
    assert set(tested) == {10}


def test_validation_is_a_share_of_all_images():
    found = Counter(split(make("ab" * 50), test=0.2, validation=0.1).values())
    assert found == {"train": 70, "validation": 10, "test": 20}


def test_three_images_of_a_class_are_in_all_three_parts():
    values = ["rare"] * 3 + ["a"] * 40 + ["b"] * 40
    found = split(make(values), test=0.2, validation=0.1)
    assert sorted(list(found.values())[:3]) == ["test", "train", "validation"]


def test_rare_objects_are_on_both_sides():
    targets = [["common"] for _ in range(90)] + [["common", "rare"]] * 4 + [[]] * 6
    for seed in range(10):
        found = list(split(make(targets, task="detection"), seed=seed).values())
        assert Counter(found)["test"] == 20
        assert Counter(found[90:94]) == {"train": 3, "test": 1}
        assert 1 <= Counter(found[94:])["test"] <= 2  # background is dealt out too


def test_objects_that_always_come_together():
    targets = [["a", "b"], ["a", "b"], ["b", "c"], ["a", "c"], ["b"], ["a"]]
    for seed in range(10):
        found = split(make(targets, task="detection"), test=0.3, seed=seed)
        for name in "abc":
            sides = {side for target, side in zip(targets, found.values(), strict=True) if name in target}
            assert sides == {"train", "test"}


def test_groups_of_several_classes_are_moved_until_each_class_is_on_both_sides():
    values, groups = list("aaabaaabccccb"), list("1111222233334")
    for seed in range(10):
        found = split(make(values, groups), test=0.3, seed=seed)
        for name in "ab":
            assert {side for label, side in zip(values, found.values(), strict=True) if label == name} == {
                "train",
                "test",
            }


@pytest.mark.parametrize(
    ("own", "validation", "expected"),
    [
        (["train", "train", "validation", "test"], 0.0, ["train", "train", "validation", "test"]),
        (["train", "train", "validation", "test"], 0.5, ["train", "train", "validation", "test"]),
        (["train", "train", "validation", "validation"], 0.0, ["train", "train", "test", "test"]),
        (["train", "train", "test", "test"], 0.0, ["train", "train", "test", "test"]),
    ],
)
def test_the_sources_own_split_is_kept(own, validation, expected):
    assert list(split(make("abab", splits=own), validation=validation).values()) == expected


def test_a_validation_split_can_be_taken_from_the_sources_own_train():
    own = ["train"] * 80 + ["test"] * 20
    found = list(split(make("ab" * 50, splits=own), validation=0.1).values())
    assert Counter(found) == {"train": 70, "validation": 10, "test": 20}
    assert found[80:] == ["test"] * 20


@pytest.mark.parametrize(
    ("dataset", "options", "message"),
    [
        (make("aaa"), {}, "'made' has one class, 'a'; classification needs two or more."),
        (make("ab", groups=["x", "x"]), {}, "too few images to make a test split: 2, all of one group or copies"),
        (make("ab", hashes=["1", "1"]), {}, "too few images to make a test split: 2, all of one group or copies"),
        (make([["a"]], task="detection"), {}, "too few images to make a test split: 1. Add images"),
        (make([[], []], task="detection"), {}, "'made' shows no object at all"),
        (make("aabb"), {"test": 0.0}, "test_ratio is 0.0; it must be above 0 and below 1."),
        (make("aabb"), {"test": 1.0}, "test_ratio is 1.0"),
        (make("aabb"), {"test": 0.5, "validation": 0.5}, "validation_ratio is 0.5; it must be at least 0, and with"),
        (make("ab"), {"validation": 0.3}, "too few images to make a validation split: 1"),
    ],
)
def test_what_cannot_be_split_is_refused(dataset, options, message):
    with pytest.raises(InputError) as caught:
        split(dataset, **options)
    assert message in str(caught.value)


def test_the_columns_stay():
    dataset = make("abab")
    found = assign(dataset, test_ratio=0.5, validation_ratio=0, stratify=True, seed=0)
    assert found.schema == dataset.images.schema
    assert found["split"].dtype == pl.String
