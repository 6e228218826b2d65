"""OpenVINO's graphs of frozen layers against plain torch: every model and depth."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from viewfinder import catalogue
from viewfinder.engine import build, layers
from viewfinder.engine.graphs import Graph

SIZE = 64
ALL_DEPTHS = "VIEWFINDER_ALL_DEPTHS" in os.environ  # takes minutes
CLASSIFIERS = [row.name for row in catalogue.of_task("classification")]
EXACT = 1e-3  # the most that fp32 may differ, in standard deviations of what torch computes
ROUNDED = 1.2  # and bf16, against how much torch's own bf16 differs from its fp32


def network(name):
    """Return a network whose batch norms have statistics, so that its layers say something."""
    torch.manual_seed(0)
    row = catalogue.get(name)
    built = build.network(row, 3, "live")
    built.eval()
    for module in built.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train().momentum = None
    with torch.no_grad():
        built(normalised(row, pictures(32)))
    return row, built.eval()


def pictures(count=9):
    """Return pictures of large blotches, each of another colour: what random layers make of noise is all the same."""
    blotches = np.random.default_rng(0).integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)
    return [np.array(Image.fromarray(one).resize((SIZE, SIZE), Image.Resampling.BICUBIC)) for one in blotches]


def normalised(row, images):
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (row.mean, row.std))
    return (torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255 - mean) / std


def by_torch(part, row, images, precision):
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        return part(normalised(row, images)).permute(0, 2, 3, 1).float().numpy()


@pytest.mark.slow
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_every_depth_agrees_with_torch(name, tmp_path):
    row, built = network(name)
    depths = range(len(row.layers)) if ALL_DEPTHS or name != "efficientnet_b7" else (0, 2, 8)
    for retrained in depths:
        part = layers.frozen_part(built, row, retrained)
        expected, rounded = (by_torch(part, row, pictures(), precision) for precision in ("fp32", "bf16"))
        found = Graph(part, row, SIZE, "fp32", tmp_path)(pictures())
        assert found.shape == expected.shape
        assert distance(found, expected) <= EXACT * expected.std(), retrained
        found = Graph(part, row, SIZE, "bf16", tmp_path)(pictures())
        assert distance(found, expected) <= ROUNDED * distance(rounded, expected), retrained


def distance(one, other):
    return np.sqrt(np.mean((one - other) ** 2))


@pytest.mark.parametrize("name", ["efficientnet_lite0", "efficientnet_b0"])
@pytest.mark.parametrize("retrained", [0, 2])
def test_the_whole_is_the_frozen_part_and_the_rest(name, retrained):
    row, built = network(name)
    layers.freeze(built, row, retrained)
    learning = layers.without_frozen(built, row, retrained)
    images = torch.rand(4, 3, SIZE, SIZE)
    with torch.inference_mode():
        layers.train_mode(learning, row, retrained, keep_statistics=True)
        torch.manual_seed(1)
        apart = learning(layers.frozen_part(built, row, retrained)(images))
        layers.train_mode(built, row, retrained, keep_statistics=True)
        torch.manual_seed(1)
        assert torch.allclose(apart, built(images), atol=1e-5)  # the same parts are dropped out
        layers.train_mode(learning, row, retrained, keep_statistics=True)
        assert not torch.equal(apart, learning.eval()(layers.frozen_part(built, row, retrained)(images)))
    assert set(map(id, learning.parameters())) == {id(p) for p in built.parameters() if p.requires_grad}


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_no_image_depends_on_its_neighbours(precision, tmp_path):
    row, built = network("efficientnet_lite0")
    graph = Graph(layers.frozen_part(built, row, 2), row, SIZE, precision, tmp_path)
    images = pictures(19)
    together = graph(images)
    alone = np.concatenate([graph([image]) for image in images])
    assert np.array_equal(together, alone)
    assert np.array_equal(graph(images[::-1])[::-1], together)
    assert graph([]).shape == (0, *graph.shape)


def test_what_is_begun_together_is_computed_apart(tmp_path):
    row, built = network("efficientnet_lite0")
    graph = Graph(layers.frozen_part(built, row, 7), row, SIZE, "fp32", tmp_path, streams=1)
    images = pictures(23)
    expected = graph(images)
    first, second, nothing = graph.begin(images), graph.begin(images[5:]), graph.begin([])
    assert nothing().shape == (0, *graph.shape)
    assert np.array_equal(second(), expected[5:])
    assert np.array_equal(first(), expected)
    graph.begin(images[::-1])  # nobody asks for these
    assert np.array_equal(graph(images), expected)
    assert np.array_equal(first(), expected)


def test_a_process_may_end_while_it_computes(tmp_path):
    program = """if True:
        import pathlib, sys
        import numpy as np
        from viewfinder import catalogue
        from viewfinder.engine import build, layers
        from viewfinder.engine.graphs import Graph
        row = catalogue.get("efficientnet_lite0")
        part = layers.frozen_part(build.network(row, 3, "live").eval(), row, 6)
        graph = Graph(part, row, 224, "fp32", pathlib.Path(sys.argv[1]))
        finished = graph.begin([np.zeros((224, 224, 3), np.uint8)] * 60)
        sys.exit(3)
    """
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (3, "")


def test_it_is_kept_and_made_again_when_damaged(tmp_path):
    row, built = network("efficientnet_lite0")
    part = layers.frozen_part(built, row, 7)
    first = Graph(part, row, SIZE, "fp32", tmp_path)(pictures())
    (kept,) = tmp_path.iterdir()
    written = (kept / "graph.bin").stat().st_mtime_ns
    assert np.array_equal(Graph(part, row, SIZE, "fp32", tmp_path)(pictures()), first)
    assert (kept / "graph.bin").stat().st_mtime_ns == written
    for name in ("graph.xml", "graph.bin"):
        (kept / name).write_bytes((kept / name).read_bytes()[:100])
        assert np.array_equal(Graph(part, row, SIZE, "fp32", tmp_path)(pictures()), first), name


def test_other_weights_are_another_graph(tmp_path):
    row, built = network("efficientnet_lite0")
    part = layers.frozen_part(built, row, 7)
    key = Graph(part, row, SIZE, "fp32", tmp_path).key
    with torch.no_grad():
        next(part.parameters()).add_(0.01)
    assert Graph(part, row, SIZE, "fp32", tmp_path).key != key


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent by os.kill")
def test_a_signal_is_heard_after_graphs_are_gone(tmp_path):
    program = """if True:
        import gc, os, pathlib, signal, sys
        from viewfinder import catalogue
        from viewfinder.engine import build, layers
        from viewfinder.engine.graphs import Graph
        row = catalogue.get("efficientnet_lite0")
        part = layers.frozen_part(build.network(row, 3, "live").eval(), row, 8)
        one, other = (Graph(part, row, 64, precision, pathlib.Path(sys.argv[1])) for precision in ("fp32", "bf16"))
        heard = []
        signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
        del one
        gc.collect()
        del other
        gc.collect()
        os.kill(os.getpid(), signal.SIGTERM)
        print(len(heard))
    """
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "1"), done.stderr
