"""Transfer learning as Lightning's tutorials teach it: a LightningModule and a Trainer."""

import lightning
from torch import Tensor, nn, optim
from torch.utils.data import DataLoader

from peers.job import RATE, WORKERS, Job, Stopwatch, loss_of


class Classifier(lightning.LightningModule):
    """A network, its loss and its optimizer."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def training_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Return the loss of a batch."""
        return loss_of(self.network, *batch)

    def configure_optimizers(self) -> optim.Optimizer:
        """Return the optimizer of all that learns."""
        return optim.Adam([p for p in self.parameters() if p.requires_grad], RATE)


class Timing(lightning.Callback):
    """Times every epoch."""

    def __init__(self, watch: Stopwatch, images: int) -> None:
        self.watch, self.images = watch, images

    def on_train_epoch_start(self, *_: object) -> None:
        """Begin an epoch."""
        self.watch.begin()

    def on_train_epoch_end(self, *_: object) -> None:
        """End an epoch."""
        self.watch.end(self.images)


def train(job: Job) -> dict[str, float | None]:
    """Train on the processor, without logs and checkpoints."""
    network, watch = job.network(), Stopwatch()
    loader = DataLoader(job.training_images, job.batch, shuffle=True, num_workers=WORKERS)
    lightning.Trainer(
        accelerator="cpu", max_epochs=job.epochs, callbacks=[Timing(watch, len(job.training_images))], logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    ).fit(Classifier(network), loader)  # fmt: skip
    return watch.figures(job.accuracy(network))
