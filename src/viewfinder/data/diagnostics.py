"""What is wrong, or worth a look, in a dataset: never raised, always listed."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

SEVERITIES = ("error", "warning", "info")


@dataclass(frozen=True)
class Diagnostic:
    """One finding about one file.

    `severity`: "error" means that the image, row or box was left out, "warning" that it was kept but deserves a look,
    "info" that nothing needs to be done. `kind` is a short slug, the same for all findings of a sort. `file` is
    relative to the source with `/`, or empty when the finding is about the whole. `reason` is a sentence.
    """

    severity: str
    kind: str
    file: str
    reason: str

    def __post_init__(self) -> None:
        if self.severity not in SEVERITIES:
            raise ValueError(f"severity must be one of {SEVERITIES}, not {self.severity!r}")

    def as_dict(self) -> dict[str, str]:
        """Return the finding as plain data."""
        return asdict(self)


def ordered(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Return the distinct findings: the gravest first, then by kind and file."""
    return tuple(sorted(set(diagnostics), key=lambda d: (SEVERITIES.index(d.severity), d.kind, d.file, d.reason)))


def grouped(diagnostics: Iterable[Diagnostic], examples: int = 10) -> list[dict[str, Any]]:
    """Return one entry for each severity and kind, with its count and its first `examples` findings."""
    groups: dict[tuple[str, str], dict[str, Any]] = {}
    for one in ordered(diagnostics):
        empty = {"severity": one.severity, "kind": one.kind, "count": 0, "examples": []}
        group = groups.setdefault((one.severity, one.kind), empty)
        group["count"] += 1
        if group["count"] <= examples:
            group["examples"].append({"file": one.file, "reason": one.reason})
    return list(groups.values())
