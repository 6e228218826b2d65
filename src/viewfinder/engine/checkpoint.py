"""The checkpoint: everything that a resumed training needs to go on as if it had never stopped."""

import zipfile
from dataclasses import asdict

import torch
from torch import nn

from viewfinder.atomic import replace
from viewfinder.engine.progress import Progress
from viewfinder.engine.step import Steps
from viewfinder.engine.telling import Clock
from viewfinder.errors import RunError
from viewfinder.run import RunFolder

FILE, LACK = "state.pt", "together"
FIRST_S, MOST_S, SHARE = 30.0, 180.0, 0.01


class Checkpoint:
    """The checkpoint of a training under way, saved at every epoch's end and, in a long one, every few minutes at most.

    Inside an epoch saving takes no more than a hundredth of the time.
    """

    def __init__(self, run: RunFolder, network: nn.Module, steps: Steps, progress: Progress, clock: Clock) -> None:
        self._run, self._network, self._steps, self._progress, self._clock = run, network, steps, progress, clock
        self._saved, self._interval_s = clock(), FIRST_S

    def save(self) -> None:
        """Replace the checkpoint in one step: the earlier one stays until this one is on the disk."""
        if not self._run.leads:
            return
        began = self._clock()
        state = {"network": self._network.state_dict(), **self._steps.state(), "progress": asdict(self._progress)}
        folder = self._run.path / "checkpoint"
        folder.mkdir(exist_ok=True)
        replace(folder / FILE, lambda file: torch.save(state, file))
        self._saved = self._clock()
        self._interval_s = min(MOST_S, (self._saved - began) / SHARE)

    def save_if_due(self) -> None:
        """Save it, if the last time is long enough ago."""
        if self._clock() - self._saved >= self._interval_s:
            self.save()


def restored(run: RunFolder, network: nn.Module, steps: Steps) -> Progress:
    """Restore the network and what takes its steps; return how far the training was.

    Without a checkpoint it starts anew. No random state is kept: every step's is a function of (seed, epoch, step).
    """
    path = run.path / "checkpoint" / FILE
    if not path.is_file():
        if run.epochs().height:
            raise RunError(
                f"The run '{run.path}' has lost its checkpoint ('{path}'), so it cannot go on. Its model can be used; "
                "`viewfinder train` starts a new run."
            )
        return _fitting(run, Progress())
    try:
        with zipfile.ZipFile(path) as file:
            if wrong := file.testzip():  # torch does not look at checksums
                raise ValueError(f"'{wrong}' is not as it was written")
        state = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict(state["network"])
        steps.restore(state)
        return _fitting(run, Progress(**state["progress"]))
    except Exception as error:
        raise RunError(
            f"The checkpoint '{path}' is damaged ({type(error).__name__}), so the run cannot go on. Its model can be "
            "used; `viewfinder train` starts a new run."
        ) from error


def note_lack(run: RunFolder, together: int) -> None:
    """Note how many images at a time fit into memory, for processes that start again from the last checkpoint."""
    folder = run.path / "checkpoint"
    folder.mkdir(exist_ok=True)
    replace(folder / LACK, lambda file: file.write(str(together).encode()))


def _fitting(run: RunFolder, progress: Progress) -> Progress:
    """Return the progress with no more images at a time than were noted to fit into memory."""
    path = run.path / "checkpoint" / LACK
    if path.is_file():
        noted = int(path.read_text(encoding="ascii"))
        progress.together = min(progress.together or noted, noted)
    return progress
