"""A folder for each class, at the top or inside of train, valid and test folders.

The class is the first folder below the source (or below the split's folder); images may lie deeper.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from viewfinder.data.diagnostics import Diagnostic
from viewfinder.data.sources.files import Tree, is_hidden, is_image, is_storage, split_of
from viewfinder.data.sources.listing import Item, Listing, error, info, quoted, warning

FORMAT = "folder per class"
TASK = "classification"


@dataclass(frozen=True)
class Layout:
    """Where the classes are: below the folders in `splits` (folder name → split), or below the source itself."""

    splits: dict[str, str]
    classes: tuple[str, ...]

    @property
    def convincing(self) -> bool:
        """Whether the folders look like classes beyond doubt, and not merely like places to keep images in."""
        return bool(self.splits) or sum(not is_storage(name) for name in self.classes) > 1


def layout(tree: Tree) -> Layout | None:
    """Return how the classes are laid out; None when no image lies in a folder that could be a class's."""
    parts = [PurePosixPath(path).parts for path in tree.images]
    tops = {folders[0] for folders in parts if len(folders) > 1}
    deeper = {folders[0] for folders in parts if len(folders) > 2}
    splits = {name: split for name in sorted(deeper) if (split := split_of(name))}
    roles = set(splits.values())
    if not ("train" in roles and (len(roles) > 1 or tops == set(splits))):
        splits = {}
    depth = 1 if splits else 0
    inside = [folders for folders in parts if len(folders) > depth + 1 and (not splits or folders[0] in splits)]
    classes = tuple(sorted({folders[depth] for folders in inside}))
    named = splits or any(not is_storage(name) for name in classes)
    return Layout(splits, classes) if classes and named else None


def read(tree: Tree, found: Layout) -> Listing:
    """Return the images in the folders of classes, and findings about all other files."""
    diagnostics = list(tree.diagnostics)
    items: list[Item] = []
    for path in tree.files:
        if is_image(path):
            items.extend(_item(path, found, diagnostics))
    diagnostics += tree.leftovers(tree.images)
    diagnostics += _empty_folders(tree, found)
    diagnostics += _one_class(items, found)
    return Listing(tree.root, FORMAT, TASK, tuple(items), tuple(diagnostics))


def _item(path: str, found: Layout, diagnostics: list[Diagnostic]) -> Iterable[Item]:
    folders = PurePosixPath(path).parts[:-1]
    split = found.splits.get(folders[0]) if folders else None
    if found.splits and split is None:
        reason = f"It lies in none of the folders {quoted(found.splits)}."
        diagnostics.append(error("outside_splits", path, reason))
        return
    depth = 1 if found.splits else 0
    if len(folders) <= depth:
        diagnostics.append(error("no_class", path, "It lies in no class's folder, so nothing says what it shows."))
        return
    yield Item(path, label=unicodedata.normalize("NFC", folders[depth]), split=split)


def _empty_folders(tree: Tree, found: Layout) -> Iterable[Diagnostic]:
    """Yield a finding for every folder at the classes' level without an image."""
    known = {parent for path in tree.images for parent in _folders(path)}
    for base in found.splits or [""]:
        for folder in sorted((tree.root / base).iterdir()):
            place = folder.relative_to(tree.root).as_posix()
            if folder.is_dir() and not is_hidden(folder.name) and place not in known:
                yield warning("empty_folder", place, "The folder holds no image, so it is not a class.")


def _folders(path: str) -> Iterable[str]:
    """Yield the first two folders that a file lies in, as paths."""
    parts = PurePosixPath(path).parts[:-1]
    for depth in range(1, min(2, len(parts)) + 1):
        yield "/".join(parts[:depth])


def _one_class(items: list[Item], found: Layout) -> Iterable[Diagnostic]:
    if len(found.classes) > 1 or not items:
        return
    reason = f"All images are of one class, '{found.classes[0]}'."
    inner = sorted({parts[1] for item in items if len(parts := PurePosixPath(item.image).parts) > 2})
    if inner and not found.splits:
        reason += f" If the folders in it are the classes ({quoted(inner, 3)}), give that folder as the source."
    yield info("one_class", "", reason)
