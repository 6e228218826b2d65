"""The exceptions a user can meet.

ViewfinderError
├── InputError            the user's input is wrong (command line: exit code 2)
│   ├── SourceError       a source cannot be read or recognised
│   ├── DesignError       a design is not valid
│   ├── WeightsError      weights cannot be had, or are not the model's
│   ├── RunError          a run folder is missing, in use, or not in a state for what was asked
│   └── StoreError        the library cannot be used, or has no such thing
│       ├── NotFoundError there is no such thing
│       ├── StateError    something else needs it, or it is not in a state for what was asked
│       ├── ConflictError somebody else changed the same value meanwhile
│       └── OutdatedError somebody else changed the design since it was read
├── TrainingError         a training failed for a reason of its own
└── EngineError           the warm engine could not answer
    └── OvertakenError    a later request of the same page took this one's place

An error names the thing, the value, the choices and the way out, in one message.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class ViewfinderError(Exception):
    """Anything Viewfinder reports to its user."""


class InputError(ViewfinderError):
    """The user's input is wrong."""


class SourceError(InputError):
    """A source cannot be read or recognised."""


class DesignError(InputError):
    """A design is not valid."""


class WeightsError(InputError):
    """Weights cannot be had, or are not the model's."""


class RunError(InputError):
    """A run folder is missing, in use, or not in a state for what was asked."""


class StoreError(InputError):
    """The library cannot be used, or has no such thing."""


class NotFoundError(StoreError):
    """There is no such thing, or no longer."""


class StateError(StoreError):
    """Something else needs it, or it is not in a state for what was asked."""


class ConflictError(StoreError):
    """Somebody else changed the same value meanwhile: `theirs` is what it is now, `yours` what it was to become."""

    def __init__(self, name: str, theirs: object, yours: object) -> None:
        super().__init__(f"{name} was changed to {theirs} meanwhile, not to your {yours}. Choose one of both.")
        self.name, self.theirs, self.yours = name, theirs, yours


class OutdatedError(StoreError):
    """Somebody else changed the design since it was read."""


class TrainingError(ViewfinderError):
    """A training failed for a reason of its own."""


class EngineError(ViewfinderError):
    """The warm engine could not answer."""


class OvertakenError(EngineError):
    """A later request of the same page took this one's place."""


def unknown(what: str, value: str, choices: Iterable[str]) -> str:
    """Return the message for a name that is not one of `choices`, with the nearest one."""
    names = list(choices)
    near = get_close_matches(value, names, n=1, cutoff=0.5)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return f"Unknown {what} '{value}'. Choose one of: {', '.join(names)}.{hint}"
