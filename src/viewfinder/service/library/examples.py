"""Examples of each class of a dataset."""

from viewfinder.data.dataset import Dataset as Index

EXAMPLES = 4


def examples(index: Index, each: int = EXAMPLES) -> dict[str, list[str]]:
    """Return the SHA-256 of a few images of each class, those that show only it first."""
    found: dict[str, list[str]] = {name: [] for name in index.classes}
    alone: dict[str, list[str]] = {name: [] for name in index.classes}
    for sha256, shown in zip(index.images["sha256"], index.shown(), strict=True):
        kinds = set(shown)
        for name in kinds:
            into = alone[name] if len(kinds) == 1 else found[name]
            if len(into) < each:
                into.append(sha256)
    return {name: [*alone[name], *found[name]][:each] for name in index.classes}
