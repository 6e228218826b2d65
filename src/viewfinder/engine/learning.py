"""Learning from a batch: as a whole or, where memory does not suffice, in parts whose gradients are added up."""

import math
from contextlib import nullcontext
from functools import partial

import torch
from torch import Tensor, nn

from viewfinder import events
from viewfinder.catalogue import Model
from viewfinder.design import Training
from viewfinder.engine import failures, layers, memory
from viewfinder.engine.feed import Feed
from viewfinder.engine.group import Group
from viewfinder.engine.progress import Progress
from viewfinder.engine.step import Steps, step_seed
from viewfinder.engine.task import Batch, TaskEngine
from viewfinder.engine.telling import Teller
from viewfinder.errors import TrainingError


class TooLarge(Exception):  # noqa: N818 - it is no error
    """A step did not fit into memory. Nothing has changed but that fewer images are to be computed at a time."""


class Learner:
    """Takes the optimizer steps of a run. How many images it computes at a time is part of the progress.

    Batch norms that learn see the images of a part together, not those of the whole step.
    """

    def __init__(
        self,
        training: Training,
        row: Model,
        task: TaskEngine,
        feed: Feed,
        steps: Steps,
        progress: Progress,
        seed: int,
        group: Group,
    ) -> None:
        self._training, self._row, self._task, self._feed = training, row, task, feed
        self._steps, self._progress, self._seed, self._group = steps, progress, seed, group
        self._keep = task.keep_statistics and training.weights != "none"
        self._joined: nn.Module | None = None

    def learn(self, batch: Batch | None, rate: float, tell: Teller) -> tuple[float, int]:
        """Take one optimizer step; return the mean loss of its images, and their number, those of all processes.

        A loss that is not finite changes nothing. `batch` None: none of this process's images can be read. When it does
        not fit into memory, raises TooLarge, and half as many images are to be computed at a time; TrainingError when
        it was one already.
        """
        weight, images = self._group.sums(self._task.weight(batch) if batch else 0.0, len(batch.sizes) if batch else 0)
        if not images:
            return 0.0, 0
        try:
            return self._step(batch, weight, rate), int(images)
        except Exception as error:
            if not memory.is_lack(error):
                raise
            lack = str(error)
        # by now nothing holds what the step had in memory
        self._take_less(len(batch.sizes) if batch else 1, lack, tell)
        raise TooLarge

    def _step(self, batch: Batch | None, whole: float, rate: float) -> float:
        torch.manual_seed(step_seed(self._seed, self._progress.epoch, self._progress.step, self._group.rank))
        if self._joined is None:
            self._joined = self._group.joined(self._feed.network)
        group, counts = self._group, batch is not None
        batch = batch or self._feed.blank()
        parts = batch.parts(self._progress.together or len(batch.sizes))
        weights = [self._task.weight(part) if counts else 0.0 for part in parts]
        shares = [weight / whole * group.size for weight in weights] if len(parts) * group.size > 1 else [1.0]
        losses = [partial(self._loss, part, part is not parts[-1]) for part in parts]
        agreed = (lambda loss: group.sums(loss)[0] / group.size) if group.size > 1 else float
        return self._steps.take_in_parts(self._feed.network, zip(shares, losses, strict=True), rate, agreed)

    def _loss(self, part: Batch, more: bool) -> Tensor:
        """Return the mean loss; for an image that is alone in a step, batch norms keep their statistics.

        So they do for steps of one image each, where that leaves them a single value: nothing deviates from it. With
        `more` parts to come, its gradients are not shared yet.
        """
        assert self._joined is not None
        of_one_value = int(self._training.input_size) <= layers.STRIDE
        alone = len(part.sizes) == 1 and (int(self._training.batch_size) > 1 or of_one_value)
        layers.train_mode(self._feed.network, self._row, int(self._training.retrained_layers), self._keep or alone)
        with self._group.apart(self._joined) if more else nullcontext():
            loss: Tensor = self._task.loss(self._joined, part)["loss"]
        return loss

    def _take_less(self, images: int, reason: str, tell: Teller) -> None:
        """Compute half as many images at a time from here on."""
        progress = self._progress
        together = min(progress.together or images, images)
        if together == 1:
            said = reason.splitlines()[0][:200] if reason else "nothing more is known"
            raise TrainingError(
                f"There is not enough memory to learn from a single image ({said}). {failures.LESS_MEMORY}"
            )
        progress.together = math.ceil(together / 2)
        self._steps.optimizer.zero_grad(set_to_none=True)
        memory.release()
        at = {"epoch": progress.epoch, "step": progress.step + 1}
        tell(events.Retry, **at, images=progress.together, reason=reason[:500])
