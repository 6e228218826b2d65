"""A training as it is seen on stderr: a live picture on a terminal, plain lines elsewhere."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from viewfinder.cli.output import clock, tell, text
from viewfinder.design import Design
from viewfinder.events import AnyEvent, Epoch, Note, Retry, Skipped, Started
from viewfinder.service.progress import TrainingProgress
from viewfinder.words import plural

QUIET_S = 10.0
FIRST, SECOND = "stopping after this step; press again to end at once", "ended; the last finished epoch is kept"


class PlainView:
    """A line for every epoch, and one for the step every ten seconds."""

    def __init__(self, design: Design, now: Callable[[], float] = time.monotonic) -> None:
        self.progress = TrainingProgress.of(design)
        self.now, self.last = now, now()

    def event(self, event: AnyEvent) -> None:
        """Take note of an event."""
        self.progress.add(event)
        if line := told(event, self.progress):
            self.write(line)
            self.last = self.now()

    def tick(self) -> None:
        """Write the step line when it is time."""
        if self.now() - self.last >= QUIET_S:
            self.last = self.now()
            self.write(step_line(self.progress))

    def stopping(self, times: int) -> None:
        """Say that the wish to stop was heard."""
        self.write(FIRST if times == 1 else SECOND)

    def write(self, line: str) -> None:
        """Write a line to stderr, if it is still there."""
        tell(line)


class LiveView:
    """Finished epochs as lines, and below them the current one as it goes."""

    def __init__(self, design: Design, live: Live) -> None:
        self.progress, self.live = TrainingProgress.of(design), live
        self.message = ""

    def event(self, event: AnyEvent) -> None:
        """Take note of an event."""
        self.progress.add(event)
        if line := told(event, self.progress):
            self._safely(lambda: self.live.console.print(line, markup=False, highlight=False))

    def tick(self) -> None:
        """Draw again; the picture itself keeps to a few frames a second."""
        self._safely(lambda: self.live.update(self._picture()))

    def stopping(self, times: int) -> None:
        """Say that the wish to stop was heard."""
        self.message = FIRST if times == 1 else SECOND
        self.tick()

    def _picture(self) -> Group:
        progress = self.progress
        row = Table.grid(padding=(0, 2))
        bar = ProgressBar(total=max(1, progress.steps), completed=progress.step, width=24)
        row.add_row(Text(f"epoch {progress.epoch}/{progress.epochs}", style="bold"), bar, Text(step_facts(progress)))
        message = [Text(self.message, style="yellow")] if self.message else []
        return Group(row, Text(standing(progress), style="dim"), *message)

    def _safely(self, draw: Callable[[], object]) -> None:
        with contextlib.suppress(OSError):  # the terminal may be gone, and the training goes on
            draw()


@contextlib.contextmanager
def watching(design: Design) -> Iterator[PlainView | LiveView]:
    """Yield what shows a training of a resolved design: live where stderr is a terminal."""
    if not sys.stderr.isatty():
        yield PlainView(design)
        return
    console = Console(stderr=True)
    with Live(
        console=console, refresh_per_second=4, transient=True, redirect_stdout=False, redirect_stderr=False
    ) as live:
        yield LiveView(design, live)


def told(event: AnyEvent, progress: TrainingProgress) -> str:
    """Return the line that an event is worth; empty for most."""
    match event:
        case Started():
            trained, parameters = event.parameters
            what = "Training" if event.epoch == 1 else f"Going on with epoch {event.epoch}"
            steps = plural(event.steps, "step")
            return f"{what} on {event.device}: {trained:,} of {parameters:,} parameters, {steps} an epoch"
        case Epoch():
            return epoch_line(event, progress)
        case Note() | Retry() | Skipped():
            return f"Note: {event.message}"
        case _:
            return ""


def epoch_line(event: Epoch, progress: TrainingProgress) -> str:
    """Return a finished epoch as one line."""
    parts = [
        f"epoch {event.epoch}/{progress.epochs}",
        f"train loss {event.train_loss:.4f}",
        f"{progress.monitored_split} loss {event.loss:.4f}",
        f"{progress.metric.name} {text(event.metrics.get(progress.metric.name))}" + (" (best)" if event.best else ""),
        f"{event.images_per_second:.3g} images/s",
        clock(event.seconds),
    ]
    if event.patience_left is not None:
        parts.append(f"patience {event.patience_left} of {progress.patience}")
    return "  ".join(parts)


def step_line(progress: TrainingProgress) -> str:
    """Return the current step as one line."""
    if not progress.epoch:
        return "starting"
    return f"epoch {progress.epoch}/{progress.epochs}  {step_facts(progress)}"


def step_facts(progress: TrainingProgress) -> str:
    """Return step, loss, speed and the time left; while images are judged, how many are done."""
    if progress.judging:
        split, done, images = progress.judging
        return f"judging the {split} split {done:,}/{images:,}"
    facts = [f"step {progress.step:,}/{progress.steps:,}"]
    if progress.loss is not None:
        facts.append(f"loss {progress.loss:.4f}")
    if progress.images_per_second:
        facts.append(f"{progress.images_per_second:.3g} images/s")
    left = progress.seconds_left()
    return "  ".join([*facts, f"about {clock(left)} left"] if left is not None else facts)


def standing(progress: TrainingProgress) -> str:
    """Return metric, best so far and patience."""
    name = progress.metric.name
    if progress.best is None:
        return f"{name} on the {progress.monitored_split} split: after the first epoch"
    best, epoch = progress.best
    facts = [f"{name} {text(progress.value)}", f"best {best:.4f} in epoch {epoch}"]
    if progress.patience_left is not None:
        facts.append(f"patience {progress.patience_left} of {progress.patience}")
    return "  ".join(facts)
