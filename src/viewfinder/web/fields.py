"""A control for each setting of a design, made from its declaration: its type, its bounds and its help."""

import time
import types
from collections.abc import Awaitable, Callable
from typing import Any, Literal, Protocol, Union, get_args, get_origin

from nicegui import ui
from nicegui.elements.mixins.value_element import ValueElement
from pydantic.fields import FieldInfo


class Refused(Protocol):
    """Why a value was not saved; `theirs` is what somebody else set it to, where that is why."""

    @property
    def text(self) -> str:
        """What is wrong with it."""

    @property
    def conflict(self) -> bool:
        """Whether somebody else changed it meanwhile."""

    @property
    def theirs(self) -> Any:
        """What they changed it to."""


Change = Callable[[str, Any], Awaitable[Refused | None]]
"""Called with a dotted name and its new value, None for the default; returns what is wrong with it, or None."""
THEIRS_WAIT_S = 3.0  # what was typed here so long ago is taken as seen by whoever typed it


class Setting:
    """One setting of a design on a page: its control, whether it was changed, and what is wrong with it."""

    def __init__(
        self,
        name: str,
        title: str,
        field: FieldInfo,
        value: Any,
        default: Any,
        resolved: Any,
        change: Change,
        choices: list[str] | None = None,
    ) -> None:
        self.name, self.default, self.change, self.field = name, default, change, field
        self.choices = choices or _choices(field.annotation)
        self.yours: Any = value
        self.edited, self.inside = -THEIRS_WAIT_S, False
        auto = f" (auto is {shown(resolved)})" if resolved != "auto" == default else ""
        self.help = (field.description or "") + auto
        with ui.column().classes("w-full gap-1"):
            with ui.row().classes("w-full items-center justify-between no-wrap"):
                self.control = self._control(title, value)
                self.reset = ui.button(icon="undo", on_click=self._reset).props("flat round dense size=sm")
                self.reset.props(f'aria-label="{title}: back to the default"').tooltip(f"Back to {shown(default)}")
            self.wrong = ui.label().classes("vf-wrong text-sm").props("role=alert")
            with ui.row().classes("gap-2") as self.both:
                self.theirs = ui.button(on_click=self._keep_theirs).props("outline no-caps dense padding='2px 8px'")
                self.mine = ui.button(on_click=self._keep_mine).props("outline no-caps dense padding='2px 8px'")
        self._mark(value)
        self.wrong.visible = self.both.visible = False

    def _control(self, title: str, value: Any) -> ValueElement[Any]:
        help_text = self.help
        if bool in _kinds(self.field.annotation):
            control: ValueElement[Any] = ui.switch(title, value=value, on_change=self._changed).tooltip(help_text)
        elif self.choices and not _numeric(self.field.annotation):
            none: dict[str | None, str] = {None: "none"} if type(None) in _kinds(self.field.annotation) else {}
            options = none | dict(zip(self.choices, self.choices, strict=True))
            control = ui.select(options, label=title, value=value, on_change=self._changed).props(f'hint="{help_text}"')
        else:
            control = ui.input(title, value=shown(value)).props(f'hint="{help_text}" debounce=400')
            control.on_value_change(self._changed)
            control.on("focus", lambda: self._enter(True)).on("blur", lambda: self._enter(False))
        return control.classes("grow").props("outlined dense")

    def _enter(self, inside: bool) -> None:
        self.inside = inside

    async def _changed(self, event: Any) -> None:
        value = _typed(event.value, self.field.annotation)
        if value == self.yours:  # it was shown, not typed
            return
        self.yours, self.edited = value, time.monotonic()
        await self._save()

    async def _save(self) -> None:
        refused = await self.change(self.name, self.yours)
        if refused and refused.conflict:
            self._offer(refused.theirs)
            return
        self._say(refused.text if refused else "")
        self._mark(self.yours)

    async def _reset(self) -> None:
        self._put(self.default)

    def _put(self, value: Any) -> None:
        self.control.value = shown(value) if isinstance(self.control, ui.input) else value

    def _say(self, wrong: str) -> None:
        self.wrong.text, self.wrong.visible, self.both.visible = wrong, bool(wrong), False

    def show(self, value: Any, theirs: bool = False) -> None:
        """Show what a setting is now; what is being typed here, or was just before, is not overwritten but offered."""
        is_typed = self.inside or time.monotonic() - self.edited < THEIRS_WAIT_S
        if theirs and is_typed and self.yours != value:
            self._offer(value)
            return
        self.yours = value
        self._put(value)
        self._say("")
        self._mark(value)

    def _offer(self, theirs: Any) -> None:
        """Let the user choose between what somebody else set and what was typed here."""
        self._say(f"Somebody else set this to {shown(theirs)} meanwhile.")
        self.theirs_value, self.both.visible = theirs, True
        self.theirs.text, self.mine.text = f"Keep {shown(theirs)}", f"Use {shown(self.yours)}"

    def _keep_theirs(self) -> None:
        self.show(self.theirs_value)

    async def _keep_mine(self) -> None:
        self._put(self.yours)
        await self._save()

    def _mark(self, value: Any) -> None:
        self.reset.visible = value != self.default


def _typed(value: Any, annotation: Any) -> Any:
    """Return what was typed as a number where it may be one; the design says what is wrong with anything else."""
    if not isinstance(value, str) or not _numeric(annotation):
        return value
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value.strip()


def shown(value: Any) -> str:
    """Return a value as it is typed."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _kinds(annotation: Any) -> tuple[Any, ...]:
    """Return the plain types that an annotation names."""
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        return tuple(kind for part in get_args(annotation) for kind in _kinds(part))
    if hasattr(annotation, "__metadata__"):
        return _kinds(get_args(annotation)[0])
    return (annotation,)


def _numeric(annotation: Any) -> bool:
    return any(kind in (int, float) for kind in _kinds(annotation))


def _choices(annotation: Any) -> list[str]:
    return [str(value) for kind in _kinds(annotation) if get_origin(kind) is Literal for value in get_args(kind)]
