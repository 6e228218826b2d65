"""Transfer learning as fastai's tutorials teach it: a Learner on ImageDataLoaders, batches augmented as tensors."""

from functools import partial

from fastai.optimizer import OptimWrapper
from fastai.vision.all import (
    Callback,
    CrossEntropyLossFlat,
    Hue,
    ImageDataLoaders,
    Learner,
    Normalize,
    RandomResizedCrop,
    Resize,
    ResizeMethod,
    accuracy,
    aug_transforms,
)
from torch import optim

from peers.job import DEGREES, HUE, LEAST_AREA, LIGHT, RATE, WORKERS, Job, Stopwatch


class Timing(Callback):
    """Times the training part of every epoch; fastai leaves out its last, partial batch."""

    def __init__(self, watch: Stopwatch) -> None:
        self.watch = watch

    def before_train(self) -> None:
        """Begin an epoch."""
        self.images = 0
        self.watch.begin()

    def after_batch(self) -> None:
        """Count the images of a batch."""
        self.images += len(self.x)

    def after_train(self) -> None:
        """End an epoch."""
        self.watch.end(self.images)


def train(job: Job) -> dict[str, float | None]:
    """Train with a constant rate, as the others do."""
    normalize = Normalize.from_stats(job.row.mean, job.row.std, cuda=False)
    item, batch = Resize(job.size, ResizeMethod.Squish), [normalize]
    if job.augmented:
        changes = aug_transforms(max_rotate=DEGREES, max_zoom=1.0, max_lighting=LIGHT, max_warp=0, xtra_tfms=[Hue(HUE)])
        item, batch = RandomResizedCrop(job.size, LEAST_AREA), [*changes, normalize]
    loaders = ImageDataLoaders.from_folder(
        job.images, train="train", valid="test", item_tfms=item, batch_tfms=batch, bs=job.batch, num_workers=WORKERS
    )
    network, watch = job.network(), Stopwatch()
    learner = Learner(
        loaders, network, loss_func=CrossEntropyLossFlat(), metrics=accuracy, cbs=Timing(watch),
        opt_func=partial(OptimWrapper, opt=optim.Adam),
    )  # fmt: skip
    with learner.no_bar(), learner.no_logging():
        learner.fit(job.epochs, RATE)
    return watch.figures(job.accuracy(network))
