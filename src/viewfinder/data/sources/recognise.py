"""Which format a source is of, found out by looking."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from viewfinder.data.pixels import FORMAT_WORDS
from viewfinder.data.sources import coco, folder, table, voc
from viewfinder.data.sources.files import Tree, is_image
from viewfinder.data.sources.listing import Listing, quoted
from viewfinder.errors import SourceError

READ = "a folder per class, a CSV, Parquet or JSON Lines table, COCO JSON, and Pascal VOC"


@dataclass(frozen=True)
class Wish:
    """What the user said about a source."""

    task: str | None = None
    image_column: str | None = None
    target_column: str | None = None
    group_column: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that were named; only a table has any."""
        named = (self.image_column, self.target_column, self.group_column)
        return tuple(column for column in named if column is not None)


@dataclass(frozen=True)
class Candidate:
    """One way in which a source can be understood. `what` describes it; `certain` candidates need no other proof."""

    task: str
    format: str
    what: str
    certain: bool
    read: Callable[[], Listing]


def recognise(path: Path, wish: Wish) -> Listing:
    """Return the source as its one reader understands it; raise SourceError when there is none, or more than one."""
    return _file(path, wish) if path.is_file() else _folder(path, wish)


def _file(path: Path, wish: Wish) -> Listing:
    suffix = path.suffix.lower()
    if table.is_table(path.name):
        return _read_table(Tree(path.parent), path, wish)
    if suffix == ".json":
        return _coco_file(path, wish)
    if suffix in (".yaml", ".yml"):
        raise SourceError(_no_yolo(path))
    if is_image(path.name) or suffix == ".xml":
        raise SourceError(f"'{path}' is a single file; give the folder that it belongs to.")
    if suffix in (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar"):
        raise SourceError(f"'{path}' is an archive; unpack it and give the folder.")
    raise SourceError(f"'{path}' is not a kind of source that is read. What is read: {READ}.")


def _read_table(tree: Tree, path: Path, wish: Wish) -> Listing:
    content = table.parse(path)
    columns = table.choose(content, wish.image_column, wish.target_column, wish.group_column, wish.task)
    return table.read(tree, content, columns)


def _coco_file(path: Path, wish: Wish) -> Listing:
    content = coco.parse(path)
    if not coco.is_coco(content):
        raise SourceError(
            f"'{path}' is JSON but not COCO: it needs the lists 'images', 'annotations' and 'categories'."
        )
    _check(path, wish, coco.TASK, coco.FORMAT)
    tree = Tree(coco.root_for(path))
    document = coco.Document(path.relative_to(tree.root).as_posix(), content)
    return coco.read(tree, [document])


def _check(path: Path, wish: Wish, task: str, format: str) -> None:
    if wish.task not in (None, task):
        raise SourceError(f"'{path}' is read as {format}, which is for {task}, not for {wish.task}.")
    if wish.columns:
        raise SourceError(
            f"'{path}' is read as {format}: it has no column {quoted(wish.columns)}. Only tables have columns."
        )


def _folder(path: Path, wish: Wish) -> Listing:
    tree = Tree(path)
    if not tree.files:
        raise SourceError(f"'{path}' holds no files.")
    problems: list[str] = []
    candidates = _candidates(tree, wish, problems)
    fitting = [one for one in candidates if wish.task in (None, one.task)]
    if any(one.certain for one in fitting):
        fitting = [one for one in fitting if one.certain]
    if len({one.format for one in fitting}) > 1:
        fitting = _preferred(path, fitting)
    if not fitting:
        raise SourceError(_nothing(tree, candidates, wish, problems))
    listing = fitting[0].read()
    _check(path, Wish(wish.task, *([None] * 3)) if "table" in listing.format else wish, listing.task, listing.format)
    return listing


def _candidates(tree: Tree, wish: Wish, problems: list[str]) -> list[Candidate]:
    """Return the ways to read a folder; why a file in it was not understood is added to `problems`."""
    tables = _tables(tree, wish, problems)
    if wish.columns:
        return tables
    found = []
    annotations = voc.annotations(tree)
    if annotations:
        what = f"Pascal VOC ({len(annotations)} XML files)"
        found.append(Candidate(voc.TASK, voc.FORMAT, what, True, lambda: voc.read(tree, annotations)))
    documents, findings = coco.documents(tree)
    if documents:
        what = f"COCO JSON ({quoted(document.place for document in documents)})"
        found.append(Candidate(coco.TASK, coco.FORMAT, what, True, lambda: coco.read(tree, documents, findings)))
    if not found and _is_yolo(tree) and wish.task != folder.TASK:
        raise SourceError(_no_yolo(tree.root))
    if layout := folder.layout(tree):
        what = f"a folder per class ({quoted(layout.classes, 3)})"
        certain = layout.convincing
        found.append(Candidate(folder.TASK, folder.FORMAT, what, certain, lambda: folder.read(tree, layout)))
    problems += [finding.reason for finding in findings if finding.kind == "malformed_json"]
    return [*found, *tables]


def _tables(tree: Tree, wish: Wish, problems: list[str]) -> list[Candidate]:
    """Return the tables directly in the folder that name images."""
    found = []
    for name in tree.files:
        if "/" in name or not table.is_table(name):
            continue
        path = tree.root / name
        try:
            content = table.parse(path)
            if not wish.columns and not any(table.looks_like_images(content.sample(name)) for name in content.columns):
                continue
            columns = table.choose(content, wish.image_column, wish.target_column, wish.group_column, wish.task)
        except SourceError as problem:
            problems.append(str(problem))
            continue
        read = _Later(tree, content, columns)
        found.append(Candidate(columns.task, f"table {name}", f"the table '{name}'", True, read))
    return found


@dataclass(frozen=True)
class _Later:
    tree: Tree
    content: table.Table
    columns: table.Columns

    def __call__(self) -> Listing:
        return table.read(self.tree, self.content, self.columns)


def _preferred(path: Path, fitting: list[Candidate]) -> list[Candidate]:
    """Return the folders of classes, where only tables for the same task are beside them; raise SourceError else."""
    folders = [one for one in fitting if one.format == folder.FORMAT]
    tables = [one for one in fitting if one.format.startswith("table ")]
    if len(folders) + len(tables) == len(fitting) and folders and all(one.task == folder.TASK for one in tables):
        return folders
    tasks = sorted({one.task for one in fitting})
    ways = [f"--task {' or --task '.join(tasks)}"] if len(tasks) > 1 else []
    ways += ["the file itself as the source"] if any(one.format != folder.FORMAT for one in fitting) else []
    ways += ["--image-column and --target-column for a table"] if tables else []
    raise SourceError(
        f"'{path}' can be read in more than one way: {'; '.join(one.what for one in fitting)}. "
        f"Settle it by giving {', or '.join(ways)}."
    )


def _is_yolo(tree: Tree) -> bool:
    """Return whether text files of numbers lie by the images, each with an image's name, as YOLO has them."""
    stems = {PurePosixPath(image).stem for image in tree.images}
    for name in tree.with_extension(".txt"):
        if PurePosixPath(name).stem in stems:
            with (tree.root / name).open("rb") as file:
                line = file.readline(400)
            if re.fullmatch(rb"\s*\d+(\s+[-+.\deE]+){4,}\s*", line):
                return True
    return False


def _no_yolo(path: Path) -> str:
    return f"'{path}' looks like YOLO, which is not read yet. What is read: {READ}. Convert it to COCO JSON."


def _nothing(tree: Tree, candidates: list[Candidate], wish: Wish, problems: list[str]) -> str:
    if wish.columns and not problems:
        return f"'{tree.root}' holds no table, and only tables have columns ({quoted(wish.columns)})."
    if candidates:
        found = "; ".join(f"{one.what}, for {one.task}" for one in candidates)
        return f"'{tree.root}' cannot be read for {wish.task}: it holds {found}."
    if problems:
        return problems[0]
    if tree.images:
        return (
            f"'{tree.root}' holds {len(tree.images)} images but no folders of classes and no annotations. "
            f"Put the images of each class into a folder named after it, or add annotations. What is read: {READ}."
        )
    return f"'{tree.root}' holds no images. Read are {FORMAT_WORDS}; found were {quoted(tree.files, 3)}."
