"""What a training tells: the events of its run's folder."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

from viewfinder import events
from viewfinder.engine.examples import Example
from viewfinder.engine.progress import Progress
from viewfinder.run import RunFolder
from viewfinder.words import plural

SEPARATE_STATISTICS = (
    "Batch norms that learn see the images of their own process only; those of the first process are saved."
)
CHANGED = "The design was changed: from epoch {} on the run is trained by it as it is now."
MOST_NAMED = 3
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

    def step(self, progress: Progress, rate: float, steps: int) -> None:
        """Tell how far an epoch of some steps is."""
        self(
            events.Step, epoch=progress.epoch, step=progress.step, steps=steps,
            loss=progress.loss_sum / max(progress.images, 1), learning_rate=rate,
            images_per_second=progress.images / max(progress.seconds, 1e-9),
        )  # fmt: skip

    @property
    def left_out(self) -> list[str]:
        """The images that could not be read, by their names."""
        return sorted(self._left_out)

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


def left_out(names: Collection[str]) -> str:
    """Say in a sentence that images could not be read, with some of their names."""
    named = ", ".join(sorted(names)[:MOST_NAMED]) + (", …" if len(names) > MOST_NAMED else "")
    return (
        f"{plural(len(names), 'image')} could not be read or had been replaced since the data was imported, and so "
        f"{'was' if len(names) == 1 else 'were'} left out: {named}. The report names each."
    )
