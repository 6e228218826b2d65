"""The catalogue's numbers, counted again on the networks that it names."""

import re

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from viewfinder import catalogue, tasks
from viewfinder.engine import build, layers
from viewfinder.errors import DesignError

ROWS = pytest.mark.parametrize("row", catalogue.ROWS, ids=lambda row: row.name)
SIZES = {"fasterrcnn_resnet50_fpn": (800, 1088), "fasterrcnn_efficientnet_lite0_fpn": (320, 448)}
CLASSES = {"classification": 1000, "detection": 1}


@pytest.fixture(scope="module")
def networks():
    """Return a function that gives a row's network without memory for its weights."""
    built = {}

    def network(row):
        if row.name not in built:
            with torch.device("meta"):
                built[row.name] = build.family(row).build(row, CLASSES[row.task], "live").eval()
        return built[row.name]

    return network


def mflops(run):
    """Return 10⁶ multiply-adds of a call; torch counts a multiply-add as two."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        result = run()
    return counter.get_total_flops() / 2e6, result


def backbone_maps(network, images):
    return list(network.backbone(images).values())


def whole(row, network):
    height, width = SIZES.get(row.name, (row.input_size, row.input_size))
    images = torch.empty(1, 3, height, width, device="meta")
    if row.task == "classification":
        return mflops(lambda: network(images))[0]
    backbone, maps = mflops(lambda: backbone_maps(network, images))
    rpn, _ = mflops(lambda: network.rpn.head(maps))
    heads = network.roi_heads
    regions = torch.empty(network.rpn._post_nms_top_n["testing"], maps[0].shape[1], 7, 7, device="meta")
    return backbone + rpn + mflops(lambda: heads.box_predictor(heads.box_head(regions)))[0]


@ROWS
def test_parameters(row, networks):
    assert row.parameters == sum(p.numel() for p in networks(row).parameters())


@ROWS
def test_parameters_of_the_layers(row, networks):
    counted = [sum(p.numel() for p in layer.parameters()) for layer in layers.backbone_layers(networks(row), row)]
    assert [layer.parameters for layer in row.layers] == counted


@ROWS
def test_flops(row, networks):
    assert row.mflops == pytest.approx(whole(row, networks(row)), rel=0.02)


@ROWS
def test_flops_of_the_layers(row, networks):
    """Hooks tell which inputs each layer's modules get; each is then counted alone."""
    network, counted = networks(row), []
    height, width = SIZES.get(row.name, (row.input_size, row.input_size))
    inputs = {}
    hooks = [
        network.get_submodule(name).register_forward_pre_hook(lambda m, args, n=name: inputs.__setitem__(n, args))
        for layer in row.layers
        for name in layer.modules
    ]
    images = torch.empty(1, 3, height, width, device="meta")
    (network if row.task == "classification" else network.backbone)(images)
    for hook in hooks:
        hook.remove()
    for layer in row.layers:
        counted.append(sum(mflops(lambda n=n: network.get_submodule(n)(*inputs[n]))[0] for n in layer.modules))
    for layer, expected in zip(row.layers, counted, strict=True):
        assert layer.mflops == pytest.approx(expected, rel=0.02, abs=1), layer.name


@ROWS
def test_the_layers_are_the_backbone_in_order(row, networks):
    """Together they hold every parameter but the head's, and none twice."""
    network = networks(row)
    held = [id(p) for layer in layers.backbone_layers(network, row) for p in layer.parameters()]
    assert len(held) == len(set(held))
    names = [name for name, p in network.named_parameters() if id(p) in set(held)]
    assert [id(p) for name, p in network.named_parameters() if id(p) in set(held)] == held, "order of the network"
    head = {name.split(".")[0] for name, p in network.named_parameters() if id(p) not in set(held)}
    if row.task == "classification":
        assert head == {"classifier"}
    else:
        others = {n for n, _ in network.named_parameters() if n not in names}
        assert all(n.startswith(("backbone.fpn.", "rpn.", "roi_heads.")) for n in others)


def test_the_layers_are_the_contracts():
    nine = [f"features.{i}" for i in range(9)]
    lite = ["conv_stem+bn1", *(f"blocks.{i}" for i in range(7)), "conv_head+bn2"]
    resnet = ["conv1+bn1", "layer1", "layer2", "layer3", "layer4"]
    wanted = [nine, nine, nine, lite, resnet, lite[:-1]]
    assert [[layer.name for layer in row.layers] for row in catalogue.ROWS] == wanted


@ROWS
def test_a_rows_values_are_possible(row):
    assert row.task in tasks.TASKS
    assert 0 <= row.retrained_layers <= len(row.layers)
    assert set(row.learning_rates) == {"adam", "sgd", "rmsprop", "adamax", "adagrad", "adadelta", "adamw"}
    assert all(0 < rate <= 1 for rate in row.learning_rates.values())
    assert re.fullmatch(r"[0-9a-f]{8}", row.weights.sha256)
    assert row.weights.sha256 in row.weights.file
    assert (row.weights.url is None) != (row.weights.package is None)


def test_names_are_unique_and_found():
    assert len(catalogue.CATALOGUE) == len(catalogue.ROWS) == 6
    assert catalogue.get("efficientnet_b7").input_size == 600
    with pytest.raises(DesignError, match=r"Unknown model 'effnet'.*Did you mean"):
        catalogue.get("effnet")


def test_the_defaults_of_the_tasks_are_in_the_catalogue():
    for task in tasks.TASKS.values():
        names = [row.name for row in catalogue.of_task(task.name)]
        assert task.default_model in names
        assert catalogue.get(task.bundled_model).weights.package is not None


@pytest.mark.parametrize("name", ["efficientnet_b0", "efficientnet_b4", "efficientnet_b7", "fasterrcnn_resnet50_fpn"])
def test_files_are_torchvisions(name):
    """Address, and what torchvision's own weights say about them."""
    import torchvision

    published = torchvision.models.get_model_weights(name)
    weights = published.COCO_V1 if name.startswith("fasterrcnn") else published.IMAGENET1K_V1
    row = catalogue.get(name)
    assert row.weights.url == weights.url
    assert row.weights.size_mb == pytest.approx(weights.meta["_file_size"] * 2**20 / 1e6, rel=0.01)
    transforms = weights.transforms()
    if row.task == "classification":
        assert (row.mean, row.std) == (tuple(transforms.mean), tuple(transforms.std))
        assert [row.input_size] == transforms.crop_size
        assert row.parameters == weights.meta["num_params"]
        assert row.mflops == pytest.approx(1000 * weights.meta["_ops"], rel=0.02)
