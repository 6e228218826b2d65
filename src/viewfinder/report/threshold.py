"""At which threshold a detector was judged, and which one its model uses."""

import re

_SAID = re.compile(r"(when a box counts from a confidence of [^\s,:;<]+)[^<]*")


def words(judged_at: float, in_use: float | None) -> str:
    """Return the end of the sentence that says it; `in_use` None: that of other data, judged as the model reports."""
    said = f"when a box counts from a confidence of {judged_at:.3g}"
    return _ended(said, judged_at, in_use) if in_use is not None else f"{said}, as the model was set."


def retold(text: str, judged_at: float, in_use: float) -> str:
    """Return a sentence, or a page, that says which threshold the model uses with the one that it uses now."""
    return _SAID.sub(lambda said: _ended(said[1], judged_at, in_use), text, count=1)


def _ended(said: str, judged_at: float, in_use: float) -> str:
    if in_use == judged_at:
        return f"{said}, the optimum, which the model uses."
    return f"{said}, the optimum; the model now uses {in_use:.3g}."
