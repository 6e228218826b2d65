"""A control for each setting of a design, made from its declaration: its type, its bounds and its help."""

import types
from collections.abc import Awaitable, Callable
from typing import Any, Literal, Union, get_args, get_origin

from nicegui import ui
from nicegui.elements.mixins.value_element import ValueElement
from pydantic.fields import FieldInfo

Change = Callable[[str, Any], Awaitable[str | None]]
"""Called with a dotted name and its new value, None for the default; returns what is wrong with it, or None."""


class Setting:
    """One setting of a design on a page: its control, whether it was changed, and what is wrong with it."""

    def __init__(
        self, name: str, title: str, field: FieldInfo, value: Any, default: Any, resolved: Any, change: Change
    ) -> None:
        self.name, self.default, self.change, self.field = name, default, change, field
        self.help = (field.description or "") + (
            f" (auto is {_shown(resolved)})" if resolved != "auto" == default else ""
        )
        with ui.column().classes("w-full gap-1"):
            with ui.row().classes("w-full items-center justify-between no-wrap"):
                self.control = self._control(title, value)
                self.reset = ui.button(icon="undo", on_click=self._reset).props("flat round dense size=sm")
                self.reset.props(f'aria-label="{title}: back to the default"').tooltip(f"Back to {_shown(default)}")
            self.wrong = ui.label().classes("vf-wrong text-sm").props("role=alert")
        self._mark(value)
        self.wrong.visible = False

    def _control(self, title: str, value: Any) -> ValueElement[Any]:
        choices, help_text = _choices(self.field.annotation), self.help
        if bool in _kinds(self.field.annotation):
            control: ValueElement[Any] = ui.switch(title, value=value, on_change=self._changed).tooltip(help_text)
        elif choices and not _numeric(self.field.annotation):
            control = ui.select(choices, label=title, value=value, on_change=self._changed).props(f'hint="{help_text}"')
        else:
            control = ui.input(title, value=_shown(value)).props(f'hint="{help_text}" debounce=400')
            control.on_value_change(self._changed)
        return control.classes("grow").props("outlined dense")

    async def _changed(self, event: Any) -> None:
        value = _typed(event.value, self.field.annotation)
        wrong = await self.change(self.name, value)
        self.wrong.text, self.wrong.visible = wrong or "", bool(wrong)
        self._mark(value)

    async def _reset(self) -> None:
        self.control.value = self.default if isinstance(self.default, bool) else _shown(self.default)

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


def _shown(value: Any) -> str:
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
