"""Tables: CSV, Parquet or JSON Lines with a column of image paths and one of targets.

A target is a class (text or a whole number) or, for detection, a JSON list of boxes in pixels of the upright image.
"""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from viewfinder.data.diagnostics import Diagnostic
from viewfinder.data.pixels import EXTENSIONS
from viewfinder.data.sources.files import Tree, is_image
from viewfinder.data.sources.listing import Item, Listing, error, info, quoted
from viewfinder.data.sources.targets import FORMS, class_of
from viewfinder.errors import SourceError, unknown

KINDS = {
    ".csv": "CSV",
    ".tsv": "CSV",
    ".parquet": "Parquet",
    ".pq": "Parquet",
    ".jsonl": "JSON Lines",
    ".ndjson": "JSON Lines",
}
IMAGE_NAMES = ("image", "image_path", "path", "file", "file_name", "filename", "filepath", "file_path", "img", "photo")
TARGET_NAMES = ("label", "class", "target", "category", "labels", "class_name", "boxes", "objects", "annotations", "y")
_HEAD_BYTES = 1 << 20
_MAX_CELL = 2**31 - 1
_REPEATED = "_duplicated_"  # how polars marks a name that was there before
_SAMPLE = 1000  # rows looked at to tell what a column holds


@dataclass(frozen=True)
class Table:
    """The columns of a file, of equal length; `numbers` are the rows' numbers for messages, from 1."""

    path: Path
    columns: Mapping[str, pl.Series | list[Any]]
    numbers: Sequence[int]
    diagnostics: tuple[Diagnostic, ...] = ()

    def values(self, name: str, limit: int | None = None) -> list[Any]:
        """Return the values of a column as Python objects, the first `limit` of them if given."""
        column = self.columns[name][:limit]
        return column.to_list() if isinstance(column, pl.Series) else column

    def sample(self, name: str) -> list[Any]:
        """Return some values of a column, none of them empty."""
        return [value for value in self.values(name, _SAMPLE) if value not in (None, "")]


@dataclass(frozen=True)
class Columns:
    """Which column holds what."""

    image: str
    target: str
    group: str | None
    task: str


def is_table(name: str) -> bool:
    """Return whether a file of this name is a table."""
    return Path(name).suffix.lower() in KINDS


def parse(path: Path) -> Table:
    """Return the content of a table; raise SourceError when it is not what its name says."""
    readers = {"CSV": _csv, "Parquet": _parquet, "JSON Lines": _json_lines}
    try:
        table = readers[KINDS[path.suffix.lower()]](path)
    except OSError as problem:
        raise SourceError(f"'{path}' cannot be read: {problem.strerror or problem}.") from None
    if not table.columns or not table.numbers:
        raise SourceError(f"'{path}' has no rows.")
    return table


def _csv(path: Path) -> Table:
    separator = _separator(path)
    numbers: Sequence[int] | None = None
    problems: tuple[Diagnostic, ...] = ()
    try:
        frame = _csv_frame(path, separator)
    except pl.exceptions.NoDataError:
        raise SourceError(f"'{path}' is empty.") from None
    except pl.exceptions.PolarsError as problem:
        if "more fields" not in str(problem):
            raise SourceError(_csv_problem(path, str(problem))) from None
        text, numbers, problems = _without_long_rows(path, separator)
        frame = _csv_frame(text, separator)
    columns = {name.strip().removeprefix("\ufeff"): frame[name] for name in frame.columns}
    if data := [name for name in columns if name.lower().endswith(EXTENSIONS)]:
        raise SourceError(
            f"'{path}' has no header: its first line holds '{data[0]}', which is an image. "
            "Put a line with the names of the columns above it, such as image,label."
        )
    repeated = [name for name in columns if _REPEATED in name and name.rpartition(_REPEATED)[0] in columns]
    notes = tuple(
        info(
            "repeated_column", path.name, f"Column '{name.rpartition(_REPEATED)[0]}' is there again; the first counts."
        )
        for name in repeated
    )
    kept = {name: column for name, column in columns.items() if name not in repeated}
    return Table(path, kept, numbers or range(1, frame.height + 1), (*problems, *notes))


def _csv_frame(source: Path | bytes, separator: str) -> pl.DataFrame:
    return pl.read_csv(source, infer_schema=False, separator=separator, encoding="utf8", glob=False)


def _without_long_rows(path: Path, separator: str) -> tuple[bytes, Sequence[int], tuple[Diagnostic, ...]]:
    """Return a CSV file without the rows that have more cells than its header, their numbers, and findings of those.

    Raises SourceError when such rows are the rule.
    """
    csv.field_size_limit(_MAX_CELL)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header, *rows = [row for row in csv.reader(file, delimiter=separator) if row]
    except (UnicodeDecodeError, csv.Error) as problem:
        raise SourceError(_csv_problem(path, str(problem))) from None
    long = {number: row for number, row in enumerate(rows, 1) if len(row) > len(header)}
    if len(long) * 2 >= len(rows):
        raise SourceError(
            f"'{path}' has rows with more cells than its header. Put cells that hold commas, such as lists of boxes, "
            'in double quotes, and write quotes within them twice: "[{""bbox"": …}]".'
        )
    problems = tuple(
        error("malformed_row", path.name, f"Row {n} was left out: it has {len(row)} cells, the header {len(header)}.")
        for n, row in long.items()
    )
    numbers = [number for number in range(1, len(rows) + 1) if number not in long]
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=separator).writerows([header, *(rows[number - 1] for number in numbers)])
    return text.getvalue().encode(), numbers, problems


def _separator(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise SourceError(f"'{path}' is UTF-16 text. Save it with the encoding UTF-8.")
    if b"\0" in head:
        raise SourceError(f"'{path}' is not a CSV file: it is not text.")
    line, newline, _ = head.partition(b"\n")
    if not newline and len(head) == _HEAD_BYTES:
        raise SourceError(f"'{path}' is not a CSV file: its first line has more than {_HEAD_BYTES} bytes.")
    counts = {separator: line.count(separator.encode()) for separator in (",", ";", "\t")}
    return max(counts, key=lambda separator: counts[separator])


def _csv_problem(path: Path, text: str) -> str:
    if "utf-8" in text.lower() or "utf8" in text.lower():
        return f"'{path}' is not UTF-8 text. Save it with the encoding UTF-8."
    return f"'{path}' is not a CSV file that can be read: {text.splitlines()[0]}."


def _parquet(path: Path) -> Table:
    try:
        schema = pl.scan_parquet(path, glob=False).collect_schema()
        binary = [name for name, kind in schema.items() if kind == pl.Binary or _holds_binary(kind)]
        names = [name for name in schema if name not in binary]
        frame = pl.read_parquet(path, columns=names, memory_map=False, glob=False)
    except (pl.exceptions.PolarsError, ValueError) as problem:
        text = (str(problem).splitlines() or [""])[0]
        raise SourceError(f"'{path}' is not a Parquet file that can be read: {text}.") from None
    skipped = tuple(
        info("ignored_column", path.name, f"Column '{name}' holds binary data, not paths or classes.")
        for name in binary
    )
    return Table(path, {name: frame[name] for name in names}, range(1, frame.height + 1), skipped)


def _holds_binary(kind: Any) -> bool:
    return isinstance(kind, pl.Struct) and any(field.dtype == pl.Binary for field in kind.fields)


def _json_lines(path: Path) -> Table:
    rows: list[dict[str, Any]] = []
    numbers: list[int] = []
    problems: list[Diagnostic] = []
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                rows.append(_object(line.rstrip(b"\r\n")))
                numbers.append(number)
            except ValueError as problem:
                problems.append(error("malformed_row", path.name, f"Line {number} was left out: {problem}."))
    if problems and not rows:
        raise SourceError(f"'{path}' is not JSON Lines: {problems[0].reason}")
    names = list(dict.fromkeys(name for row in rows for name in row))
    return Table(path, {name: [row.get(name) for row in rows] for name in names}, numbers, tuple(problems))


def _object(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line.decode("utf-8-sig"))
    except json.JSONDecodeError as problem:
        raise ValueError(f"{problem.msg} at column {problem.colno}") from None
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8 text") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("it is not a JSON object")
    return value


def choose(table: Table, image: str | None, target: str | None, group: str | None, task: str | None) -> Columns:
    """Return which column holds what: as told, or as far as there is no doubt; raise SourceError otherwise."""
    for name in (image, target, group):
        if name is not None and name not in table.columns:
            raise SourceError(f"'{table.path}': {unknown('column', name, table.columns)}")
    image = image or _image_column(table, {target, group})
    target = target or _target_column(table, {image, group}, task)
    if target == image:
        raise SourceError(f"'{table.path}': column '{image}' cannot be both the image and the target.")
    found = _task(table.sample(target))
    if task not in (None, found):
        raise SourceError(
            f"'{table.path}': column '{target}' holds {FORMS[found].holds}, which is for {found}, not for {task}. "
            f"Say which column holds the target with --target-column. Its columns: {', '.join(table.columns)}."
        )
    return Columns(image, target, group, found)


def _image_column(table: Table, taken: set[str | None]) -> str:
    free = [name for name in table.columns if name not in taken]
    likely = [name for name in free if looks_like_images(table.sample(name))]
    if len(likely) > 1:
        likely = _by_name(likely, IMAGE_NAMES) or likely
    if not likely:
        likely = _by_name(free, IMAGE_NAMES)
    if len(likely) == 1:
        return likely[0]
    doubt = f"columns {quoted(likely)} could each hold it" if likely else "no column looks like image paths"
    raise SourceError(
        f"'{table.path}' has no certain image column: {doubt}. "
        f"Say which with --image-column. Its columns: {', '.join(table.columns)}."
    )


def _target_column(table: Table, taken: set[str | None], task: str | None) -> str:
    free = [name for name in table.columns if name not in taken]
    fitting = [name for name in free if task is None or (_task(table.sample(name)) == task)]
    likely = fitting if len(fitting) == 1 else _by_name(fitting, TARGET_NAMES)
    if len(likely) == 1:
        return likely[0]
    doubt = f"columns {quoted(likely or fitting)} could each hold it" if fitting else "no column is left for it"
    if free and not fitting:
        doubt = f"no column fits {task}"
    raise SourceError(
        f"'{table.path}' has no certain target column: {doubt}. "
        f"Say which with --target-column (and --task, if need be). Its columns: {', '.join(table.columns)}."
    )


def _by_name(names: Iterable[str], known: Sequence[str]) -> list[str]:
    return [name for name in names if name.lower().replace(" ", "_") in known]


def looks_like_images(sample: Sequence[Any]) -> bool:
    """Return whether most values of a column are names of image files."""
    names = sum(isinstance(value, str) and is_image(value.strip()) for value in sample)
    return names * 2 > len(sample)


def _task(sample: Sequence[Any]) -> str:
    return next(task for task, form in FORMS.items() if form.fits(sample))


def read(tree: Tree, table: Table, columns: Columns) -> Listing:
    """Return the images of the table's rows, and a finding for every row that cannot be used."""
    findings = list(table.diagnostics)
    items = list(_items(tree, table, columns, findings))
    kind = KINDS[table.path.suffix.lower()]
    return Listing(tree.root, f"{kind} table", columns.task, tuple(items), tuple(findings))


def _items(tree: Tree, table: Table, columns: Columns, findings: list[Diagnostic]) -> Iterable[Item]:
    targets, names = table.values(columns.target), table.values(columns.image)
    groups = table.values(columns.group) if columns.group else [None] * len(names)
    form = FORMS[columns.task]
    if problem := form.refuse(targets):
        raise SourceError(
            f"'{table.path}': column '{columns.target}' {problem} Its columns: {', '.join(table.columns)}."
        )
    for number, name, target, group in zip(table.numbers, names, targets, groups, strict=True):
        row = f"row {number} of '{table.path.name}'"
        try:
            image = _image(tree, name)
        except ValueError as problem:
            findings.append(error("unknown_image", table.path.name, f"Row {number} was left out: {problem}."))
            continue
        try:
            found, problems = form.read(image, target, columns.target)
        except ValueError as problem:
            kind = "missing_label" if target in (None, "") else "malformed_target"
            findings.append(error(kind, image, f"{row.capitalize()} was left out: {problem}."))
            continue
        findings += [error(kind, image, f"{row.capitalize()}: {text}.") for kind, text in problems]
        yield Item(**found, group=None if group is None else class_of(group), origin=row)


def _image(tree: Tree, name: object) -> str:
    if not isinstance(name, str) or not name.strip():
        raise ValueError("it names no image" if name in (None, "") else f"the image is {name!r}, not a path")
    wanted = name.strip()
    found = tree.find(wanted)
    if not found and not wanted.lower().endswith(EXTENSIONS):
        found = tree.with_stem(wanted)
    if len(found) > 1:
        raise ValueError(f"'{wanted}' could be any of {quoted(found)}")
    return found[0] if found else wanted.replace("\\", "/")
