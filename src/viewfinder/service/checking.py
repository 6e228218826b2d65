"""The pre-flight report: what is in a source, and what is wrong with it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viewfinder.data.check import summarise
from viewfinder.data.dataset import Dataset
from viewfinder.data.diagnostics import Diagnostic
from viewfinder.data.split import assign
from viewfinder.design import Split
from viewfinder.errors import InputError
from viewfinder.service.source import Progress, Source, load


@dataclass(frozen=True)
class Check:
    """What was found in a source."""

    source: Source
    dataset: Dataset

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """Everything that was left out or deserves a look."""
        return self.dataset.diagnostics

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain data: the dataset's summary, and every single finding."""
        findings = [diagnostic.as_dict() for diagnostic in self.diagnostics]
        summary = summarise(self.dataset)
        return {"source": str(self.source.path), **summary, "obstacle": self.obstacle(), "all_diagnostics": findings}

    def obstacle(self) -> str | None:
        """Return why the default design could not be trained on it; None if it could."""
        split = Split()
        try:
            assign(
                self.dataset,
                test_ratio=split.test_ratio,
                validation_ratio=split.validation_ratio,
                stratify=split.stratify,
                seed=split.seed,
            )
        except InputError as error:
            return str(error)
        return None


def check(source: Source | Path | str, *, group_column: str | None = None, progress: Progress | None = None) -> Check:
    """Read a source, open every image, and return what is in it; raise SourceError when it cannot be read."""
    source = Source.of(source)
    return Check(source, load(source, group_column=group_column, progress=progress))
