"""Training as on a GPU: on the CPU what the CPU can do of it, on a GPU, where there is one, all of it."""

import time

import pytest
import torch
from safetensors.torch import load_file

from viewfinder.design import Runtime
from viewfinder.engine import device, loop
from viewfinder.engine.feed import Feed
from viewfinder.engine.transfer import Ahead, send
from viewfinder.service.preparing import prepare

CUDA = {"runtime.devices": "cuda:0", "training.epochs": 1}


def losses(run, **how):
    loop.Trainer(run, time.time, **how).train()
    assert run.info().status == "finished"
    return run.epochs()["train_loss"].to_list()


WHOLE = {"runtime.engine": "torch", "training.epochs": 1, "augmentation.crop.probability": 1}


@pytest.mark.parametrize("source", ["colors", "squares"])
def test_augmentation_on_the_device_trains_as_the_cpus_does(source, queued, request):
    """Views that differ by under one grey level: the losses differ little."""
    images = request.getfixturevalue(source)
    plain = losses(queued(images, WHOLE), on_device=False)
    views = losses(queued(images, WHOLE), on_device=True)
    assert views != plain
    assert views == pytest.approx(plain, rel=0.1)


def test_it_is_the_same_from_any_number_of_processes(queued, colors):
    others = {**WHOLE, "runtime.workers": 1}
    assert losses(queued(colors, others), on_device=True) == losses(queued(colors, WHOLE), on_device=True)


def test_the_frozen_layers_apart_get_finished_views(queued, colors):
    """OpenVINO's graphs take images as the network does, wherever it is trained."""
    apart = {"runtime.engine": "openvino"}
    assert losses(queued(colors, apart), on_device=True) == losses(queued(colors, apart), on_device=False)


def test_the_cpu_changes_no_images_itself():
    assert not device.changes_images(torch.device("cpu"))
    assert device.changes_images(torch.device("cuda:0"))


def test_fp16_is_for_gpus(colors, queued):
    from viewfinder.errors import DesignError

    with pytest.raises(DesignError, match=r"'fp16' is for NVIDIA GPUs, not for 'cpu'. Choose auto, fp32 or bf16."):
        queued(colors, {"runtime.precision": "fp16"})


def test_without_a_gpu_fp16_is_replaced_and_said(queued, colors):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    run = queued(colors, {"runtime.precision": "fp16", "runtime.devices": "cuda:0", "training.epochs": 1})
    loop.train(run)
    used = run.design().runtime
    assert (used.devices, used.precision) == ("cpu", device.resolve(Runtime(devices="cpu")).precision)
    notes = [event.message for _, event in run.events() if event.type == "note"]
    assert f"Nothing but a GPU trains in fp16: {used.precision} is used." in notes


@pytest.mark.parametrize(("trained_in", "judged_in"), [("fp32", "fp32"), ("bf16", "bf16"), ("fp16", "fp32")])
def test_a_detector_trained_in_fp16_is_judged_in_fp32(trained_in, judged_in, queued, squares, tmp_path):
    trainer = loop.Trainer(queued(squares), float)
    runtime = trainer.design.runtime.model_copy(update={"precision": trained_in, "engine": "torch"})
    design = trainer.design.model_copy(update={"runtime": runtime})
    feed = Feed(trainer.network, trainer.row, trainer.task, design, tmp_path)
    assert feed.judged_with == (judged_in, "torch")


# -- on a GPU ---------------------------------------------------------------------------------------------------------


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("source", ["colors", "squares"])
def test_it_trains_on_a_gpu(source, precision, trained, request):
    run = trained(request.getfixturevalue(source), {**CUDA, "runtime.precision": precision})
    info = run.info()
    assert (info.status, info.device) == ("finished", "cuda:0")
    assert run.design().runtime.precision == precision
    assert all(t.dtype != torch.float16 for t in load_file(run.path / "model" / "model.safetensors").values())
    state = torch.load(run.path / "checkpoint" / "state.pt", map_location="cpu", weights_only=True)
    assert bool(state["scaler"]) == (precision == "fp16")


@pytest.mark.gpu
def test_a_stopped_training_goes_on_there(colors, queued):
    run = queued(colors, {**CUDA, "runtime.precision": "fp16", "training.epochs": 2})
    (run.path / "stop").touch()
    assert loop.train(run) == "stopped"
    assert loop.train(run) == "finished"
    assert run.epochs().height == 2


@pytest.mark.gpu
def test_what_is_chosen_there(colors, tmp_path):
    runtime = device.resolve(prepare(colors, out=tmp_path / "run").run.design().runtime)
    assert runtime.devices == "cuda:0"
    assert runtime.engine == "torch"
    assert runtime.precision == ("bf16" if torch.cuda.get_device_capability() >= (8, 0) else "fp16")


@pytest.mark.gpu
def test_a_batch_is_there_when_it_is_used():
    """Copies run beside long computations, and memory is used again only when nobody reads it any more."""
    on, rng = torch.device("cuda:0"), torch.Generator().manual_seed(0)
    given = [torch.randint(0, 255, (8, 512, 512, 3), dtype=torch.uint8, generator=rng).numpy() for _ in range(12)]
    busy, got = torch.randn(4096, 4096, device=on), []
    for made in Ahead(on)(lambda array: send(array, on).float() * 2, given):
        for _ in range(5):
            busy = (busy @ busy).clamp(-1, 1)
        got.append(made.double().sum())
        del made
    assert [float(one) for one in got] == [2.0 * array.astype(float).sum() for array in given]
