"""Runs prepared as the product prepares them, trained in this process, so that torch is imported once."""

import pytest
import torch

from runs import EPOCHS
from viewfinder.engine import loop
from viewfinder.service.preparing import prepare

SMALL = {
    "training.model": "efficientnet_lite0",
    "training.input_size": 32,
    "training.epochs": 2,
    "training.batch_size": 8,
    "runtime.devices": "cpu",
    "runtime.precision": "fp32",
    "runtime.workers": 0,
}
SMALL_BOXES = {**SMALL, "training.model": "fasterrcnn_efficientnet_lite0_fpn", "training.input_size": 64}


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def _where_there_is_a_gpu(request):
    if request.node.get_closest_marker("gpu") and not torch.cuda.is_available():
        pytest.skip("there is no GPU")


@pytest.fixture(scope="session")
def queued(tmp_path_factory):
    """queued(source, {setting: value}): a run to be trained, small and quick unless its settings say otherwise."""

    def make(source, settings=()):
        base = SMALL_BOXES if (source / "boxes.json").is_file() else SMALL
        out = tmp_path_factory.mktemp("run") / "run"
        return prepare(source, settings={**base, **dict(settings)}, out=out).run

    return make


@pytest.fixture(scope="session")
def trained(queued):
    """trained(source, {setting: value}): the same, trained in this process."""

    def make(source, settings=()):
        run = queued(source, settings)
        loop.train(run)
        return run

    return make


@pytest.fixture(scope="session")
def finished(trained, colors, squares):
    """Return a function that gives a finished run of a source; not to be changed."""
    runs = {}

    def get(name):
        if name not in runs:
            source = {"colors": colors, "squares": squares}[name]
            runs[name] = trained(source, {"training.epochs": EPOCHS[name], "training.batch_size": 4})
        return runs[name]

    return get
