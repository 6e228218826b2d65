"""Parts of detectors as OpenVINO graphs against plain torch."""

import numpy as np
import pytest
import torch
from torch import nn

from runs import same_predictions, told
from viewfinder import catalogue
from viewfinder.engine import build, dense, device, layers, predict
from viewfinder.engine.examples import Item

DETECTORS = [row.name for row in catalogue.of_task("detection")]
SIZES = (96, 128), (128, 70)
EXACT = {"boxes": 0.01, "scores": 1e-3}  # px, and in 0 … 1
ROUNDED = 1.2  # how much farther from fp32 a graph in bf16 may be than torch in bf16


def network(name):
    """Return a detector whose batch norms have statistics, so that its layers say something."""
    torch.manual_seed(0)
    row = catalogue.get(name)
    built = build.network(row, 3, "live")
    norms = [module for module in built.modules() if isinstance(module, nn.BatchNorm2d)]
    built.eval()
    for norm in norms:
        norm.train().momentum = None
    with torch.no_grad():
        built.backbone(torch.randn(8, 3, 128, 128))
    return row, built.eval()


def images():
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(3, *size, generator=generator) for size in SIZES]


@pytest.mark.parametrize("name", DETECTORS)
def test_a_detector_finds_the_same(name):
    _, built = network(name)
    judging = dense.judging(built, "fp32")
    for image in images():
        with torch.inference_mode():
            (expected,), (found,) = built([image]), judging([image])
        assert len(found["boxes"]) == len(expected["boxes"]) > 10
        assert missing(expected, found) <= 1, "of two with the same score, one may be the last that is told"


def missing(expected, found):
    """Return how many objects were not found; the order of those with the same score is nobody's."""
    same = expected["labels"][:, None] == found["labels"]
    for key, tolerance in EXACT.items():
        apart = (expected[key][:, None] - found[key]).abs()
        same &= (apart.amax(-1) if apart.ndim > 2 else apart) <= tolerance
    return int((~same.any(1)).sum())


@pytest.mark.parametrize("name", DETECTORS)
def test_bf16_is_as_near_to_fp32_as_torchs_own(name):
    _, built = network(name)
    judging, image = dense.judging(built, "bf16"), torch.randn(1, 3, *SIZES[0])
    with torch.inference_mode():
        expected, found = built.backbone(image), judging.backbone(image)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = built.backbone(image)
    for key in expected:
        assert distance(found[key], expected[key]) <= ROUNDED * distance(rounded[key], expected[key])


@pytest.mark.parametrize("name", DETECTORS)
@pytest.mark.parametrize("retrained", [0, 1, 3, 4])
def test_what_learns_in_bf16_gets_maps_as_near_to_fp32_as_torchs_own(name, retrained, tmp_path):
    row, built = network(name)
    layers.freeze(built, row, retrained)
    learning, image = dense.learning(built, "bf16", tmp_path), torch.randn(2, 3, *SIZES[0])
    with torch.no_grad():
        expected = built.backbone(image)
        with torch.autocast("cpu", torch.bfloat16):
            rounded, found = built.backbone(image), learning.backbone(image)
    for key in expected:
        assert distance(found[key], expected[key]) <= ROUNDED * distance(rounded[key], expected[key])


def test_half_maps_are_the_maps_in_bfloat16():
    torch.manual_seed(0)
    part, image = nn.Conv2d(3, 8, 3, stride=2), torch.randn(2, 3, *SIZES[0])
    (whole,), (half,) = (dense.AnySize(part, "bf16", None, half=half)(image) for half in (False, True))
    assert (whole.dtype, half.dtype) == (torch.float32, torch.bfloat16)
    assert torch.equal(half, whole.bfloat16())


def distance(one, other):
    return float((one.detach().float() - other.detach().float()).square().mean().sqrt())


@pytest.mark.parametrize("name", DETECTORS)
@pytest.mark.parametrize("retrained", [0, 1, 3, 4])
def test_what_learns_gets_the_same_maps_and_gradients(name, retrained, tmp_path):
    row, built = network(name)
    layers.freeze(built, row, retrained)
    learning = dense.learning(built, "fp32", tmp_path)
    image = torch.randn(2, 3, *SIZES[0])
    both = []
    for one in (built, learning):
        layers.train_mode(one, row, retrained, keep_statistics=True)
        built.zero_grad()
        maps = one.backbone(image)
        sum(values.square().sum() for values in maps.values()).backward()
        both.append((maps, {n: p.grad.clone() for n, p in built.named_parameters() if p.grad is not None}))
    (expected, gradients), (found, same) = both
    assert list(found) == list(expected)
    assert gradients.keys() == same.keys()
    assert gradients
    for ours, theirs, tolerance in ((found, expected, 5e-4), (same, gradients, 0.05)):  # activations have kinks
        for key, values in theirs.items():
            assert distance(ours[key], values) <= tolerance * float(values.detach().square().mean().sqrt()), key


def test_a_graph_is_kept_and_a_damaged_one_made_again(tmp_path):
    _, built = network(DETECTORS[-1])
    image = images()[0]
    dense.judging(built, "fp32", tmp_path)
    (graph,) = tmp_path.glob("*/graph.bin")
    written = graph.stat().st_mtime_ns
    dense.judging(built, "fp32", tmp_path)
    assert graph.stat().st_mtime_ns == written
    graph.with_suffix(".xml").write_text("torn")
    with torch.inference_mode():
        (expected,), (found,) = built([image]), dense.judging(built, "fp32", tmp_path)([image])
    assert torch.allclose(found["boxes"], expected["boxes"], rtol=0, atol=EXACT["boxes"])


@pytest.mark.slow
def test_a_detector_predicts_as_it_was_judged(trained, squares):
    # A processor without bf16 predicts in fp32, whatever was learned in.
    precision = "bf16" if device.has_bf16(torch.device("cpu")) else "fp32"
    run = trained(squares, {"runtime.precision": precision, "training.epochs": 2, "training.retrained_layers": 4})
    model = predict.load(run.path, "cpu")
    assert (model.info.precision, model.info.engine) == (precision, "openvino")
    assert not any("by torch" in note.message for note in told(run, "note"))
    root, stored = run.info().dataset.root, run.predictions()
    items = [Item(f"{root}/{image}", image) for image in stored["image"]]
    same_predictions(model.judge(items).predictions, stored)
    assert np.isfinite(run.epochs()["train_loss"].to_numpy()).all()
