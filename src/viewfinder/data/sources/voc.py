"""Pascal VOC: an XML file for each image, anywhere in a tree.

The image is the one of `<filename>`, near the XML file or anywhere else in the tree, or else the one with the XML
file's stem; `<path>` is ignored. Coordinates count from 1 and include the last pixel.
"""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from viewfinder.data.boxes import Box
from viewfinder.data.diagnostics import Diagnostic
from viewfinder.data.sources.files import Tree, split_in
from viewfinder.data.sources.listing import Item, Listing, error, info, quoted

FORMAT = "Pascal VOC"
TASK = "detection"


def annotations(tree: Tree) -> dict[str, Element | str]:
    """Return the XML files that hold annotations: parsed, or why they cannot be."""
    found: dict[str, Element | str] = {}
    for name in tree.with_extension(".xml"):
        try:
            root = parse(tree.root / name)
        except (ValueError, OSError) as problem:
            found[name] = str(problem)
            continue
        if root.tag == "annotation":
            found[name] = root
    return found if any(isinstance(value, Element) for value in found.values()) else {}


def parse(path: Path) -> Element:
    """Return the root of an XML file; raise ValueError saying where it is malformed.

    A document type declaration is refused: it could define entities that grow without bound, or name other files.
    """
    builder = TreeBuilder()
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(path.read_bytes(), True)
    except LookupError as problem:
        raise ValueError(f"it is in an encoding that is not known ({problem})") from None
    except expat.ExpatError as problem:
        text = expat.ErrorString(problem.code)
        raise ValueError(
            f"it is not well-formed XML ({text}, line {problem.lineno}, column {problem.offset})"
        ) from None
    return builder.close()


def _refuse_doctype(*_: object) -> None:
    raise ValueError("it has a document type declaration (DTD), which is not read for safety")


def read(tree: Tree, found: dict[str, Element | str]) -> Listing:
    """Return the images of the annotations."""
    diagnostics = list(tree.diagnostics)
    items: list[Item] = []
    covered: set[str] = set()
    for name, root in found.items():
        if isinstance(root, str):
            diagnostics.append(error("malformed_annotation", name, f"The annotation cannot be read: {root}."))
            covered.update(tree.with_stem(PurePosixPath(name).stem, near=str(PurePosixPath(name).parent)))
            continue
        if item := _item(tree, name, root, diagnostics):
            items.append(item)
            covered.add(item.image)
    reason = "No annotation belongs to it, so it is not known what it shows."
    diagnostics += [error("no_annotation", image, reason) for image in tree.images if image not in covered]
    diagnostics += _image_sets(tree)
    return Listing(tree.root, FORMAT, TASK, tuple(items), tuple(diagnostics))


def _image_sets(tree: Tree) -> Iterable[Diagnostic]:
    for name in tree.files:
        if PurePosixPath(name).parts[:-1][-2:] == ("ImageSets", "Main"):
            reason = "Lists of images are not used as a split; folders named train, valid and test are."
            yield info("ignored_file", name, reason)


def _item(tree: Tree, name: str, root: Element, diagnostics: list[Diagnostic]) -> Item | None:
    image = _image(tree, name, (root.findtext("filename") or "").strip(), diagnostics)
    if image is None:
        return None
    return Item(
        image,
        boxes=tuple(_boxes(name, root, diagnostics)),
        declared=_declared(root),
        split=split_in(name) or split_in(image),
        origin=f"'{name}'",
    )


def _image(tree: Tree, name: str, filename: str, diagnostics: list[Diagnostic]) -> str | None:
    place = PurePosixPath(name)
    near = place.parent.as_posix()
    found = tree.named(filename, near) if filename else []
    found = found or tree.with_stem(place.stem, near)
    if len(found) == 1:
        return found[0]
    wanted = f"'{filename}'" if filename else f"an image named '{place.stem}'"
    if found:
        reason = f"{wanted} could be any of {quoted(found)}; its annotation is '{name}'."
        diagnostics.append(error("ambiguous_image", name, reason))
    else:
        reason = f"There is no {wanted}, nor another image named '{place.stem}', for the annotation '{name}'."
        diagnostics.append(error("missing_image", filename or name, reason))
    return None


def _declared(root: Element) -> tuple[int, int] | None:
    try:
        size = int(float(root.findtext("size/width", ""))), int(float(root.findtext("size/height", "")))
    except (ValueError, OverflowError):
        return None
    return size if min(size) > 0 else None


def _boxes(name: str, root: Element, diagnostics: list[Diagnostic]) -> Iterable[Box]:
    for number, found in enumerate(root.findall("object"), 1):
        category = " ".join((found.findtext("name") or "").split())
        if not category:
            diagnostics.append(error("unknown_class", name, f"Object {number} has no name."))
            continue
        try:
            yield Box(_bounds(found.find("bndbox")), category)
        except ValueError as problem:
            diagnostics.append(error("malformed_box", name, f"Object {number}, '{category}': {problem}."))


def _bounds(found: Element | None) -> tuple[float, float, float, float]:
    if found is None:
        raise ValueError("it has no bndbox")
    edges = []
    for edge in ("xmin", "ymin", "xmax", "ymax"):
        text = (found.findtext(edge) or "").strip()
        try:
            value = float(text)
        except ValueError:
            raise ValueError(f"{edge} is '{text}', not a number") from None
        if not abs(value) < 1e9:  # also NaN
            raise ValueError(f"{edge} is {text}, not a coordinate")
        edges.append(value)
    xmin, ymin, xmax, ymax = edges
    return xmin - 1, ymin - 1, xmax - xmin + 1, ymax - ymin + 1
