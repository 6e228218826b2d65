"""Image classification as Hugging Face's tutorials teach it: a Trainer with torchvision's transforms."""

import tempfile
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import Trainer, TrainerCallback, TrainingArguments

from peers.job import RATE, WORKERS, Job, Stopwatch, loss_of


class Classifier(nn.Module):
    """A network in the form that a Trainer takes: it returns the loss."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixel_values: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Return the mean cross-entropy."""
        return {"loss": loss_of(self.network, pixel_values, labels)}


class Timing(TrainerCallback):
    """Times every epoch."""

    def __init__(self, watch: Stopwatch, images: int) -> None:
        self.watch, self.images = watch, images

    def on_epoch_begin(self, *_: Any, **__: Any) -> None:
        """Begin an epoch."""
        self.watch.begin()

    def on_epoch_end(self, *_: Any, **__: Any) -> None:
        """End an epoch."""
        self.watch.end(self.images)


def collate(examples: Sequence[tuple[Tensor, int]]) -> dict[str, Tensor]:
    """Return the images and labels of a batch by name."""
    images, labels = zip(*examples, strict=True)
    return {"pixel_values": torch.stack(images), "labels": torch.tensor(labels)}


def train(job: Job) -> dict[str, float | None]:
    """Train with a constant rate and no weight decay, where AdamW is Adam, and no clipping, as the others do."""
    network, watch = job.network(), Stopwatch()
    with tempfile.TemporaryDirectory() as folder:
        settings = TrainingArguments(
            folder, per_device_train_batch_size=job.batch, num_train_epochs=job.epochs, learning_rate=RATE,
            lr_scheduler_type="constant", weight_decay=0.0, max_grad_norm=0.0, dataloader_num_workers=WORKERS,
            remove_unused_columns=False, save_strategy="no", report_to="none", disable_tqdm=True, use_cpu=True,
        )  # fmt: skip
        Trainer(
            Classifier(network), settings, data_collator=collate, train_dataset=job.training_images,
            callbacks=[Timing(watch, len(job.training_images))],
        ).train()  # fmt: skip
    return watch.figures(job.accuracy(network))
