"""Which image is for training, which for validation, which for the test.

Images that belong together (the same group, or the same bytes) form a unit, and units are never parted. Units are
ordered by a hash of the seed and of their content, so that the split depends neither on the order of rows nor on
names of folders, and dealt out stratum by stratum.
"""

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import polars as pl

from viewfinder import tasks
from viewfinder.data.dataset import Dataset
from viewfinder.errors import InputError


@dataclass(frozen=True)
class Unit:
    """Images that stay together: their row numbers, a key that orders units, and the classes they show."""

    rows: tuple[int, ...]
    key: str
    labels: frozenset[str]
    main: str

    @property
    def size(self) -> int:
        """The number of images."""
        return len(self.rows)


@dataclass(frozen=True)
class Share:
    """What a part should get: about `wanted` images, so that at least `leave` units stay for the other parts."""

    wanted: float
    leave: int
    stratify: bool


def assign(dataset: Dataset, *, test_ratio: float, validation_ratio: float, stratify: bool, seed: int) -> pl.DataFrame:
    """Return the dataset's images with every `split` filled: "train", "validation" or "test".

    A source's own split is kept: all three parts as they are; of train and one other, that one is the test split (and
    a validation split is taken from train if its ratio is above 0). Otherwise the ratios are of all images. Stratified
    means by label, for detection by the rarest category that an image shows; then every class of at least two units is
    both in train and in test. Raises InputError when no split can be made.
    """
    _check_ratios(test_ratio, validation_ratio)
    _check_content(dataset)
    images, total = dataset.images, len(dataset)
    splits = _own(images)
    apart = validation_ratio > 0 and (splits is None or "validation" not in splits.values())
    if splits is None:
        leave = 2 if apart else 1
        splits = _parted(dataset, range(total), "test", Share(test_ratio * total, leave, stratify), seed)
    if apart:
        rest = [row for row in range(total) if splits.get(row, "train") == "train"]
        splits |= _parted(dataset, rest, "validation", Share(validation_ratio * total, 1, stratify), seed)
    names = [splits.get(row, "train") for row in range(total)]
    return images.with_columns(pl.Series("split", names, pl.String))


def _check_ratios(test_ratio: float, validation_ratio: float) -> None:
    if not 0 < test_ratio < 1:
        raise InputError(f"test_ratio is {test_ratio}; it must be above 0 and below 1.")
    if not 0 <= validation_ratio < 1 - test_ratio:
        raise InputError(
            f"validation_ratio is {validation_ratio}; it must be at least 0, "
            f"and with test_ratio {test_ratio} below {1 - test_ratio:g}, so that images are left for training."
        )


def _own(images: pl.DataFrame) -> dict[int, str] | None:
    """Return the source's own split by row number, or None when it has none."""
    splits = dict(enumerate(images["split"].to_list()))
    names = set(splits.values()) - {None}
    if not names:
        return None
    if names == {"train", "validation"}:
        return {row: "test" if split == "validation" else split for row, split in splits.items()}
    return splits


def _check_content(dataset: Dataset) -> None:
    if not dataset.classes:
        raise InputError(f"'{dataset.name}' shows no object at all; label some before training.")
    if len(dataset.classes) < tasks.get(dataset.task).least_classes:
        raise InputError(
            f"'{dataset.name}' has one class, '{dataset.classes[0]}'; classification needs two or more. "
            "If the folders further down are the classes, give the folder that holds them as the source."
        )


def _parted(dataset: Dataset, rows: Sequence[int], split: str, share: Share, seed: int) -> dict[int, str]:
    """Return which of the rows go to `split`; raise InputError when they cannot be parted."""
    units = _units(dataset.images, [sorted(set(classes)) for classes in dataset.shown()], seed, rows)
    if len(units) < 2:
        together = ", all of one group or copies of each other" if len(rows) > 1 else ""
        raise InputError(
            f"'{dataset.name}' has too few images to make a {split} split: {len(rows)}{together}. "
            "Add images, or choose other groups."
        )
    return {row: split for unit in _dealt(units, share) for row in unit.rows}


def _units(images: pl.DataFrame, shown: list[list[str]], seed: int, rows: Iterable[int]) -> list[Unit]:
    """Return the units of these rows, ordered by key."""
    hashes, groups = images["sha256"].to_list(), images["group"].to_list()
    members = _connected({row: (hashes[row], groups[row]) for row in rows})
    counts = Counter(label for row in rows for label in shown[row])
    units = []
    for together in members:
        key = hashlib.sha256(f"{seed}:{min(hashes[row] for row in together)}".encode()).hexdigest()
        labels = [label for row in together for label in shown[row]]
        units.append(Unit(tuple(together), key, frozenset(labels), _main(labels, counts)))
    return sorted(units, key=lambda unit: unit.key)


def _main(labels: list[str], counts: Counter[str]) -> str:
    """Return the rarest class that a unit shows, which is the hardest to deal out evenly; "" for background."""
    return min(labels, key=lambda label: (counts[label], label), default="")


def _connected(tags: dict[int, tuple[str, str | None]]) -> list[list[int]]:
    """Return the rows that share a hash or a group, directly or through others (union-find)."""
    parent = {row: row for row in tags}

    def top(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    first: dict[tuple[str, str], int] = {}
    for row, (content, group) in tags.items():
        for tag in [("bytes", content)] + ([("group", group)] if group is not None else []):
            parent[top(row)] = top(first.setdefault(tag, row))
    members: dict[int, list[int]] = defaultdict(list)
    for row in tags:
        members[top(row)].append(row)
    return list(members.values())


def _dealt(units: list[Unit], share: Share) -> list[Unit]:
    """Return the units that make up the share: at least one, and not all."""
    strata: dict[str, list[Unit]] = defaultdict(list)
    for unit in units:
        strata[unit.main if share.stratify else ""].append(unit)
    members = [strata[name] for name in sorted(strata)]
    sizes = [sum(unit.size for unit in stratum) for stratum in members]
    quotas = _quotas(sizes, share.wanted / sum(sizes))
    taken = [unit for stratum, quota in zip(members, quotas, strict=True) for unit in _taken(stratum, quota, share)]
    if not taken:
        taken = [min(units, key=lambda unit: (unit.size, unit.key))]
    return _covering(units, taken, share.leave) if share.stratify else taken


def _quotas(sizes: Sequence[int], ratio: float) -> list[int]:
    """Return how many images of each stratum to take: rounded down or up, so that the sum is right."""
    exact = [size * ratio for size in sizes]
    quotas = [math.floor(value) for value in exact]
    missing = math.floor(sum(exact) + 0.5) - sum(quotas)
    for index in sorted(range(len(sizes)), key=lambda i: (quotas[i] - exact[i], i))[:missing]:
        quotas[index] += 1
    return quotas


def _taken(units: list[Unit], quota: int, share: Share) -> list[Unit]:
    """Return units of a stratum, in their order, that come as near to `quota` images as they do without search.

    `share.leave` units are left, or one if there are too few. If stratified, one is always taken if there are two.
    """
    taken: list[Unit] = []
    count, most = 0, max(len(units) - share.leave, min(1, len(units) - 1))
    for unit in units:
        if len(taken) < most and abs(count + unit.size - quota) < abs(count - quota):
            taken.append(unit)
            count += unit.size
    if share.stratify and not taken and most:
        return [min(units, key=lambda unit: (unit.size, unit.key))]
    return taken


def _covering(units: list[Unit], taken: list[Unit], leave: int) -> list[Unit]:
    """Return the taken units with as few more or fewer as let every class of two or more units be on both sides.

    Needed where units show several classes; where classes cannot all be served, those that are served stay so.
    """
    inside = {unit.key for unit in taken}
    total = Counter(label for unit in units for label in unit.labels)
    here = Counter(label for unit in taken for label in unit.labels)
    for label in sorted(total, key=lambda name: (total[name], name)):
        if total[label] < 2 or 0 < here[label] < total[label]:
            continue
        enters = here[label] == 0
        if enters and len(units) - len(inside) <= leave:
            continue
        free = [unit for unit in units if label in unit.labels and _movable(unit, enters, here, total)]
        if free:
            unit = min(free, key=lambda one: (one.size, one.key))
            inside ^= {unit.key}
            here.update(dict.fromkeys(unit.labels, 1 if enters else -1))
    return [unit for unit in units if unit.key in inside]


def _movable(unit: Unit, enters: bool, here: Counter[str], total: Counter[str]) -> bool:
    """Return whether a unit can change sides without taking the last of another class from the side it leaves."""
    left = {name: (total[name] - here[name]) if enters else here[name] for name in unit.labels}
    return all(left[name] > 1 or total[name] < 2 for name in unit.labels)
