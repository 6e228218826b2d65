"""The files of a source: which are there, which folder is a split, and which file a name means."""

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path, PurePosixPath

from viewfinder.data.diagnostics import Diagnostic
from viewfinder.data.pixels import EXTENSIONS, FORMAT_WORDS
from viewfinder.errors import SourceError

# Pictures that users may well expect to be read, but that are not.
OTHER_IMAGES = (".heic", ".heif", ".avif", ".jp2", ".jxl", ".svg", ".psd", ".dng", ".cr2", ".nef", ".arw", ".raw")

SPLITS = {
    "train": "train",
    "training": "train",
    "valid": "validation",
    "val": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
# Folders that hold files, rather than being named after a class.
_STORAGE = re.compile(
    r"(images?|imgs?|jpegimages|pngimages|photos?|pictures|data|annotations?|labels?|masks?|imagesets"
    r"|segmentation(class|object)|(train|training|val|valid|validation|test|testing)([-_]?\d+)?)",
    re.IGNORECASE,
)


def is_image(name: str) -> bool:
    """Return whether a file of this name should be an image that can be read."""
    return name.lower().endswith(EXTENSIONS)


def is_storage(folder: str) -> bool:
    """Return whether a folder of this name usually holds files of all classes."""
    return _STORAGE.fullmatch(folder) is not None


def split_of(folder: str) -> str | None:
    """Return the split that a folder's name means; a year may follow it, as in COCO's train2017."""
    return SPLITS.get(re.sub(r"20\d\d$", "", folder.lower()))


def split_in(path: str) -> str | None:
    """Return the split that the innermost such folder in a relative path means."""
    for folder in reversed(PurePosixPath(path).parts[:-1]):
        if split := split_of(folder):
            return split
    return None


def folded(text: str) -> str:
    """Return the name as compared without regard to letter case and to how accents are encoded."""
    return unicodedata.normalize("NFC", text).casefold()


def is_hidden(name: str) -> bool:
    """Return whether a file or folder is passed over."""
    return name.startswith(".") or name == "__MACOSX"


class Tree:
    """All files below a folder but the hidden ones, and the search among them.

    The folder is walked when its files are first needed. `diagnostics` lists what could not be looked at then.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.diagnostics: list[Diagnostic] = []

    @cached_property
    def files(self) -> tuple[str, ...]:
        """The files' paths relative to `root`, with `/`, sorted."""
        return tuple(sorted(self._walk()))

    def _walk(self) -> Iterable[str]:
        chains: dict[str, frozenset[str]] = {}  # each folder's real path and those of the folders that it is in
        for folder, folders, names in os.walk(self.root, followlinks=True, onerror=self._unreadable):
            real, above = os.path.realpath(folder), chains.get(str(Path(folder).parent), frozenset())
            if real in above:  # a link back to a folder that it lies in
                folders.clear()
                continue
            chains[folder] = above | {real}
            folders[:] = sorted(name for name in folders if not is_hidden(name))
            for name in names:
                if not is_hidden(name) and (path := self._storable(Path(folder, name))):
                    yield path

    def _unreadable(self, error: OSError) -> None:
        place = Path(str(error.filename)).relative_to(self.root).as_posix()
        reason = f"The folder cannot be looked into: {error.strerror}."
        self.diagnostics.append(Diagnostic("error", "unreadable_folder", place, reason))

    def _storable(self, path: Path) -> str | None:
        place = path.relative_to(self.root).as_posix()
        try:
            place.encode()
        except UnicodeEncodeError:
            shown = place.encode("utf-8", "backslashreplace").decode()
            reason = "The name is not valid UTF-8; rename the file."
            self.diagnostics.append(Diagnostic("error", "undecodable_name", shown, reason))
            return None
        return place

    @cached_property
    def images(self) -> tuple[str, ...]:
        """The files that should be images."""
        return tuple(name for name in self.files if is_image(name))

    def with_extension(self, *extensions: str) -> tuple[str, ...]:
        """Return the files that end so, in any letter case."""
        return tuple(name for name in self.files if name.lower().endswith(extensions))

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        names = defaultdict(list)
        for path in self.images:
            names[folded(PurePosixPath(path).name)].append(path)
        return names

    @cached_property
    def _by_stem(self) -> dict[str, list[str]]:
        stems = defaultdict(list)
        for path in self.images:
            stems[folded(PurePosixPath(path).stem)].append(path)
        return stems

    def named(self, name: str, near: str = "") -> list[str]:
        """Return the images that `name` (a path, or the end of one) means; several where it cannot be told.

        Those that share most of the name's folders come first, then those that share most of the folder `near`.
        """
        wanted = PurePosixPath(name.replace("\\", "/"))
        return _best(self._by_name.get(folded(wanted.name), []), wanted, near)

    def with_stem(self, stem: str, near: str = "") -> list[str]:
        """Return the images of that name but for the extension; several where it cannot be told."""
        wanted = PurePosixPath(stem.replace("\\", "/"))
        return _best(self._by_stem.get(folded(wanted.name), []), wanted, near)

    def find(self, name: str, near: str = "") -> list[str]:
        """Return the files that `name`, as a source writes it, means; several where it cannot be told.

        It is relative to the folder `near` or to the root, absolute, or the end of an image's path. A file outside of
        the tree is returned as an absolute path.
        """
        written = Path(name)
        for start in (self.root / near, self.root):
            path = Path(os.path.normpath(start / (written if written.is_absolute() else name.replace("\\", "/"))))
            place = path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else path.as_posix()
            if _is_file(path):
                return [place]
        return self.named(name, near)

    def leftovers(self, used: Iterable[str]) -> list[Diagnostic]:
        """Return a finding for every other file."""
        known = set(used)
        return [unused_file(path) for path in self.files if path not in known]


def unused_file(path: str) -> Diagnostic:
    """Return the finding about a file that is no part of the dataset because of what it is."""
    if path.lower().endswith(OTHER_IMAGES):
        reason = f"This kind of image is not read; convert it to one of {FORMAT_WORDS}."
        return Diagnostic("error", "unsupported_image", path, reason)
    return Diagnostic("info", "ignored_file", path, "It is not an image, and was passed over.")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that is too long, or holds a null byte
        return False


def _best(paths: list[str], wanted: PurePosixPath, near: str) -> list[str]:
    if len(paths) < 2:
        return paths
    scores = [(_shared_end(path, wanted), _shared_start(path, near)) for path in paths]
    return [path for path, score in zip(paths, scores, strict=True) if score == max(scores)]


def _shared_end(path: str, wanted: PurePosixPath) -> int:
    pairs = zip(reversed(PurePosixPath(path).parent.parts), reversed(wanted.parent.parts), strict=False)
    return _agreeing(pairs)


def _shared_start(path: str, near: str) -> int:
    return _agreeing(zip(PurePosixPath(path).parent.parts, PurePosixPath(near).parts, strict=False))


def _agreeing(pairs: Iterable[tuple[str, str]]) -> int:
    count = 0
    for one, other in pairs:
        if folded(one) != folded(other):
            break
        count += 1
    return count


def existing(source: Path) -> Path:
    """Return the absolute path of the source; raise SourceError with near names when there is none."""
    path = Path(os.path.abspath(source.expanduser()))  # noqa: PTH100 (Path.resolve would follow links)
    try:
        if path.exists():
            return path
    except OSError as problem:  # no permission to look, or a name that is too long
        raise SourceError(f"'{source}' cannot be read: {problem.strerror}.") from None
    parent, missing = path.parent, path.name
    while not parent.exists():
        parent, missing = parent.parent, parent.name
    names = sorted(entry.name for entry in parent.iterdir()) if parent.is_dir() else []
    near = get_close_matches(missing, names, n=3, cutoff=0.5)
    hint = " Did you mean " + " or ".join(f"'{parent / name}'" for name in near) + "?" if near else ""
    raise SourceError(f"There is no '{source}': '{parent}' has no '{missing}'.{hint}")
