"""Building networks and filling them from weight files, against timm's and torchvision's own."""

import math
from importlib.util import find_spec
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from torchvision.models.detection import fasterrcnn_resnet50_fpn
from torchvision.ops import FrozenBatchNorm2d

from viewfinder import catalogue
from viewfinder.engine import build, lite0
from viewfinder.errors import WeightsError

LITE0, PYRAMID = catalogue.get("efficientnet_lite0"), catalogue.get("fasterrcnn_efficientnet_lite0_fpn")
B0, R50 = catalogue.get("efficientnet_b0"), catalogue.get("fasterrcnn_resnet50_fpn")
BUNDLED = Path(find_spec(LITE0.weights.package).origin).parent / "models" / LITE0.weights.file


@pytest.fixture(scope="module")
def published():
    return torch.load(BUNDLED, map_location="cpu", weights_only=True)


@pytest.fixture(scope="module")
def reference(published):
    """timm's own network, its tensors replaced one after the other by those of the file."""
    network = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    with torch.no_grad():
        for tensor, value in zip(network.state_dict().values(), published.values(), strict=True):
            tensor.copy_(value)
    return network.eval()


def saved(path, tensors):
    torch.save(tensors, path)
    return path


def noise(size=64):
    return torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1


# -- the network of Lite0 ----------------------------------------------------------------------------------------------


@pytest.fixture
def both():
    """Our network and timm's, with the same weights."""
    theirs = timm.create_model("tf_efficientnet_lite0", num_classes=7, drop_rate=0.2)
    ours = lite0.network(7)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def test_lite0_begins_like_timms():
    """The same tensors, and random weights as wide: the more numbers a tensor has, the more exactly."""
    torch.manual_seed(5)
    ours = lite0.network(7).state_dict()
    theirs = timm.create_model("tf_efficientnet_lite0", num_classes=7, drop_rate=0.2).state_dict()
    assert [(name, tensor.shape) for name, tensor in ours.items()] == [(n, t.shape) for n, t in theirs.items()]
    for name, tensor in theirs.items():
        if tensor.dim() > 1:
            assert float(ours[name].std() / tensor.std()) == pytest.approx(1, abs=6 / math.sqrt(tensor.numel())), name
        else:
            assert torch.equal(ours[name], tensor), name


@pytest.mark.parametrize("size", [64, 75, 90])
def test_lite0_computes_and_learns_what_timms_does(both, size):
    """Also where sizes are odd on the way: 75 → 38 → 19 → 10 → 5 → 3 and 90 → 45 → 23 → 12 → 6 → 3."""
    logits, gradients, norms = [], [], []
    for network in both:
        torch.manual_seed(6)  # dropout's
        logits.append(network.train()(noise(size)))
        logits[-1].square().sum().backward()
        gradients.append(network.conv_stem.weight.grad)
        norms.append(network.blocks[5][3].bn2.running_var)
        logits.append(network.eval()(noise(size)))
    assert torch.equal(logits[0], logits[2])
    assert torch.equal(logits[1], logits[3])
    assert torch.equal(norms[0], norms[1])
    assert torch.allclose(*gradients, rtol=1e-4, atol=1e-5 * float(gradients[1].abs().max()))


# -- the bundled weights ----------------------------------------------------------------------------------------------


def test_the_bundled_weights_go_where_timm_has_them(reference):
    network = build.network(LITE0, 1000, "frozen")
    build.load_pretrained(network, LITE0, BUNDLED)
    network.classifier.load_state_dict(reference.classifier.state_dict())
    with torch.no_grad():
        assert torch.allclose(network.eval()(noise()), reference(noise()), atol=1e-5)


def test_the_bundled_weights_know_a_photograph(reference, tmp_path):
    """The order of the tensors is right only if they recognise something: a flower that scikit-learn ships."""
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_sample_image

    from viewfinder.data import pixels

    photo = pixels.square(Image.fromarray(load_sample_image("flower.jpg")), LITE0.input_size)
    image = torch.from_numpy(np.array(photo)).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        proba = reference((image - 0.5) / 0.5).softmax(1)[0]
    assert int(proba.argmax()) in {986, 985, 309, 308, 723}  # a flower, its insects, a pinwheel: 1 of 200 by chance
    assert proba.max() > 0.1


def test_the_head_keeps_its_random_weights(published):
    torch.manual_seed(3)
    network = build.network(LITE0, 1000, "frozen")
    before = network.classifier.weight.clone()
    build.load_pretrained(network, LITE0, BUNDLED)
    assert torch.equal(network.classifier.weight, before)


def test_files_with_timms_names_and_as_safetensors(reference, tmp_path):
    save_file(reference.state_dict(), tmp_path / "lite0.safetensors")
    network = build.network(LITE0, 5, "frozen")
    build.load_pretrained(network, LITE0, tmp_path / "lite0.safetensors")
    assert torch.equal(network.blocks[3][1].conv_pw.weight, reference.blocks[3][1].conv_pw.weight)


def test_the_pyramid_gets_the_bundled_backbone(reference):
    network = build.network(PYRAMID, 2, "frozen")
    build.load_pretrained(network, PYRAMID, BUNDLED)
    taken = []
    for block in (1, 2, 4, 6):
        reference.blocks[block].register_forward_hook(lambda module, args, output: taken.append(output))
    maps = []
    network.backbone.fpn.register_forward_pre_hook(lambda module, args: maps.extend(args[0].values()))
    with torch.no_grad():
        reference(noise())
        network.eval().backbone(noise())
    for ours, theirs in zip(maps, taken, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-4)


def test_the_seed_draws_the_head():
    def head(seed):
        torch.manual_seed(seed)
        return build.network(LITE0, 3, "frozen").classifier.weight

    assert torch.equal(head(1), head(1))
    assert not torch.equal(head(1), head(2))


# -- torchvision's files ----------------------------------------------------------------------------------------------


def test_a_file_of_b0_goes_under_its_names(tmp_path):
    import torchvision

    theirs = torchvision.models.efficientnet_b0(weights=None).eval()
    network = build.network(B0, 4, "frozen")
    build.load_pretrained(network, B0, saved(tmp_path / "b0.pth", theirs.state_dict()))
    with torch.no_grad():
        assert torch.allclose(network.eval().features(noise()), theirs.features(noise()), atol=1e-5)


@pytest.fixture(scope="module")
def coco():
    """torchvision's detector with batch norms that are not the identity; its COCO weights want them with eps 0."""
    torch.manual_seed(0)
    network = fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None).eval()
    with torch.no_grad():
        for module in network.backbone.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.eps = 0.0
                module.running_var.uniform_(0.001, 0.01)  # so small that another eps would be seen
                module.running_mean.uniform_(-0.1, 0.1)
                module.weight.uniform_(0.01, 0.02)
    return network


def test_a_coco_file_goes_under_its_names(coco, tmp_path):
    network = build.network(R50, 2, "frozen")
    build.load_pretrained(network, R50, saved(tmp_path / "coco.pth", coco.state_dict()))
    norms = [module for module in network.modules() if isinstance(module, FrozenBatchNorm2d)]
    assert len(norms) == 53
    assert {norm.eps for norm in norms} == {0.0}
    with torch.no_grad():
        ours, theirs = network.eval().backbone(noise()), coco.backbone(noise())
    for name in theirs:
        assert torch.allclose(ours[name], theirs[name], rtol=1e-4, atol=1e-5), name
    own, file = network.state_dict(), coco.state_dict()
    for name in ("rpn.head.cls_logits.weight", "roi_heads.box_head.fc6.weight"):
        assert torch.equal(own[name], file[name])
    assert own["roi_heads.box_predictor.cls_score.weight"].shape[0] == 3


def test_a_file_without_counters_of_batches_is_the_same(coco, tmp_path):
    """As torchvision's published file: its batch norms were frozen."""
    tensors = {n: t for n, t in coco.state_dict().items() if not n.endswith("num_batches_tracked")}
    network = build.network(R50, 2, "frozen")
    build.load_pretrained(network, R50, saved(tmp_path / "coco.pth", tensors))
    assert torch.equal(network.backbone.body.bn1.running_var, coco.backbone.body.bn1.running_var)


# -- what is not the model's ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", [LITE0, PYRAMID, B0, R50], ids=lambda row: row.name)
def test_another_models_file_is_refused(row, tmp_path):
    import torchvision

    other = torchvision.models.mobilenet_v3_small(weights=None)
    path = saved(tmp_path / "other.pth", other.state_dict())
    network = build.network(row, 2, "frozen")
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(WeightsError) as caught:
        build.load_pretrained(network, row, path)
    assert str(path) in str(caught.value)
    assert row.name in str(caught.value)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_the_bundled_file_is_not_b0s():
    with pytest.raises(WeightsError, match=rf"{B0.name}.*{B0.weights.file}"):
        build.load_pretrained(build.network(B0, 2, "frozen"), B0, BUNDLED)


@pytest.mark.parametrize("damage", ["shape", "missing", "fewer", "empty"])
def test_a_file_with_a_difference_is_refused(damage, reference, tmp_path):
    tensors = dict(reference.state_dict())
    name = "blocks.1.0.conv_pw.weight"
    if damage == "shape":
        tensors[name] = tensors[name][:-1]
    elif damage == "missing":
        del tensors[name]
    elif damage == "fewer":
        tensors = dict(list(tensors.items())[:50])
    else:
        tensors = {}
    path = saved(tmp_path / "odd.pth", tensors)
    for row in (LITE0, PYRAMID):
        with pytest.raises(WeightsError, match="does not hold weights of"):
            build.load_pretrained(build.network(row, 2, "frozen"), row, path)


class Evil:
    """What a pickle that executes something looks like."""

    def __reduce__(self):
        return (Path.touch, (Path("executed"),))


@pytest.mark.parametrize("content", [b"", b"not a file of tensors", "pickle", "list"])
def test_a_file_that_is_no_dictionary_of_tensors_is_refused(content, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "odd.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(Evil() if content == "pickle" else [torch.zeros(1)], path)
    with pytest.raises(WeightsError, match="does not hold weights of efficientnet_lite0"):
        build.load_pretrained(build.network(LITE0, 2, "frozen"), LITE0, path)
    assert not (tmp_path / "executed").exists()


def test_bundled_files_of_both_formats_are_read(tmp_path, published):
    assert list(build.read(BUNDLED)) == list(published)
    with pytest.raises(WeightsError, match="cannot be read"):
        build.read(tmp_path / "none.safetensors")


def test_lite0_names():
    assert len(lite0.named(build.read(BUNDLED))) == 296


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", ["fasterrcnn_efficientnet_lite0_fpn", "fasterrcnn_resnet50_fpn"])
def test_a_detector_sees_images_at_the_size_they_come_in(name, training):
    network = build.network(catalogue.get(name), 2, "frozen").train(training)
    targets = [{"boxes": torch.tensor([[4.0, 8.0, 40.0, 60.0]]), "labels": torch.tensor([1])}]
    images, seen = network.transform([torch.rand(3, 70, 90)], targets)
    assert images.image_sizes == [(70, 90)]
    assert images.tensors.shape == (1, 3, 96, 96)  # padded to a multiple of 32
    assert torch.equal(seen[0]["boxes"], targets[0]["boxes"])


@pytest.mark.parametrize("name", ["efficientnet_b0", "efficientnet_lite0"])
def test_a_new_classifier_finds_every_class_about_as_likely(name):
    torch.manual_seed(0)
    row = catalogue.get(name)
    network = build.network(row, 2, "frozen").train()
    if name == "efficientnet_lite0":
        build.load_pretrained(network, row, BUNDLED)
    with torch.no_grad():
        loss = torch.nn.functional.cross_entropy(network(torch.rand(16, 3, 64, 64)), torch.tensor([0, 1] * 8))
    assert loss.item() == pytest.approx(math.log(2), rel=0.15)


@pytest.mark.parametrize("row", [R50, PYRAMID], ids=lambda row: row.name)
def test_the_order_of_channels_changes_nothing(row, monkeypatch):
    """Which is that of the processor: the pyramid's maps, and what is learned from them."""
    found, image = {}, torch.rand(2, 3, 96, 128, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for processor in ("AVX2", "AVX512"):
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda processor=processor: processor)
        torch.manual_seed(0)
        network = build.network(row, 3, "frozen").eval()
        maps = network.backbone(image)
        said, _ = network.rpn.head(list(maps.values()))
        sum(one.square().mean() for one in said).backward()
        weight = network.rpn.head.conv[0][0].weight
        last = next(iter(maps.values())).is_contiguous(memory_format=torch.channels_last)
        found[processor] = [one.detach() for one in (*maps.values(), *said, weight.grad)]
        assert last == weight.is_contiguous(memory_format=torch.channels_last) == (processor == "AVX512")
    for ours, theirs in zip(found["AVX2"], found["AVX512"], strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-3, atol=1e-5 * float(theirs.abs().max()))
