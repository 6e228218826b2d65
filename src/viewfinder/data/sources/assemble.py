"""From a listing to a dataset: every image is looked at, boxes are set upright and clipped, findings are collected."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from viewfinder.data import dataset as datasets
from viewfinder.data.boxes import Box, clipped, overhang, to_json, turned
from viewfinder.data.dataset import Dataset
from viewfinder.data.diagnostics import Diagnostic, ordered
from viewfinder.data.probe import Probe, probe_all
from viewfinder.data.sources.listing import Item, Listing, error, info, quoted, warning
from viewfinder.errors import SourceError
from viewfinder.words import plural

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class _Seen:
    item: Item
    probe: Probe


def assemble(listing: Listing, name: str, progress: Progress | None = None) -> Dataset:
    """Return the dataset of a listing; raise SourceError when no image of it can be used."""
    findings = list(listing.diagnostics)
    items = _merged(listing.items, findings)
    seen = _readable(listing.root, items, findings, progress)
    if not seen:
        raise SourceError(_nothing_left(listing, findings))
    seen = [_with_boxes(one, findings) for one in seen]
    seen = _own_splits(seen, findings)
    classes = _classes(seen)
    findings += _about_classes(seen, listing)
    findings += _about_copies(seen)
    findings += _about_splits(seen)
    images = datasets.frame(listing.task, (_row(one) for one in seen))
    return Dataset(
        root=listing.root,
        name=name,
        format=listing.format,
        task=listing.task,
        classes=classes,
        images=images,
        diagnostics=ordered(findings),
        fingerprint=datasets.fingerprint(listing.task, classes, images),
    )


def _row(seen: _Seen) -> dict[str, Any]:
    item, (width, height) = seen.item, seen.probe.upright
    return {
        "image": item.image,
        "sha256": seen.probe.sha256,
        "width": width,
        "height": height,
        "label": item.label,
        "boxes": to_json(item.boxes),
        "group": item.group,
        "split": item.split,
    }


def _merged(items: Iterable[Item], findings: list[Diagnostic]) -> list[Item]:
    """Return one item for each image: boxes of several are joined, labels must agree."""
    by_image: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        if _storable(item):
            by_image[item.image].append(item)
        else:
            reason = f"A name in {item.origin} holds characters that are no text (lone surrogates)."
            findings.append(error("undecodable_name", "", reason))
    return [item for image in sorted(by_image) for item in _one(by_image[image], findings)]


def _storable(item: Item) -> bool:
    names = [item.image, item.label, item.group, *(box.category for box in item.boxes)]
    try:
        "".join(name for name in names if name).encode()
    except UnicodeEncodeError:
        return False
    return True


def _one(items: list[Item], findings: list[Diagnostic]) -> list[Item]:
    first, image = items[0], items[0].image
    if len(items) > 1:
        labels = sorted({item.label for item in items if item.label is not None})
        if len(labels) > 1:
            findings.append(error("conflicting_labels", image, f"It is listed as {quoted(labels)}; only one can be."))
            return []
        reason = f"It is listed {len(items)} times; " + ("the boxes were joined." if not labels else "once is enough.")
        findings.append(warning("repeated_image", image, reason))
    boxes = [box for item in items for box in item.boxes]
    distinct = list(dict.fromkeys(boxes))
    if len(distinct) < len(boxes):
        reason = f"{len(boxes) - len(distinct)} of its boxes repeat another exactly, and were left out."
        findings.append(error("repeated_box", image, reason))
    declared = next((item.declared for item in items if item.declared), None)
    return [replace(first, boxes=tuple(distinct), declared=declared)]


def _readable(root: Path, items: list[Item], findings: list[Diagnostic], progress: Progress | None) -> list[_Seen]:
    seen = []
    probes = probe_all([root / item.image for item in items], progress)
    for item, probe in zip(items, probes, strict=True):
        if probe.problem:
            kind = "missing_image" if probe.problem == "there is no such file" else "corrupt_image"
            where = f" It is listed in {item.origin}." if item.origin else ""
            findings.append(error(kind, item.image, f"{_sentence(probe.problem)}{where}"))
        else:
            seen.append(_Seen(item, probe))
    return seen


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _nothing_left(listing: Listing, findings: list[Diagnostic]) -> str:
    reasons = [f"{d.file or listing.root}: {d.reason}" for d in ordered(findings) if d.severity == "error"]
    shown = " ".join(reasons[:3]) or "It lists no images."
    return f"No image of '{listing.root}' ({listing.format}) can be used. {shown}"


def _with_boxes(seen: _Seen, findings: list[Diagnostic]) -> _Seen:
    """Return the item with its boxes upright and within the image.

    Where EXIF turns the image, the declared size tells for which of the two the boxes were drawn: if it is that of the
    image as stored, they are turned with it; if it is that of the upright one, or tells nothing, they stay.
    """
    item, size = seen.item, seen.probe.upright
    if not item.boxes:
        return seen
    boxes = _upright(item, seen.probe, findings)
    kept = [found for box in boxes if (found := _within(box, size, item.image, findings))]
    return _Seen(replace(item, boxes=tuple(kept)), seen.probe)


def _upright(item: Item, probe: Probe, findings: list[Diagnostic]) -> list[Box]:
    declared, image = item.declared, item.image
    if declared and declared not in (probe.stored, probe.upright):
        reason = f"Its boxes were drawn for {_size(declared)} pixels, but it has {_size(probe.upright)}."
        findings.append(warning("size_mismatch", image, reason))
    if probe.orientation == 1:
        return list(item.boxes)
    if declared and declared == probe.stored != probe.upright:
        findings.append(info("turned_boxes", image, "EXIF turns the image; its boxes were turned with it."))
        return [Box(turned(box.bounds, probe.orientation, probe.stored), box.category) for box in item.boxes]
    if declared != probe.upright or probe.stored == probe.upright:
        reason = "EXIF turns the image; its boxes are taken to be drawn on the upright one."
        findings.append(warning("exif_boxes", image, reason))
    return list(item.boxes)


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}×{size[1]}"


def _within(box: Box, size: tuple[int, int], image: str, findings: list[Diagnostic]) -> Box | None:
    shown = f"The box {[round(value, 2) for value in box.bounds]} of '{box.category}'"
    if box.bounds[2] <= 0 or box.bounds[3] <= 0:
        findings.append(error("empty_box", image, f"{shown} has no area."))
        return None
    bounds = clipped(box.bounds, size)
    if bounds is None:
        findings.append(error("outside_box", image, f"{shown} lies outside the image ({_size(size)})."))
        return None
    over = overhang(box.bounds, size)
    if over > 0:
        finding = warning if over > 1 else info  # one pixel is a matter of counting from 0 or 1
        findings.append(finding("clipped_box", image, f"{shown} reached out of the image ({_size(size)}); it was cut."))
    return Box(bounds, box.category)


def _own_splits(seen: list[_Seen], findings: list[Diagnostic]) -> list[_Seen]:
    """Return the items with the source's own splits if they are of use: train and at least one other."""
    counts = Counter(one.item.split for one in seen)
    names = {name for name in counts if name}
    if not names:
        return seen
    if "train" not in names or len(names) < 2:
        reason = f"Only {quoted(sorted(names))} images were found, so the source's own split is not used."
        findings.append(info("no_own_split", "", reason))
        return [_Seen(replace(one.item, split=None), one.probe) for one in seen]
    reason = "It lies in none of the train, valid and test folders; it is used for training."
    findings += [warning("outside_splits", one.item.image, reason) for one in seen if not one.item.split]
    return [_Seen(replace(one.item, split=one.item.split or "train"), one.probe) for one in seen]


def names_in(item: Item) -> set[str]:
    """Return the classes that an item shows."""
    return {item.label} if item.label is not None else {box.category for box in item.boxes}


def _classes(seen: list[_Seen]) -> tuple[str, ...]:
    return tuple(sorted({name for one in seen for name in names_in(one.item)}))


def _about_classes(seen: list[_Seen], listing: Listing) -> Iterable[Diagnostic]:
    counts = Counter(name for one in seen for name in names_in(one.item))
    for name in sorted(counts):
        if counts[name] == 1:
            reason = f"Class '{name}' has one image: it can be learned or tested, not both."
            yield warning("single_image_class", "", reason)
    listed = {item.label for item in listing.items if item.label is not None} | set(listing.declared_classes)
    for name in sorted(listed - counts.keys()):
        yield warning("unused_class", "", f"Class '{name}' has no image that can be used, so it is not a class here.")
    background = sum(one.item.label is None and not one.item.boxes for one in seen)
    if background:
        yield info("background", "", f"{plural(background, 'image')} without an object: kept as background.")


def _about_copies(seen: list[_Seen]) -> Iterable[Diagnostic]:
    copies: dict[str, list[Item]] = defaultdict(list)
    for one in seen:
        copies[one.probe.sha256].append(one.item)
    for items in copies.values():
        first, rest = items[0], items[1:]
        for item in rest:
            yield info("identical_image", item.image, f"It is byte for byte the same as '{first.image}'.")
            if item.label != first.label:
                reason = (
                    f"It is the same image as '{first.image}', but one is '{item.label}', the other '{first.label}'."
                )
                yield warning("conflicting_labels", item.image, reason)
            if item.split != first.split:
                reason = f"The same image is in {item.split} and, as '{first.image}', in {first.split}."
                yield warning("duplicate_across_splits", item.image, reason)


def _about_splits(seen: list[_Seen]) -> Iterable[Diagnostic]:
    splits: dict[str, set[str]] = defaultdict(set)
    groups: dict[str, set[str]] = defaultdict(set)
    for one in seen:
        if one.item.split:
            for name in names_in(one.item):
                splits[name].add(one.item.split)
            if one.item.group is not None:
                groups[one.item.group].add(one.item.split)
    for name in sorted(splits):
        if "train" not in splits[name]:
            yield warning("untrained_class", "", f"Class '{name}' has no training image, so it cannot be learned.")
    for group in sorted(groups):
        if len(groups[group]) > 1:
            reason = f"Group '{group}' is in {quoted(sorted(groups[group]))} at once."
            yield warning("group_across_splits", "", reason)
