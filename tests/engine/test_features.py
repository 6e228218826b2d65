"""Features: what is kept is what would be computed, and it is computed no more than once."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from runs import rows, same_tensors, told, weights
from viewfinder import catalogue
from viewfinder.design import Augmentation
from viewfinder.engine import build, layers, loop
from viewfinder.engine.examples import Item, Loader, Recipe, in_batches
from viewfinder.engine.features import FeatureLoader
from viewfinder.engine.graphs import Graph

SIZE = 32
PLAIN = {f"augmentation.{category}.enabled": False for category in ("color", "affine", "crop")}


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    torch.manual_seed(0)
    row = catalogue.get("efficientnet_lite0")
    part = layers.frozen_part(build.network(row, 2, "frozen"), row, 6)
    return Graph(part, row, SIZE, "fp32", tmp_path_factory.mktemp("graphs"))


@pytest.fixture
def items(tmp_path):
    """Return eleven pictures and one that is not there."""
    rng, made = np.random.default_rng(0), []
    (tmp_path / "images").mkdir()
    for number in range(11):
        path = tmp_path / "images" / f"{number} ä.png"
        Image.fromarray(rng.integers(0, 255, (40, 50, 3), dtype=np.uint8)).save(path)
        made.append(Item(str(path), path.name, (number % 2,)))
    return [*made, Item(str(tmp_path / "images" / "gone.png"), "gone.png", (0,))]


def features(graph, items, kept, view=1, views=1, augmentation=None, precision="fp32", asked=None, ahead=0):
    """Return what a loader gives for items, by name: the bytes of their features and their class, or None."""
    recipe = Recipe(SIZE, None, augmentation, seed=3)
    with Loader(0) as loader:
        made = FeatureLoader(loader, graph, precision, recipe, items, views, kept, ahead)
        given = list(made.batches(in_batches(asked or items, 4), view))
        made.close()
    examples = [example for batch in given for example in batch]
    assert [example.item for example in examples] == list(asked or items)
    return {
        e.item.name: None if e.error else (e.features.shape, e.features.tobytes(), e.classes.tolist()) for e in examples
    }


def test_what_is_kept_is_what_was_computed(graph, items, tmp_path):
    fresh = features(graph, items, tmp_path / "none", views=0)
    first = features(graph, items, tmp_path / "kept")
    again = features(graph, items, tmp_path / "kept", asked=items[::-1])
    assert fresh == first == again
    assert first["gone.png"] is None
    assert len({shape_and_bytes[1] for shape_and_bytes in first.values() if shape_and_bytes}) == 11


@pytest.mark.parametrize("ahead", [1, 2, 9])
def test_batches_begun_ahead_are_the_same(graph, items, tmp_path, ahead):
    assert features(graph, items, tmp_path / "none", views=0, ahead=ahead) == features(graph, items, tmp_path / "kept")


def test_an_image_is_read_once(graph, items, tmp_path):
    recipe = Recipe(SIZE)
    with Loader(0) as loader:
        made = FeatureLoader(loader, graph, "fp32", recipe, items, 1, tmp_path / "kept")
        first = [e.features.tobytes() for batch in made.batches([items[:11]]) for e in batch]
        for item in items[:11]:
            Path(item.path).unlink()
        assert [e.features.tobytes() for batch in made.batches([items[:11]]) for e in batch] == first
        made.close()


def test_views_are_drawn_once(graph, items, tmp_path):
    augmentation, kept = Augmentation(), tmp_path / "kept"
    given = {view: features(graph, items, kept, view, 2, augmentation) for view in (1, 2, 3)}
    assert given[1] != given[2] != given[3]
    assert given[1] == features(graph, items, kept, 1, 2, augmentation)
    assert given[3] == features(graph, items, tmp_path / "none", 3, 0, augmentation)  # not kept, but the same


def test_an_image_that_was_replaced_is_read_anew(graph, items, tmp_path):
    first = features(graph, items, tmp_path / "kept")
    Image.new("RGB", (40, 50), "red").save(items[0].path)
    second = features(graph, items, tmp_path / "kept")
    assert first.pop("0 ä.png") != second.pop("0 ä.png")
    assert first == second


def test_what_was_damaged_is_computed_anew(graph, items, tmp_path):
    first = features(graph, items, tmp_path / "kept")
    (kept,) = (tmp_path / "kept").iterdir()
    content = bytearray((kept / "pieces").read_bytes())
    content[100] ^= 1
    (kept / "pieces").write_bytes(content[:-5])
    assert features(graph, items, tmp_path / "kept") == first
    (kept / "pieces").unlink()
    assert features(graph, items, tmp_path / "kept") == first


def test_bfloat16_takes_half_the_room(graph, items, tmp_path):
    full, half = (features(graph, items, tmp_path / p, precision=p) for p in ("fp32", "bf16"))
    for name in ("0 ä.png", "7 ä.png"):
        exact = torch.frombuffer(bytearray(full[name][1]), dtype=torch.float32)
        rounded = torch.frombuffer(bytearray(half[name][1]), dtype=torch.bfloat16)
        assert torch.equal(exact.bfloat16(), rounded)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("VIEWFINDER_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.mark.parametrize("settings", [PLAIN, {"runtime.views": 2}], ids=["plain", "views"])
def test_a_run_does_not_depend_on_what_was_kept(trained, colors, home, settings):
    settings = {"training.epochs": 4, "training.batch_size": 4, **settings}
    cold = trained(colors, settings)
    assert list((home / "cache" / "features").iterdir())
    warm = trained(colors, settings)
    assert rows(cold) == rows(warm)
    assert same_tensors(weights(cold), weights(warm))
    assert cold.predictions().equals(warm.predictions())


def test_a_conversion_is_told_and_what_is_kept_is_not(trained, colors, home):
    settings = {**PLAIN, "training.epochs": 1, "runtime.engine": "openvino", "runtime.precision": "bf16"}
    first, again = trained(colors, settings), trained(colors, settings)
    (note,) = told(first, "note")
    assert note.message.startswith("Once, the frozen layers of efficientnet_lite0 are converted")
    assert [event.type for _, event in first.events()][:2] == ["started", "note"]  # before anything takes long
    assert not told(again, "note")


def test_both_engines_train_the_same_model(trained, colors, home):
    """In fp32 they differ by rounding alone; in one epoch that does not grow to much."""
    settings = {**PLAIN, "training.epochs": 1, "training.batch_size": 8}
    ours, plain = (trained(colors, {**settings, "runtime.engine": engine}) for engine in ("openvino", "torch"))
    for name in ("train_loss", "test_loss"):
        assert rows(ours)[0][name] == pytest.approx(rows(plain)[0][name], rel=1e-3)
    ours, plain = weights(ours), weights(plain)
    for name in ("conv_stem.weight", "blocks.3.0.conv_pw.weight"):
        assert torch.equal(torch.as_tensor(ours[name]), torch.as_tensor(plain[name]))  # frozen
    distance = (torch.as_tensor(ours["conv_head.weight"]) - torch.as_tensor(plain["conv_head.weight"])).abs()
    assert distance.mean() < 1e-4


def test_a_cache_that_is_deleted_in_mid_run_is_not_missed(queued, colors, home):
    run = queued(colors, {**PLAIN, "training.epochs": 3, "training.batch_size": 4})
    whole = queued(colors, {**PLAIN, "training.epochs": 3, "training.batch_size": 4})
    ticks = iter(range(10**9))

    def clock():
        if run.epochs().height == 1:
            shutil.rmtree(home / "cache", ignore_errors=True)
        return float(next(ticks))

    assert loop.train(run, clock) == "finished"
    loop.train(whole)
    assert same_tensors(weights(run), weights(whole))


def test_where_openvino_fails_torch_trains(trained, colors, home, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)  # importing it fails
    settings = {**PLAIN, "training.epochs": 1, "runtime.engine": "openvino"}
    run, plain = trained(colors, settings), trained(colors, {**settings, "runtime.engine": "torch"})
    assert any("computed by torch" in event.message for event in told(run, "note"))
    assert same_tensors(weights(run), weights(plain))
