"""COCO JSON: one file, or several in a folder, as in train, valid and test folders each with its own."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from viewfinder.data.boxes import Box, bounds_of
from viewfinder.data.diagnostics import Diagnostic
from viewfinder.data.sources.files import Tree, folded, split_in
from viewfinder.data.sources.listing import Item, Listing, error, info, quoted
from viewfinder.errors import SourceError

FORMAT = "COCO JSON"
TASK = "detection"
_BESIDE = ("annotations", "annotation", "labels")  # folders next to those that hold the images


@dataclass(frozen=True)
class Document:
    """The content of a COCO JSON file; `place` is its path relative to the tree."""

    place: str
    content: dict[str, Any]


def parse(path: Path) -> Any:
    """Return the content of a JSON file; raise SourceError with line and column when it is malformed."""
    try:
        return json.loads(path.read_bytes().decode("utf-8-sig"))
    except json.JSONDecodeError as problem:
        where = f"line {problem.lineno}, column {problem.colno}"
        hint = " If every line is an object of its own, name the file .jsonl." if problem.msg == "Extra data" else ""
        raise SourceError(f"'{path}' is not valid JSON: {problem.msg} at {where}.{hint}") from None
    except UnicodeDecodeError as problem:
        raise SourceError(f"'{path}' is not valid JSON: byte {problem.start} is not UTF-8 text.") from None
    except RecursionError:
        raise SourceError(f"'{path}' is not valid JSON for a source: it is nested too deeply.") from None
    except ValueError as problem:  # a number of too many digits
        raise SourceError(f"'{path}' is not valid JSON for a source: {problem}.") from None
    except OSError as problem:
        raise SourceError(f"'{path}' cannot be read: {problem.strerror}.") from None


def is_coco(content: object) -> bool:
    """Return whether the content of a JSON file lists images and categories as COCO does."""
    return isinstance(content, dict) and all(isinstance(content.get(key), list) for key in ("images", "categories"))


def documents(tree: Tree) -> tuple[list[Document], list[Diagnostic]]:
    """Return the COCO files of a tree, and findings about other JSON files."""
    found, others = [], []
    for place in tree.with_extension(".json"):
        try:
            content = parse(tree.root / place)
        except SourceError as problem:
            others.append(error("malformed_json", place, str(problem)))
            continue
        if is_coco(content):
            found.append(Document(place, content))
        else:
            others.append(
                info("ignored_file", place, "It is JSON, but does not list images and categories as COCO does.")
            )
    return found, others


def root_for(path: Path) -> Path:
    """Return the folder below which the images of one COCO file are sought."""
    return path.parent.parent if path.parent.name.lower() in _BESIDE else path.parent


def read(tree: Tree, found: list[Document], diagnostics: Iterable[Diagnostic] = ()) -> Listing:
    """Return the images of the documents with their boxes."""
    findings = [*tree.diagnostics, *diagnostics]
    items = [item for document in found for item in _Reader(tree, document, findings).items()]
    listed = {folded(item.image) for item in items}
    reason = "No annotation file lists it, so it is not known what it shows."
    findings += [error("no_annotation", image, reason) for image in tree.images if folded(image) not in listed]
    names = {name for document in found for name in _categories(document, []).values()}
    return Listing(tree.root, FORMAT, TASK, tuple(items), tuple(findings), tuple(sorted(names)))


def _records(document: Document, key: str, findings: list[Diagnostic]) -> Iterable[dict[str, Any]]:
    values = document.content.get(key)
    for number, value in enumerate(values if isinstance(values, list) else [], 1):
        if isinstance(value, dict):
            yield value
        else:
            findings.append(error("malformed_annotation", document.place, f"Entry {number} of '{key}' is no object."))


def _categories(document: Document, findings: list[Diagnostic]) -> dict[Any, str]:
    names: dict[Any, str] = {}
    for record in _records(document, "categories", findings):
        name, key = _name(record.get("name")), record.get("id")
        if not name or not _is_id(key):
            findings.append(error("malformed_annotation", document.place, f"A category lacks id or name: {record}."))
        elif key in names:
            reason = f"Category '{name}' repeats the id {key!r}, which stays that of '{names[key]}'."
            findings.append(error("malformed_annotation", document.place, reason))
        else:
            names[key] = name
    return names


def _name(value: object) -> str:
    return str(value).strip() if isinstance(value, str | int | float) else ""


def _is_id(value: object) -> bool:
    return isinstance(value, (int, float, str)) and not isinstance(value, bool)


class _Reader:
    """Reads one document; findings go to the list that was given."""

    def __init__(self, tree: Tree, document: Document, findings: list[Diagnostic]) -> None:
        self.tree, self.document, self.findings = tree, document, findings
        self.categories = _categories(document, findings)
        self.folder = PurePosixPath(document.place).parent.as_posix()

    def items(self) -> Iterable[Item]:
        images = self._images()
        boxes: dict[Any, list[Box]] = {key: [] for key in images}
        for number, record in enumerate(_records(self.document, "annotations", self.findings), 1):
            key = record.get("image_id")
            if not _is_id(key) or key not in images:
                self._error("unknown_image", f"Annotation {number} is of image {key!r}, which is not listed.")
            elif box := self._box(number, record, images[key]["file_name"]):
                boxes[key].append(box)
        for key, record in images.items():
            if item := self._item(record, boxes[key]):
                yield item

    def _images(self) -> dict[Any, dict[str, Any]]:
        images: dict[Any, dict[str, Any]] = {}
        for number, record in enumerate(_records(self.document, "images", self.findings), 1):
            key, name = record.get("id"), record.get("file_name")
            if not _is_id(key) or not isinstance(name, str) or not name:
                self._error("malformed_annotation", f"Image {number} lacks id or file_name.")
            elif key in images:
                self._error("malformed_annotation", f"Image {number}, '{name}', repeats the id {key!r}.")
            else:
                images[key] = record
        return images

    def _error(self, kind: str, reason: str) -> None:
        self.findings.append(error(kind, self.document.place, reason))

    def _box(self, number: int, record: dict[str, Any], image: str) -> Box | None:
        shown = f"Annotation {number} (of '{image}')"
        category = record.get("category_id")
        if not _is_id(category) or category not in self.categories:
            self._error("unknown_class", f"{shown} has category {category!r}, which is not listed.")
            return None
        if record.get("iscrowd") == 1:
            reason = f"{shown} marks a crowd of '{self.categories[category]}', not one object; it is not used."
            self.findings.append(info("crowd_box", self.document.place, reason))
            return None
        try:
            return Box(bounds_of(record.get("bbox")), self.categories[category])
        except ValueError as problem:
            self._error("malformed_box", f"{shown}: {problem}.")
            return None

    def _item(self, record: dict[str, Any], boxes: list[Box]) -> Item | None:
        name: str = record["file_name"]
        found = self.tree.find(name, self.folder)
        if len(found) > 1:
            self._error("ambiguous_image", f"'{name}' could be any of {quoted(found)}.")
            return None
        image = found[0] if found else name.replace("\\", "/")
        split = split_in(self.document.place) or split_in(image)
        origin = f"'{self.document.place}'"
        return Item(image, boxes=tuple(boxes), declared=_declared(record), split=split, origin=origin)


def _declared(record: dict[str, Any]) -> tuple[int, int] | None:
    width, height = record.get("width"), record.get("height")
    if isinstance(width, int) and isinstance(height, int) and min(width, height) > 0:
        return width, height
    return None
