"""The design: what it accepts, what it refuses, and what `auto` becomes."""

import pytest
from pydantic import ValidationError

from viewfinder import catalogue, design_file
from viewfinder.design import Design, merge, require_classes, resolve
from viewfinder.errors import DesignError

# The defaults of the design file, as the contract lists them.
DEFAULTS = {
    "task": "classification",
    "target.classes": None,
    "split.test_ratio": 0.2,
    "split.validation_ratio": 0.0,
    "split.stratify": True,
    "split.group_column": None,
    "split.seed": 0,
    "metrics.optimize": "roc_auc",
    "augmentation.color.enabled": True,
    "augmentation.color.brightness": 0.2,
    "augmentation.color.contrast": 0.2,
    "augmentation.color.hue": 0.05,
    "augmentation.affine.enabled": True,
    "augmentation.affine.horizontal_flip": True,
    "augmentation.affine.vertical_flip": False,
    "augmentation.affine.rotate": True,
    "augmentation.affine.max_rotation": 15,
    "augmentation.crop.enabled": True,
    "augmentation.crop.min_kept_ratio": 0.75,
    "training.model": "efficientnet_b4",
    "training.weights": "pretrained",
    "training.input_size": "auto",
    "training.retrained_layers": "auto",
    "training.optimizer": "adam",
    "training.learning_rate": "auto",
    "training.weight_decay": "auto",
    "training.gradient_clip": "auto",
    "training.class_weights": "none",
    "training.schedule.kind": "plateau",
    "training.schedule.factor": 0.1,
    "training.schedule.patience": 2,
    "training.warmup": True,
    "training.epochs": "auto",
    "training.early_stopping.enabled": True,
    "training.early_stopping.min_delta": "auto",
    "training.early_stopping.patience": 5,
    "training.batch_size": "auto",
    "runtime.devices": "auto",
    "runtime.strict": False,
    "runtime.precision": "auto",
    "runtime.engine": "auto",
    "runtime.views": "auto",
    "runtime.workers": "auto",
    "runtime.seed": 0,
}


def of(*assignments, task="classification"):
    data = {"task": task}
    for assignment in assignments:
        data = design_file.set_value(data, assignment)
    return design_file.parse(data)


def test_the_defaults_are_the_contracts():
    flat = design_file.flatten(Design.model_validate({}))
    probabilities = {key: flat.pop(key) for key in list(flat) if key.endswith(".probability")}
    assert set(flat) == set(DEFAULTS)
    measured = {"training.schedule.patience", "training.early_stopping.patience"}  # may be tuned by measuring
    assert {k: v for k, v in flat.items() if k not in measured} == {
        k: v for k, v in DEFAULTS.items() if k not in measured
    }
    assert all(0 < value <= 1 for value in probabilities.values())
    assert len(probabilities) == 3


def test_the_defaults_of_detection():
    design = of(task="detection")
    assert design.metrics.optimize == "map"
    assert design.training.model == "fasterrcnn_resnet50_fpn"
    assert design.augmentation.affine.rotate is False
    assert of("augmentation.affine.rotate=true", task="detection").augmentation.affine.rotate is True


def test_a_design_is_frozen():
    with pytest.raises(ValidationError):
        Design.model_validate({}).training.epochs = 3


@pytest.mark.parametrize(
    ("assignment", "says"),
    [
        ("split.test_ratio=0", "split.test_ratio: '0'"),
        ("split.test_ratio=1", "split.test_ratio"),
        ("split.validation_ratio=0.85", "below 1"),
        ("split.seed=-1", "split.seed"),
        ("metrics.optimize=acuracy", "Did you mean 'accuracy'?"),
        ("metrics.optimize=map", "roc_auc, accuracy"),
        ("augmentation.color.probability=1.5", "augmentation.color.probability"),
        ("augmentation.color.hue=0.6", "augmentation.color.hue"),
        ("augmentation.crop.min_kept_ratio=0", "augmentation.crop.min_kept_ratio"),
        ("augmentation.affine.max_rotation=181", "augmentation.affine.max_rotation"),
        ("training.model=effnet_b0", "Did you mean 'efficientnet_b0'?"),
        ("training.model=fasterrcnn_resnet50_fpn", "does detection, not classification"),
        ("training.input_size=16", "training.input_size: '16' is not possible"),
        ("training.input_size=big", "or auto"),
        ("training.retrained_layers=10", "0 (head only) to 9 (all)"),
        ("training.retrained_layers=-1", "training.retrained_layers"),
        ("training.optimizer=adamm", "Did you mean 'adam'?"),
        ("training.learning_rate=0", "training.learning_rate"),
        ("training.learning_rate=nan", "training.learning_rate"),
        ("training.learning_rate=inf", "training.learning_rate"),
        ("training.weight_decay=-1", "training.weight_decay"),
        ("training.gradient_clip=0", "training.gradient_clip"),
        ("training.class_weights=equal", "none, balanced"),
        ("training.schedule.kind=cosine", "plateau, step, exponential, none"),
        ("training.schedule.factor=1", "training.schedule.factor"),
        ("training.warmup=perhaps", "training.warmup"),
        ("training.epochs=0", "training.epochs"),
        ("training.epochs=1.5", "training.epochs"),
        ("training.epochs=true", "training.epochs: 'true' is not possible; it must be a whole number"),
        ("split.test_ratio=false", "split.test_ratio: 'false' is not possible"),
        ("training.early_stopping.patience=0", "training.early_stopping.patience"),
        ("training.early_stopping.min_delta=-0.1", "training.early_stopping.min_delta"),
        ("training.batch_size=0", "training.batch_size"),
        ("runtime.devices=gpu", "runtime.devices"),
        ("runtime.precision=fp8", "auto, fp32, bf16, fp16"),
        ("runtime.workers=-1", "runtime.workers"),
        ("task=segmentation", "Unknown task 'segmentation'. Choose one of: classification, detection"),
        ("traning.epochs=3", "Did you mean 'training'?"),
        ("training.epoch=3", "Did you mean 'training.epochs'?"),
        ("training.schedule.gama=3", "training.schedule.gama"),
        ("training.early_stopping.delta=3", "Did you mean 'training.early_stopping.min_delta'?"),
        ("augmentation.color.hues=0.1", "Did you mean 'augmentation.color.hue'?"),
    ],
)
def test_what_is_wrong_is_named(assignment, says):
    with pytest.raises(DesignError) as caught:
        of(assignment)
    assert says in str(caught.value)
    assert "pydantic" not in str(caught.value)


@pytest.mark.parametrize("device", ["cpu", "mps"])
def test_fp16_is_for_gpus(device):
    with pytest.raises(DesignError, match=f"not for '{device}'. Choose auto, fp32 or bf16"):
        of("runtime.precision=fp16", f"runtime.devices={device}")
    for other in ("auto", "cuda:0"):
        assert of("runtime.precision=fp16", f"runtime.devices={other}").runtime.precision == "fp16"


def test_every_mistake_is_told_at_once():
    with pytest.raises(DesignError) as caught:
        of("training.epochs=0", "training.batchsize=3", "split.test_ratio=2")
    assert len(str(caught.value).splitlines()) == 3


def test_a_mapping_where_a_value_belongs_is_refused():
    for data in ({"training": 3}, {"training": {"epochs": {"a": 1}}}, {"split": []}, {"target": {"classes": "cat"}}):
        with pytest.raises(DesignError):
            design_file.parse(data)


def test_class_names_are_strings():
    design = design_file.parse(design_file.loads("target: {classes: [01, no, null, 1.0, yes]}"))
    assert design.target.classes == ("01", "no", "null", "1.0", "yes")


def test_class_weights_are_for_classification():
    assert of("training.class_weights=balanced").training.class_weights == "balanced"
    with pytest.raises(DesignError, match=r"training\.class_weights: 'balanced' is not available for detection"):
        of("training.class_weights=balanced", task="detection")


def test_random_weights_retrain_every_layer():
    assert resolve(of("training.weights=none")).training.retrained_layers == 9
    assert of("training.weights=none", "training.retrained_layers=9").training.retrained_layers == 9
    with pytest.raises(DesignError, match="random numbers"):
        of("training.weights=none", "training.retrained_layers=8")


def test_another_kind_of_schedule_replaces_the_keys_of_the_old():
    data = {"training": {"schedule": {"kind": "plateau", "factor": 0.5, "patience": 1}}}
    assert merge(data, {"training": {"schedule": {"kind": "step"}}})["training"]["schedule"] == {"kind": "step"}
    kept = merge(data, {"training": {"schedule": {"patience": 7}}})["training"]["schedule"]
    assert kept == {"kind": "plateau", "factor": 0.5, "patience": 7}
    assert data["training"]["schedule"]["patience"] == 1


def test_a_schedule_without_a_kind_is_plateau():
    assert of("training.schedule.patience=4").training.schedule.patience == 4
    both = of("training.schedule.factor=0.5", "training.schedule.kind=plateau").training.schedule
    assert (both.kind, both.factor) == ("plateau", 0.5)
    assert of("training.schedule.factor=0.5", "training.schedule.kind=none").training.schedule.kind == "none"


@pytest.mark.parametrize("row", catalogue.ROWS, ids=lambda row: row.name)
@pytest.mark.parametrize("optimizer", ["adam", "sgd", "rmsprop", "adamax", "adagrad", "adadelta", "adamw"])
def test_resolve_replaces_every_auto_of_the_training(row, optimizer):
    design = resolve(of(f"training.model={row.name}", f"training.optimizer={optimizer}", task=row.task))
    flat = {k: v for k, v in design_file.flatten(design).items() if not k.startswith("runtime.")}
    assert "auto" not in flat.values()
    assert flat["training.input_size"] == row.input_size
    assert flat["training.learning_rate"] == row.learning_rates[optimizer]
    assert flat["training.weight_decay"] == (0.01 if optimizer == "adamw" else 0)
    assert 0 <= flat["training.retrained_layers"] <= len(row.layers)
    assert Design.model_validate(design.model_dump()) == design
    assert resolve(design) == design


def test_resolve_keeps_what_was_chosen():
    chosen = {"input_size": 96, "retrained_layers": 0, "learning_rate": 0.5, "weight_decay": 0.0, "gradient_clip": 2.0}
    more = {"epochs": 3, "batch_size": 5, "early_stopping": {"min_delta": 0.0}}
    training = resolve(Design.model_validate({"training": {**chosen, **more}})).training.model_dump()
    assert {name: training[name] for name in chosen} == chosen
    assert (training["epochs"], training["batch_size"], training["early_stopping"]["min_delta"]) == (3, 5, 0.0)


def test_the_monitored_split():
    assert of().monitored_split == "test"
    assert of("split.validation_ratio=0.1").monitored_split == "validation"


@pytest.mark.parametrize(
    ("given", "kept", "processes"),
    [
        ("auto", "auto", 1),
        ("cpu", "cpu", 1),
        ("cpu:3", "cpu:3", 3),
        (["cuda:0"], "cuda:0", 1),
        (["cuda:0", "cuda:1"], "cuda:0,cuda:1", 2),
        ("cuda:0, cuda:2", "cuda:0,cuda:2", 2),
    ],
)
def test_devices(given, kept, processes):
    runtime = design_file.parse({"runtime": {"devices": given}}).runtime
    assert (runtime.devices, runtime.processes) == (kept, processes)
    assert design_file.parse({"runtime": {"devices": kept}}).runtime == runtime


def test_classes_to_learn():
    found = ("bird", "cat", "dog")
    assert require_classes(of(), found) == found
    assert require_classes(of("target.classes=[dog, bird]"), found) == ("bird", "dog")
    with pytest.raises(DesignError, match=r"Unknown class 'cats'.*Did you mean 'cat'"):
        require_classes(of("target.classes=[cats]"), found)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"target": {"classes": []}}, "name each class once"),
        ({"target": {"classes": ["cat", "cat"]}}, "name each class once"),
        ({"runtime": {"seed": 2**32}}, "runtime.seed"),
        ({"split": {"seed": 2**64}}, "split.seed"),
        ({"training": {"batch_size": 10**12}}, "training.batch_size"),
        ({"runtime": {"devices": ["cuda:0", "cuda:0"]}}, "names a device twice"),
        ({"runtime": {"devices": ["cpu", "cuda:1"]}}, "of GPUs only"),
        ({"runtime": {"devices": "cpu:0"}}, "'cpu:0' is not a device"),
        ({"runtime": {"devices": []}}, "is not a device"),
        ({"runtime": {"devices": "xpu:0", "precision": "fp16"}}, "for NVIDIA GPUs"),
        ({"runtime": {"devices": "tpu"}}, "xpu"),
    ],
)
def test_what_cannot_be_is_refused(data, says):
    with pytest.raises(DesignError, match=says):
        design_file.parse(data)
