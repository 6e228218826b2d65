"""Retrained layers, for every model and every number of them: what is frozen stays as it is, bit for bit."""

import numpy as np
import pytest
import torch
from torch import nn

from viewfinder import catalogue
from viewfinder.engine import build, device, layers
from viewfinder.engine.examples import Example, Item
from viewfinder.engine.group import over_all_processes
from viewfinder.engine.optimizers import make
from viewfinder.engine.task import engine_of

PX = {"classification": 32, "detection": 64}
CASES = [pytest.param(row, n, id=f"{row.name}-{n}") for row in catalogue.ROWS for n in range(len(row.layers) + 1)]


@pytest.fixture(scope="module")
def built():
    """Return a function that gives a network and its first state; the last one is kept, because building is slow."""
    kept = {}

    def network(row, batch_norm):
        if kept.get("key") != (row.name, batch_norm):
            kept.clear()
            torch.manual_seed(0)
            made = build.network(row, 3, batch_norm)
            state = {name: tensor.clone() for name, tensor in made.state_dict().items()}
            kept.update(key=(row.name, batch_norm), made=made, state=state)
        kept["made"].load_state_dict(kept["state"])
        return kept["made"], kept["state"]

    return network


def one_step(row, network, retrained, batch_norm):
    """Take a real optimizer step on two images of noise, in train mode as the trainer sets it."""
    px, rng = PX[row.task], np.random.default_rng(0)
    task = engine_of(row.task)(row, px, ["a", "b", "c"], torch.device("cpu"))
    boxes = np.array([[8.0, 8.0, 40.0, 40.0]]) if row.task == "detection" else np.zeros((0, 4))
    batch = task.batch(
        [
            Example(
                Item("", "", boxes=()),
                rng.integers(0, 255, (px, px, 3), dtype=np.uint8),
                boxes,
                np.array([n]),
                (px, px),
            )
            for n in range(2)
        ]
    )
    layers.freeze(network, row, retrained)
    layers.train_mode(network, row, retrained, keep_statistics=task.keep_statistics and batch_norm == "frozen")
    optimizer = make("adam", [p for p in network.parameters() if p.requires_grad], 0.01, 0.0)
    optimizer.zero_grad()
    torch.manual_seed(1)
    task.loss(network, batch)["loss"].backward()
    optimizer.step()


def changed(network, before):
    return {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}


def under(layer):
    return tuple(f"{name}." for name in layer.modules)


def is_statistic(name):
    return name.endswith(("running_mean", "running_var"))


@pytest.mark.parametrize(("row", "retrained"), CASES)
def test_frozen_layers_stay_and_retrained_ones_learn(row, retrained, built):
    network, before = built(row, "frozen")
    one_step(row, network, retrained, "frozen")
    moved = changed(network, before)
    first = len(row.layers) - retrained
    for layer in row.layers[:first]:
        assert not {name for name in moved if name.startswith(under(layer))}, f"{layer.name} is frozen"
    for layer in row.layers[first:]:
        learned = {name for name, _ in network.named_parameters() if name.startswith(under(layer))}
        assert learned & moved, f"{layer.name} is retrained"
        check_batch_norms(row, layer, before, moved)
    assert head_of(network, row) & moved


def check_batch_norms(row, layer, before, moved):
    names = {name for name in before if name.startswith(under(layer))}
    statistics = {name for name in names if is_statistic(name)}
    assert statistics
    if row.task == "classification":
        assert {name for name in statistics if name.endswith("running_var")} <= moved
        assert {name for name in names if name.endswith("num_batches_tracked")} <= moved
        return
    assert not statistics & moved
    affine = {name.rpartition(".")[0] + end for name in statistics for end in (".weight", ".bias")}
    assert bool(affine & moved) == (row.name != "fasterrcnn_resnet50_fpn")


def head_of(network, row):
    backbone = tuple(prefix for layer in row.layers for prefix in under(layer))
    return {name for name, _ in network.named_parameters() if not name.startswith(backbone)}


@pytest.mark.parametrize("row", catalogue.ROWS, ids=lambda row: row.name)
def test_random_weights_learn_whole_with_live_statistics(row, built):
    network, before = built(row, "live")
    one_step(row, network, len(row.layers), "live")
    moved = changed(network, before)
    assert {name for name in before if is_statistic(name)} <= moved
    assert all(p.requires_grad for p in network.parameters())
    for layer in row.layers:
        assert {name for name, _ in network.named_parameters() if name.startswith(under(layer))} & moved


@pytest.mark.parametrize(
    "row", [r for r in catalogue.ROWS if r.name in {"efficientnet_b0", "efficientnet_lite0"}], ids=str
)
def test_frozen_layers_drop_nothing(row, built):
    """No stochastic depth and no dropout: what a frozen layer says does not depend on chance."""
    network, _ = built(row, "frozen")
    layers.train_mode(network, row, 0, keep_statistics=False)
    images, said = torch.rand(2, 3, 32, 32), []
    last = network.get_submodule(row.layers[-1].modules[-1])
    hook = last.register_forward_hook(lambda module, args, output: said.append(output.clone()))
    with torch.no_grad():
        heads = [network(images) for _ in range(2)]
    hook.remove()
    assert torch.equal(said[0], said[1])
    assert not torch.equal(heads[0], heads[1])  # the head's own dropout is on


@pytest.mark.parametrize("name", ["efficientnet_lite0", "fasterrcnn_efficientnet_lite0_fpn"])
def test_bf16_is_for_all_convolutions_but_slow_ones_that_learn_and_only_while_asked(name):
    row = catalogue.get(name)
    network = build.network(row, 2, "frozen").eval()
    retrained = 3
    layers.freeze(network, row, retrained)
    seen = {}
    for depth, layer in enumerate(layers.backbone_layers(network, row)):
        learns = depth >= len(row.layers) - retrained
        for module in (m for m in layer.modules() if isinstance(m, nn.Conv2d)):
            kind = (learns, module.groups > 1, module.kernel_size[0], module.stride[0])
            module.register_forward_hook(lambda m, x, y, kind=kind: seen.setdefault(kind, []).append(y.dtype))
    images = torch.rand(1, 3, 64, 64) if row.task == "classification" else [torch.rand(3, 64, 64)]
    found = []
    with torch.no_grad():
        plain = network(images)
        found.append({kind: set(types) for kind, types in seen.items()})
        seen.clear()
        with device.bf16(network, torch.device("cpu")):
            network(images)
        found.append({kind: set(types) for kind, types in seen.items()})
        again = network(images)
    assert set().union(*found[0].values()) == {torch.float32}
    slow = {kind for kind, types in found[1].items() if types == {torch.float32}}
    assert slow == {(True, True, 5, 1), (True, True, 5, 2)}  # learning, depthwise, 5 x 5
    assert all(types == {torch.bfloat16} for kind, types in found[1].items() if kind not in slow)
    assert {(True, True, 3, 1), (True, False, 1, 1), (False, True, 5, 2), (False, True, 3, 2)} <= found[1].keys()
    if row.task == "classification":
        assert torch.equal(plain, again)


@pytest.mark.parametrize("name", ["efficientnet_lite0", "efficientnet_b0"])
def test_the_mean_over_the_map_is_that_of_torch_and_its_gradient_has_channels_last(name):
    built = build.network(catalogue.get(name), 2, "frozen")
    assert not any(isinstance(module, nn.AdaptiveAvgPool2d) for module in built.modules())
    pool = next(module for module in built.modules() if isinstance(module, layers.GlobalAverage))
    maps = torch.rand(2, 8, 5, 7).contiguous(memory_format=torch.channels_last).requires_grad_()
    assert torch.allclose(pool(maps), maps.mean((2, 3), keepdim=True), atol=1e-6)
    twice, last = maps * 2, []
    twice.register_hook(lambda gradient: last.append(gradient.is_contiguous(memory_format=torch.channels_last)))
    pool(twice).square().sum().backward()
    assert last == [True]


@pytest.mark.parametrize("name", ["fasterrcnn_resnet50_fpn", "fasterrcnn_efficientnet_lite0_fpn"])
def test_heads_compute_in_bf16_but_boxes_are_in_float32(name):
    """In bfloat16 a box at 300 px would be two pixels off."""
    row = catalogue.get(name)
    network = build.network(row, 2, "frozen").eval()
    kinds = {}
    network.rpn.head.bbox_pred.register_forward_hook(lambda m, x, y: kinds.update(inside=y.dtype))
    network.rpn.head.register_forward_hook(lambda m, x, y: kinds.update(rpn=[t.dtype for part in y for t in part]))
    network.roi_heads.box_predictor.register_forward_hook(lambda m, x, y: kinds.update(box=[t.dtype for t in y]))
    with torch.no_grad(), device.bf16(network, torch.device("cpu")):
        network([torch.rand(3, 64, 64)])
    assert kinds == {"inside": torch.bfloat16, "rpn": [torch.float32] * 10, "box": [torch.float32] * 2}


@pytest.mark.parametrize("name", ["efficientnet_lite0", "efficientnet_b0", "fasterrcnn_efficientnet_lite0_fpn"])
def test_batch_norms_of_all_processes_compute_what_those_of_one_do(name):
    """On GPUs they see the images of all processes; what they do besides, and where they keep statistics, stays."""
    row = catalogue.get(name)
    torch.manual_seed(0)
    network = build.network(row, 3, "live").eval()
    part, image = getattr(network, "backbone", network), torch.rand(1, 3, 64, 64)
    names = list(network.state_dict())
    with torch.inference_mode():
        before = part(image)
        after = getattr(over_all_processes(network), "backbone", network)(image)
    maps = zip(before.values(), after.values(), strict=True) if isinstance(before, dict) else [(before, after)]
    assert all(torch.equal(one, other) for one, other in maps)
    assert list(network.state_dict()) == names
    norms = [module for module in network.modules() if isinstance(module, nn.SyncBatchNorm)]
    assert len(norms) >= 40
    layers.train_mode(network, row, len(row.layers), keep_statistics=True)
    assert not any(norm.training for norm in norms)
