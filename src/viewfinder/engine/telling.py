"""What a training tells: the events of its run's folder."""

from collections.abc import Callable, Sequence
from typing import Any

from viewfinder import events
from viewfinder.engine.examples import Example
from viewfinder.run import RunFolder

EVERY_S = 0.5  # at most one event of a step, or of judging, in this time

Clock = Callable[[], float]


class Teller:
    """Tells events at the time of a clock. Call it with the kind of the event and its values."""

    def __init__(self, run: RunFolder, clock: Clock) -> None:
        self._run, self._clock = run, clock
        self._left_out: set[str] = set()

    def __call__(self, kind: type[events.Event], /, **values: Any) -> None:
        """Tell an event of a kind."""
        self._run.append(kind(time=self._clock(), **values))

    def note(self, message: str) -> None:
        """Tell a sentence."""
        self(events.Note, message=message)

    def readable(self, examples: Sequence[Example]) -> list[Example]:
        """Return the examples that could be read; tell of each other image once."""
        for example in examples:
            if example.error and example.item.name not in self._left_out:
                self._left_out.add(example.item.name)
                self(
                    events.Diagnostic, severity="error", kind="unreadable_image", file=example.item.name,
                    reason=f"It could be read before, but no longer: {example.error}. It was left out.",
                )  # fmt: skip
        return [example for example in examples if not example.error]
