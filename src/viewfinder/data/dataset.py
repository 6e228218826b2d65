"""A dataset: the immutable, fingerprinted index of a source's images and labels."""

import hashlib
import io
import json
import os
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl

from viewfinder.data import boxes as box_values
from viewfinder.data.diagnostics import Diagnostic, ordered
from viewfinder.data.target import TARGETS, Target
from viewfinder.errors import InputError, unknown
from viewfinder.words import plural

COLUMNS: dict[str, Any] = {
    "image": pl.String,
    "sha256": pl.String,
    "width": pl.Int32,
    "height": pl.Int32,
    "label": pl.String,
    "boxes": pl.String,
    "group": pl.String,
    "split": pl.String,
}
_METADATA = "viewfinder.dataset"


@dataclass(frozen=True, eq=False)
class Dataset:
    """An imported source.

    `images` has one row for every readable image, sorted by `image`: `image` (path relative to `root` with `/`, or
    absolute when it lies elsewhere), `sha256` of the file, `width` and `height` (upright), `label` (classification) or
    `boxes` (detection: a JSON list, "[]" for background), `group` and `split` (the source's own; both may be null).
    `classes` are the names in use, sorted. `diagnostics` is everything that was left out or deserves a look.
    `fingerprint` depends on the content alone, not on where it lies.
    """

    root: Path
    name: str
    format: str
    task: str
    classes: tuple[str, ...]
    images: pl.DataFrame
    diagnostics: tuple[Diagnostic, ...]
    fingerprint: str

    def __len__(self) -> int:
        return self.images.height

    @property
    def target(self) -> Target:
        """What is to be learned, and the column that holds it."""
        return TARGETS[self.task]

    def shown_column(self) -> pl.Series:
        """Return, image by image, the list of the classes of everything in it."""
        return self.images.select(self.target.shown.alias("shown"))["shown"]

    def shown(self) -> list[list[str]]:
        """Return `shown_column` as plain lists."""
        return self.shown_column().to_list()

    def count(self, name: str) -> str:
        """Return in words how many images or objects there are of a class."""
        return plural(int((self.shown_column().explode() == name).sum()), self.target.unit)

    def path(self, image: str) -> Path:
        """Return where the file of an `image` is."""
        return self.root / image  # an absolute image replaces the root

    def select(self, classes: Sequence[str]) -> "Dataset":
        """Return the dataset with these classes only.

        Images of other classes are left out; boxes of other classes are, while their images stay, as background if no
        box remains. Raises InputError for a class that is not there.
        """
        for name in classes:
            if name not in self.classes:
                raise InputError(unknown("class", name, self.classes))
        column, wanted = self.target.column, set(classes)
        kept = [self.target.only(cell, wanted) for cell in self.images[column]]
        images = self.images.with_columns(pl.Series(column, kept, pl.String)).drop_nulls(column)
        names = tuple(sorted(classes))
        return replace(self, classes=names, images=images, fingerprint=fingerprint(self.task, names, images))

    def relocated(self, root: Path) -> "Dataset":
        """Return the same dataset with its images below another folder."""
        return replace(self, root=root)

    def write(self, path: Path) -> None:
        """Write the dataset as one Parquet file, replacing it at once."""
        facts = {
            "root": self.root.as_posix(),
            "name": self.name,
            "format": self.format,
            "task": self.task,
            "classes": list(self.classes),
            "fingerprint": self.fingerprint,
            "diagnostics": [diagnostic.as_dict() for diagnostic in self.diagnostics],
        }
        buffer = io.BytesIO()
        self.images.write_parquet(buffer, metadata={_METADATA: json.dumps(facts, ensure_ascii=False)})
        _replace_file(path, buffer.getvalue())

    @classmethod
    def read(cls, path: Path) -> "Dataset":
        """Read a dataset that `write` wrote; raise InputError for any other file."""
        try:
            content = path.read_bytes()  # not memory-mapped: an open map would keep Windows from replacing the file
            facts = json.loads(pl.read_parquet_metadata(io.BytesIO(content))[_METADATA])
            images = pl.read_parquet(io.BytesIO(content))
        except (OSError, KeyError, ValueError, pl.exceptions.PolarsError) as error:
            raise InputError(f"'{path}' is not a dataset that Viewfinder wrote ({error}).") from error
        return cls(
            root=Path(facts["root"]),
            name=facts["name"],
            format=facts["format"],
            task=facts["task"],
            classes=tuple(facts["classes"]),
            images=images,
            diagnostics=ordered(Diagnostic(**row) for row in facts["diagnostics"]),
            fingerprint=facts["fingerprint"],
        )


def frame(task: str, rows: Iterable[dict[str, Any]]) -> pl.DataFrame:
    """Return the table of images, with the columns of the task, sorted by `image`."""
    unused = {target.column for target in TARGETS.values()} - {TARGETS[task].column}
    schema = {name: kind for name, kind in COLUMNS.items() if name not in unused}
    return pl.DataFrame(list(rows), schema=schema).sort("image")


def fingerprint(task: str, classes: Sequence[str], images: pl.DataFrame) -> str:
    """Return the SHA-256 of the content: images, relative paths, labels or boxes, groups, splits, classes.

    The order of rows and of boxes does not count, nor does the root; of an image outside of it, only its name does.
    """
    lines = sorted(_line(row) for row in images.iter_rows(named=True))
    digest = hashlib.sha256(json.dumps([task, sorted(classes)]).encode())
    for line in lines:
        digest.update(b"\n" + line.encode())
    return digest.hexdigest()


def _line(row: dict[str, Any]) -> str:
    image = unicodedata.normalize("NFC", row["image"])  # macOS may hand out decomposed names
    place = PurePosixPath(image).name if is_absolute(image) else image
    target = row["label"] if "label" in row else sorted(json.dumps(box) for box in box_values.from_json(row["boxes"]))
    return json.dumps([place, row["sha256"], target, row["group"], row["split"]])


def is_absolute(image: str) -> bool:
    """Return whether an `image` of a dataset lies outside of its root (on any system)."""
    return image.startswith("/") or image[1:3] == ":/"


def _replace_file(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.new")
    with beside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
