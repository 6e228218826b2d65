"""Designs as text: YAML or JSON read with clear errors, and written with a comment for every setting."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from viewfinder.design import (
    Design,
    ExponentialSchedule,
    NoSchedule,
    PlateauSchedule,
    Section,
    StepSchedule,
    merge,
)
from viewfinder.errors import DesignError

NULLS = {"null", "Null", "NULL", "~", ""}


class _TextLoader(yaml.BaseLoader):
    """Reads every value as text, but for a null without quotes; in a list that is text too: a class may be named so."""

    def construct_scalar(self, node: Any) -> Any:
        return None if node.style is None and node.value in NULLS else node.value

    def construct_sequence(self, node: Any, deep: bool = False) -> Any:
        return [
            child.value if isinstance(child, yaml.ScalarNode) else self.construct_object(child, deep)
            for child in node.value
        ]

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                problem = f"'{key.value}' is there twice; keep one"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


SCHEDULES: dict[str, type[Section]] = {
    "plateau": PlateauSchedule,
    "step": StepSchedule,
    "exponential": ExponentialSchedule,
    "none": NoSchedule,
}


def parse(data: Mapping[str, Any]) -> Design:
    """Return the design that nested values describe; raise DesignError with one line for each thing that is wrong."""
    try:
        return Design.model_validate(data)
    except ValidationError as error:
        lines = {_path(e["loc"]): _explain(e, data) for e in error.errors()}
        raise DesignError("\n".join(lines.values())) from None


def read(path: Path) -> dict[str, Any]:
    """Return what a design file says, nested as in the file; the values stay text until `parse` types them.

    Reading them as text keeps class names such as 01 and no what they are.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DesignError(f"The design file '{path}' does not exist.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DesignError(f"The design file '{path}' cannot be read: {error}.") from None
    return loads(text, str(path))


def loads(text: str, name: str = "design") -> dict[str, Any]:
    """Return what a design in YAML or JSON says; `name` stands for it in errors."""
    try:
        data = yaml.load(text, Loader=_TextLoader)
    except RecursionError:
        raise DesignError(f"{name} is not a design: it is nested too deeply.") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise DesignError(f"{name} is not valid YAML{where}: {getattr(error, 'problem', error)}.") from None
    data = {} if data is None else data
    if not isinstance(data, dict):
        what = type(data).__name__
        raise DesignError(f"{name} is not a design: it holds a {what}, not sections such as 'training:'.")
    return data


def set_value(data: Mapping[str, Any], assignment: str) -> dict[str, Any]:
    """Return `data` with one `section.key=value` laid over it.

    Another `schedule.kind` replaces the keys of the old kind.
    """
    path, equals, value = assignment.partition("=")
    if not equals or not path.strip():
        raise DesignError(f"--set takes section.key=value, such as training.epochs=3; '{assignment}' is not that.")
    nested: Any = loads(f"value: {value}", f"--set {assignment}").get("value")
    for key in reversed(path.strip().split(".")):
        nested = {key: nested}
    return merge(data, nested)


def dumps(design: Design) -> str:
    """Return the design as YAML with a comment for every setting; `parse(loads(…))` gives the same design back."""
    lines = list(_section(design, 0))
    width = max((len(line) for line, comment in lines if comment and len(line) < 58), default=0) + 2
    rows = [f"{line.ljust(width)}# {comment}" if comment else line for line, comment in lines]
    return "\n".join(rows) + "\n"


def flatten(design: Design) -> dict[str, Any]:
    """Return every setting of a design under its dotted name, such as `training.schedule.kind`."""
    return dict(_flat(design.model_dump(mode="json"), ""))


def difference(design: Design, other: Design) -> dict[str, tuple[Any, Any]]:
    """Return the settings in which two designs differ: dotted name → (value in `design`, value in `other`)."""
    a, b = flatten(design), flatten(other)
    return {key: (a.get(key), b.get(key)) for key in [*a, *(k for k in b if k not in a)] if a.get(key) != b.get(key)}


def _flat(data: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in data.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _section(section: BaseModel, depth: int) -> Iterator[tuple[str, str]]:
    for name, field in type(section).model_fields.items():
        value, indent = getattr(section, name), "  " * depth
        if isinstance(value, Section):
            yield f"{indent}{name}:", field.description or ""
            yield from _section(value, depth + 1)
        else:
            yield f"{indent}{name}: {_scalar(value)}", field.description or ""


def _scalar(value: Any) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_quoted(item) for item in value) + "]"
    if isinstance(value, str):
        return value if value.replace("_", "").isalnum() and value not in NULLS else _quoted(value)
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _quoted(text: str) -> str:
    return '"' + "".join(_escaped(character) for character in text) + '"'


def _escaped(character: str) -> str:
    """Return a character as it stands in double quotes in YAML."""
    if character in '"\\':
        return "\\" + character
    return character if character.isprintable() else f"\\U{ord(character):08x}"


def _explain(error: Any, data: Mapping[str, Any]) -> str:
    """Return one pydantic error as a sentence that names the setting, its value, the choices and the way out."""
    path, value = _path(error["loc"]), error["input"]
    location = path.split(".")
    kind, context = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return f"Unknown setting '{path}'.{_nearest(location, data)}"
    if kind == "value_error":
        message = str(context.get("error", error["msg"]))
        return f"{path}: {message}." if path and not message.startswith(path) else message
    if kind in {"union_tag_invalid", "union_tag_not_found"}:
        return f"{path}.kind: Choose one of: {', '.join(SCHEDULES)}."
    if kind == "literal_error":
        return f"{path}: '{value}' is not one of the choices: {_choices(context['expected'], str(value))}"
    message = error["msg"].removeprefix("Input should be ").split(", unable")[0]
    message = message.replace("a valid integer", "a whole number").replace("a valid boolean", "true or false")
    or_auto = " (or auto)" if path in _MAY_BE_AUTO else ""
    return f"{path}: '{value}' is not possible; it must be {message}{or_auto}."


def _choices(expected: str, value: str) -> str:
    names = expected.replace("'", "").replace(" or ", ", ").split(", ")
    near = get_close_matches(value, names, n=1, cutoff=0.5)
    return ", ".join(names) + "." + (f" Did you mean '{near[0]}'?" if near else "")


def _path(location: Sequence[int | str]) -> str:
    """Return the dotted name of a setting, without the tags of unions that pydantic adds."""
    parts = [str(part) for part in location if str(part) not in _UNION_TAGS]
    return ".".join(p for i, p in enumerate(parts) if i == 0 or parts[i - 1] != "schedule" or p not in SCHEDULES)


_MAY_BE_AUTO = {
    *(f"training.{name}" for name in ("input_size", "retrained_layers", "learning_rate", "weight_decay")),
    *(f"training.{name}" for name in ("gradient_clip", "epochs", "early_stopping.min_delta", "batch_size")),
    "runtime.workers",
    "runtime.views",
}
_UNION_TAGS = {
    "literal['auto']",
    "literal['none']",
    "int",
    "float",
    "str",
    "constrained-int",
    "constrained-float",
    "tuple[str, ...]",
}


def _nearest(location: Sequence[str], data: Mapping[str, Any]) -> str:
    names = _settings(location[:-1], data)
    near = get_close_matches(location[-1], names, n=1, cutoff=0.5)
    prefix = "".join(f"{part}." for part in location[:-1])
    hint = f" Did you mean '{prefix}{near[0]}'?" if near else ""
    return f"{hint} Choices: {', '.join(names)}." if names else hint


def _settings(location: Sequence[str], data: Mapping[str, Any]) -> list[str]:
    """Return the names that are valid in the section at `location`."""
    section: type[BaseModel] = Design
    for part in location:
        if part == "schedule":
            kind = str(data.get("training", {}).get("schedule", {}).get("kind", "plateau"))
            section = SCHEDULES.get(kind, PlateauSchedule)
        else:
            annotation = section.model_fields[part].annotation
            assert isinstance(annotation, type)
            section = annotation
    return list(section.model_fields)
