"""Small real sources, and runs of them that a real child process trained, made once for all tests."""

import json

import numpy as np
import pytest
from PIL import Image

COLORS = {"blue": (40, 60, 220), "green": (40, 200, 60), "red": (220, 50, 40)}
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


def _noise(color, seed, size=(40, 40)):
    rng = np.random.default_rng(seed)
    pixels = np.asarray(color) + rng.integers(-40, 40, (size[1], size[0], 3))
    return pixels.clip(0, 255).astype(np.uint8)


def write_colors(folder, images=10):
    """Write noisy pictures of three colours, a folder for each."""
    for number, (name, color) in enumerate(COLORS.items()):
        (folder / name).mkdir(parents=True)
        for index in range(images):
            Image.fromarray(_noise(color, 100 * number + index)).save(folder / name / f"{name} {index}.png")
    return folder


def write_squares(folder, images=12):
    """Write grey pictures with one red or blue square each, and their boxes as COCO JSON."""
    folder.mkdir(parents=True)
    names, records = ["blue", "red"], {"images": [], "annotations": []}
    for index in range(images):
        pixels, (x, y), name = _noise((128, 128, 128), index, (64, 64)), (8 + index, 20), names[index % 2]
        pixels[y : y + 24, x : x + 24] = COLORS[name]
        Image.fromarray(pixels).save(folder / f"{index}.png")
        records["images"].append({"id": index, "file_name": f"{index}.png", "width": 64, "height": 64})
        box = {"id": index + 1, "image_id": index, "category_id": index % 2, "bbox": [x, y, 24, 24]}
        records["annotations"].append(box)
    categories = [{"id": number, "name": name} for number, name in enumerate(names)]
    (folder / "boxes.json").write_text(json.dumps({**records, "categories": categories}), encoding="utf-8")
    return folder


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
