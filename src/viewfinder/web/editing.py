"""A design that is being edited in one browser: read, changed value by value, and what follows from it."""

import asyncio
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from functools import partial
from typing import Any

from viewfinder import design_file
from viewfinder.data.dataset import Dataset as Index
from viewfinder.design import Design, resolve
from viewfinder.errors import ConflictError, InputError
from viewfinder.service.devices import Device, devices
from viewfinder.service.library import analyses, datasets
from viewfinder.service.library.calibration import machine_speed
from viewfinder.service.library.examples import examples
from viewfinder.service.library.library import Library
from viewfinder.service.library.outlook import Parts, outlook, parts_of
from viewfinder.service.models import weights_at_hand
from viewfinder.store import Analysis, Dataset
from viewfinder.web.fields import Setting
from viewfinder.web.frame import off_loop


@dataclass(frozen=True)
class Refusal:
    """Why a value was not saved; `theirs` is what somebody else set it to, where that is why."""

    text: str
    conflict: bool = False
    theirs: Any = None


class Editing:
    """A design as one browser sees it; what others change in it is followed."""

    def __init__(self, library: Library, analysis: Analysis, dataset: Dataset, index: Index) -> None:
        self.library, self.analysis, self.dataset, self.index = library, analysis, dataset, index
        self.group_columns: list[str] = []
        self.classes: list[dict[str, Any]] = []
        self.examples: dict[str, list[str]] = {}
        self.devices: list[Device] = []
        self.weights: dict[str, str] = {}
        self.fields: dict[str, Setting] = {}
        self._told: list[tuple[Callable[[], object], Set[str]]] = []
        self._lasting = 0
        self._turn = asyncio.Lock()  # what is shown is what was read last: changes and looks follow one another
        self.speed = partial(machine_speed, library)
        self._parts: dict[Any, Parts] = {}
        self._outlooks: list[Any] = []  # the design that was looked at last, what divides it, and what it would do
        self._follow()

    @classmethod
    def load(cls, library: Library, identity: str, tab: str) -> "Editing":
        """Read it, and what a tab shows besides; raise NotFoundError when there is no such analysis."""
        analysis = library.get(Analysis, identity)
        dataset = library.get(Dataset, analysis.dataset_id)
        editing = cls(library, analysis, dataset, datasets.index(library, dataset))
        if tab == "split":
            editing.group_columns = datasets.group_columns(dataset)
        elif tab == "target":
            editing.classes = datasets.summary(library, dataset)["classes"]
            editing.examples = examples(editing.index)
        elif tab == "runtime":
            editing.devices = devices()
        elif tab == "training":
            editing.weights = weights_at_hand()
        return editing

    def _follow(self) -> None:
        """Work out what follows from the analysis's design."""
        if self._outlooks[:1] != [self.analysis.design]:
            self._check(self.analysis.design)
        self.design: Design = design_file.parse(self._with_task(self.analysis.design))
        _, divides, self.outlook = self._outlooks
        self.default, self.parts = self._default(), self._parts[divides]

    def _check(self, values: dict[str, Any]) -> None:
        """Work out what a design would do; raise InputError when it will not do."""
        design = design_file.parse(self._with_task(values))
        divides = design.split, design.target
        if divides not in self._parts:
            self._parts[divides] = parts_of(self.library, self.dataset, self.index, design)
        self._outlooks = [values, divides, outlook(self._parts[divides], design, self.speed)]

    def _with_task(self, values: dict[str, Any]) -> dict[str, Any]:
        return {"task": self.dataset.task, **values}

    def _default(self) -> Design:
        """Return what each value would be if it had not been changed: of the chosen model, and kind of schedule."""
        training = self.design.training
        chosen = {"model": training.model, "schedule": {"kind": training.schedule.kind}}
        return design_file.parse(self._with_task({"training": chosen}))

    # -- changes ------------------------------------------------------------------------------------------------------

    def value(self, name: str) -> Any:
        """Return what a setting is, by its dotted name."""
        found: Any = self.design
        for key in name.split("."):
            found = getattr(found, key, None)
        return found

    async def change(self, name: str, value: Any) -> Refusal | None:
        """Save one value, and tell all that follows from it; return what is wrong with it, or None."""
        async with self._turn:
            if value == self.value(name):
                return None
            before = design_file.flatten(self.design)
            try:
                await off_loop(self._save, name, value)
            except ConflictError as error:
                await self._take_over()
                return Refusal(str(error), conflict=True, theirs=self.value(name))
            except InputError as error:
                return Refusal(_without_name(str(error), name))
            self._show_changes(before, name)  # what is saved holds what others changed just before, too
            return None

    async def change_whole(self, values: dict[str, Any]) -> Refusal | None:
        """Save another design in the place of this one, and tell all; return what is wrong with it, or None."""
        async with self._turn:
            try:
                await off_loop(self._replace, values)
            except InputError as error:
                return Refusal(str(error))
            self._tell(self._all)
            return None

    async def follow(self) -> None:
        """Take over what others changed."""
        async with self._turn:
            await self._take_over()

    async def _take_over(self) -> None:
        row = await off_loop(self.library.get, Analysis, self.analysis.id)
        if row.version <= self.analysis.version:
            return
        before = design_file.flatten(self.design)
        await off_loop(self._see, row)
        self._show_changes(before)

    def _show_changes(self, before: Mapping[str, Any], own: str = "") -> None:
        """Show what is another value than before, and tell all that follows; `own` was changed here."""
        after = design_file.flatten(self.design)
        changed = {name for name in {*before, *after} if before.get(name) != after.get(name)}
        for name in changed & set(self.fields):
            if name != own and not name.startswith(f"{own}."):
                self.fields[name].show(self.value(name), theirs=True)
        whole = {"training.schedule"} if "training.schedule.kind" in changed else set()
        self._tell(changed | whole | ({own} if own else set()))

    def _save(self, name: str, value: Any) -> None:
        seen = analyses.get_value(self.analysis.design, name)
        default = design_file.flatten(self.default).get(name)
        saved = None if value == default else value
        self._check(analyses.with_value(self.analysis.design, name, saved))
        self._see(analyses.change(self.library, self.analysis.id, name, saved, seen))

    def _replace(self, values: dict[str, Any]) -> None:
        self._check(values)
        self._see(analyses.replace(self.library, self.analysis.id, values, self.analysis.version))

    def _see(self, row: Analysis) -> None:
        self.analysis = row
        self._follow()

    # -- what follows -------------------------------------------------------------------------------------------------

    @property
    def _all(self) -> Set[str]:
        return {name for _, names in self._told for name in names}

    def _tell(self, changed: Set[str]) -> None:
        for tell, names in list(self._told):
            if not names or names & changed:
                tell()

    def on_change(self, tell: Callable[[], object], names: Set[str] = frozenset()) -> None:
        """Have `tell` called after each change, or after those of some values."""
        self._told.append((tell, names))

    def drawing(self, first: bool) -> None:
        """Forget the controls of a tab that is drawn again, and what was to be told to them."""
        if first:
            self._lasting = len(self._told)
        del self._told[self._lasting :]
        self.fields.clear()

    def setting(self, name: str, title: str = "", choices: list[str] | None = None) -> None:
        """Show the control of a setting by its dotted name; `choices` are offered where its type names none."""
        section = self.value(name.rpartition(".")[0])
        last = name.rpartition(".")[2]
        default = design_file.flatten(self.default).get(name)
        resolved = design_file.flatten(resolve(self.default)).get(name)
        field = type(section).model_fields[last]
        shown = title or last.replace("_", " ").capitalize()
        made = Setting(name, shown, field, getattr(section, last), default, resolved, self.change, choices)
        self.fields[name] = made


def _without_name(text: str, name: str) -> str:
    """Return what is wrong with a value without the dotted name of the setting, or of its section: it stands there."""
    return text.removeprefix(f"{name}: ").removeprefix(f"{name.rpartition('.')[0]}: ")
