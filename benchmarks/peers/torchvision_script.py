"""Transfer learning as torchvision's tutorials teach it: a loop over a DataLoader of an ImageFolder."""

import torch
from torch import optim
from torch.utils.data import DataLoader

from peers.job import RATE, WORKERS, Job, Stopwatch, loss_of


def train(job: Job, memory_format: torch.memory_format = torch.contiguous_format) -> dict[str, float | None]:
    """Train the whole network in train mode."""
    network = job.network().to(memory_format=memory_format)
    optimizer = optim.Adam([p for p in network.parameters() if p.requires_grad], RATE)
    loader = DataLoader(job.training_images, job.batch, shuffle=True, num_workers=WORKERS)
    watch = Stopwatch()
    network.train()
    for _ in range(job.epochs):
        watch.begin()
        for images, labels in loader:
            optimizer.zero_grad()
            loss_of(network, images.to(memory_format=memory_format), labels).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        watch.end(len(job.training_images))
    return watch.figures(job.accuracy(network))


def channels_last(job: Job) -> dict[str, float | None]:
    """Train with channels last in memory, which torchvision's tutorials do not do."""
    return train(job, torch.channels_last)
