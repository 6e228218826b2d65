"""A design that is being edited in one browser: read, changed value by value, and what follows from it."""

from collections.abc import Callable, Set
from typing import Any

from viewfinder import design_file
from viewfinder.data.dataset import Dataset as Index
from viewfinder.design import Design, resolve
from viewfinder.errors import InputError
from viewfinder.service.library import analyses, datasets
from viewfinder.service.library.library import Library
from viewfinder.service.library.outlook import outlook
from viewfinder.store import Analysis, Dataset
from viewfinder.web.fields import Setting
from viewfinder.web.frame import off_loop


class Editing:
    """A design as one browser sees it."""

    def __init__(self, library: Library, analysis: Analysis, dataset: Dataset, index: Index) -> None:
        self.library, self.analysis, self.dataset, self.index = library, analysis, dataset, index
        self._told: list[tuple[Callable[[], object], Set[str]]] = []
        self._follow()

    @classmethod
    def load(cls, library: Library, identity: str) -> "Editing":
        """Read it; raise NotFoundError when there is no such analysis."""
        analysis = library.get(Analysis, identity)
        dataset = library.get(Dataset, analysis.dataset_id)
        return cls(library, analysis, dataset, datasets.index(library, dataset))

    def _follow(self) -> None:
        """Work out what follows from the analysis's design."""
        self.design: Design = design_file.parse({"task": self.dataset.task, **self.analysis.design})
        self.default = self._default()
        self.outlook = outlook(self.index, self.design)

    def _default(self) -> Design:
        """Return what each value would be if it had not been changed: of the chosen model, and kind of schedule."""
        training = self.design.training
        chosen = {"model": training.model, "schedule": {"kind": training.schedule.kind}}
        return design_file.parse({"task": self.dataset.task, "training": chosen})

    def _save(self, name: str, value: Any) -> Analysis:
        seen = analyses.get_value(self.analysis.design, name)
        default = design_file.flatten(self.default).get(name)
        self.analysis = analyses.change(self.library, self.analysis.id, name, None if value == default else value, seen)
        self._follow()
        return self.analysis

    async def change(self, name: str, value: Any) -> str | None:
        """Save one value; return what is wrong with it, or None."""
        try:
            await off_loop(self._save, name, value)
        except InputError as error:
            return str(error)
        for tell, names in self._told:
            if not names or name in names:
                tell()
        return None

    def on_change(self, tell: Callable[[], object], names: Set[str] = frozenset()) -> None:
        """Have `tell` called after each change, or after those of some values."""
        self._told.append((tell, names))

    def setting(self, name: str, title: str = "") -> None:
        """Show the control of a setting by its dotted name."""
        section: Any = self.design
        *path, last = name.split(".")
        for key in path:
            section = getattr(section, key)
        default = design_file.flatten(self.default).get(name)
        resolved = design_file.flatten(resolve(self.default)).get(name)
        field = type(section).model_fields[last]
        value = getattr(section, last)
        Setting(name, title or last.replace("_", " ").capitalize(), field, value, default, resolved, self.change)
