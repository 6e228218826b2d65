"""Small real sources, and runs of them that a real child process trained, made once for all tests."""

import signal

import pytest

from sources import write_colors, write_squares

QUICK = {
    "training.model": "efficientnet_lite0",
    "training.input_size": 32,
    "training.epochs": 2,
    "training.batch_size": 8,
    "runtime.devices": "cpu",
    "runtime.workers": 0,
}
QUICK_BOXES = {
    **QUICK,
    "training.model": "fasterrcnn_efficientnet_lite0_fpn",
    "training.input_size": 64,
    "training.epochs": 1,
    "training.learning_rate": 1e-6,  # hardly trained, a detector reports many boxes, each class with a third
}

# In the background of a script SIGINT is ignored, also by what the tests start and then interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _own_weights_folder(tmp_path_factory):
    """Weight files and data of the user who runs the tests play no part, and nothing is downloaded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCH_HOME", str(tmp_path_factory.mktemp("torch")))
        patch.setenv("VIEWFINDER_HOME", str(tmp_path_factory.mktemp("home")))
        patch.delenv("VIEWFINDER_WEIGHTS", raising=False)
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
            patch.setenv(name, "http://127.0.0.1:9")  # nobody listens there
        patch.setenv("OMP_NUM_THREADS", "1")
        yield


@pytest.fixture(scope="session")
def colors(tmp_path_factory):
    """A folder per class: 30 pictures of three colours."""
    return write_colors(tmp_path_factory.mktemp("sources") / "colors")


@pytest.fixture(scope="session")
def squares(tmp_path_factory):
    """COCO JSON: 12 pictures with a square each."""
    return write_squares(tmp_path_factory.mktemp("sources") / "squares")


@pytest.fixture(scope="session")
def quick():
    """Settings with which a classification trains in seconds."""
    return dict(QUICK)


@pytest.fixture(scope="session")
def colors_run(colors, tmp_path_factory):
    """A finished classification of `colors`. Not to be changed."""
    from viewfinder.service.training import train

    return train(colors, settings=QUICK, out=tmp_path_factory.mktemp("runs") / "colors")


@pytest.fixture(scope="session")
def squares_run(squares, tmp_path_factory):
    """A finished detection of `squares`. Not to be changed."""
    from viewfinder.service.training import train

    return train(squares, settings=QUICK_BOXES, out=tmp_path_factory.mktemp("runs") / "squares")


@pytest.fixture
def library(tmp_path):
    """An empty library; what lies under tmp_path may be imported."""
    from viewfinder.service.library.library import Library

    opened = Library.open(tmp_path / "home")
    opened.data_roots = (tmp_path,)
    yield opened
    opened.database.close()
