"""Trials: a model that somebody tries in a browser, image by image, by the warm engine."""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from viewfinder.errors import NotFoundError
from viewfinder.messages import Message
from viewfinder.run import RunFolder
from viewfinder.service.library.library import Library, new_id

MOST_FILE_BYTES = 50 << 20
MOST_IMAGES = 100
DEADLINE_S = 60.0
MOST_TRIALS = 1000


@dataclass(frozen=True)
class Samples:
    """Images to try a model on: their names, relative to `root`."""

    root: Path
    images: Sequence[str] = ()

    @classmethod
    def of_run(cls, run: RunFolder) -> "Samples":
        """Return the test images of a run, as far as they are still there to be read."""
        images = run.split().filter(split="test")["image"].to_list()
        return cls(Path(run.info().dataset.root), images)


@dataclass(frozen=True)
class Trial:
    """A page on which the model of a folder is tried."""

    model: Path
    samples: Samples
    id: str = field(default_factory=new_id)


def begin(library: Library, model: Path, samples: Samples) -> Trial:
    """Begin a trial; of very many the oldest ends."""
    trial = Trial(model, samples)
    library.trials[trial.id] = trial
    while len(library.trials) > MOST_TRIALS:
        library.trials.pop(next(iter(library.trials)), None)
    return trial


def get(library: Library, identity: str) -> Trial:
    """Return a trial; raise NotFoundError when it is over."""
    if identity not in library.trials:
        raise NotFoundError("This page is not known any more. Reload it.")
    found: Trial = library.trials[identity]
    return found


def end(library: Library, trial: Trial) -> None:
    """End a trial."""
    library.trials.pop(trial.id, None)


def load(library: Library, trial: Trial) -> "Future[Message]":
    """Have the model loaded, so that the first image does not wait for it."""
    return library.warm.ask(f"{trial.id} load", "load", {"model": str(trial.model)}, deadline_s=DEADLINE_S)


def look(library: Library, trial: Trial, name: str, content: bytes) -> "Future[Message]":
    """Ask what the model finds in an image; see `found`. Of a trial's questions only the latest waits."""
    given = {"model": str(trial.model), "name": name}
    return library.warm.ask(trial.id, "look", given, (content,), DEADLINE_S)


def look_at_sample(library: Library, trial: Trial, number: int) -> "Future[Message]":
    """Ask what the model finds in a sample; raise NotFoundError when there is none of that number."""
    if not 0 <= number < len(trial.samples.images):
        raise NotFoundError(f"There is no sample {number}; there are {len(trial.samples.images)}.")
    name = trial.samples.images[number]
    given = {"model": str(trial.model), "name": name, "path": str(trial.samples.root / name)}
    return library.warm.ask(trial.id, "look", given, deadline_s=DEADLINE_S)


def found(library: Library, answer: Message) -> dict[str, Any]:
    """Return an answer as plain data: `picture` (a digest), `size`, and `boxes` or `classes` before any threshold."""
    return {**answer.head, "picture": library.pictures.keep(answer.blobs[0])}
