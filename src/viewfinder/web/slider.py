"""A slider: the browser's own, with its name and its value in words."""

from typing import Any

from nicegui.elements.mixins.value_element import ValueElement


class Slider(ValueElement[float], component="slider.js"):
    """Moves in steps; a value between two of them stays what it is until the slider is moved."""

    VALUE_PROP = "value"

    def __init__(self, name: str, least: float, most: float, step: float, value: float) -> None:
        super().__init__(value=value, throttle=0.05)
        self._props |= {"name": name, "least": least, "most": most, "step": step}
        self.classes("w-full")

    def _event_args_to_value(self, event: Any) -> float:
        return float(event.args)
