"""Design files: YAML and JSON in, commented YAML out."""

import json

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from viewfinder import catalogue, design_file
from viewfinder.design import Design, ExponentialSchedule, NoSchedule, Section, StepSchedule, resolve
from viewfinder.errors import DesignError

TEXT = st.text(st.characters(blacklist_categories=["Cs"]), max_size=12)
SCHEDULES = st.sampled_from(
    [
        {"kind": "plateau", "factor": 0.3, "patience": 0},
        {"kind": "step", "step_size": 3, "gamma": 1e-5},
        {"kind": "exponential", "gamma": 0.123456789},
        {"kind": "none"},
    ]
)


def trip(design):
    return design_file.parse(design_file.loads(design_file.dumps(design)))


@settings(max_examples=200, deadline=None)
@given(
    classes=st.none() | st.lists(TEXT, min_size=1, max_size=4, unique=True),
    rate=st.just("auto") | st.floats(1e-12, 1e6),
    clip=st.sampled_from(["auto", "none", 0.5]),
    schedule=SCHEDULES,
    column=st.none() | TEXT,
    weights=st.sampled_from(["pretrained", "none"]) | TEXT,
)
def test_what_is_written_is_read_back(classes, rate, clip, schedule, column, weights):
    training = {"learning_rate": rate, "gradient_clip": clip, "schedule": schedule, "weights": weights}
    design = Design.model_validate(
        {"target": {"classes": classes}, "split": {"group_column": column}, "training": training}
    )
    assert trip(design) == design


@pytest.mark.parametrize("row", catalogue.ROWS, ids=lambda row: row.name)
def test_resolved_designs_are_read_back(row):
    design = resolve(Design.model_validate({"task": row.task, "training": {"model": row.name}}))
    assert trip(design) == design


def test_every_setting_is_written_with_its_help():
    text = design_file.dumps(Design.model_validate({}))
    for line in text.splitlines():
        assert "#" in line or line == "task: classification", line
        assert line.partition("#")[2].strip() or "#" not in line
    names = {path.rsplit(".", 1)[-1] for path in design_file.flatten(Design.model_validate({}))}
    for name in names:
        assert f"{name}: " in text
    assert yaml.safe_load(text)["training"]["epochs"] == "auto"


def test_every_setting_has_help():
    def fields(section):
        for name, field in section.model_fields.items():
            yield section, name, field
            if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
                yield from fields(field.annotation)

    kinds = (StepSchedule, ExponentialSchedule, NoSchedule)
    for section, name, field in [*fields(Design), *(row for kind in kinds for row in fields(kind))]:
        assert field.description, f"{section.__name__}.{name}"


def test_json_is_a_design_file(tmp_path):
    (tmp_path / "d.json").write_text(
        json.dumps({"target": {"classes": None}, "training": {"epochs": 3, "warmup": False, "learning_rate": 1e-3}})
    )
    training = design_file.parse(design_file.read(tmp_path / "d.json")).training
    assert (training.epochs, training.warmup, training.learning_rate) == (3, False, 0.001)


def test_a_design_file_from_a_windows_editor(tmp_path):
    (tmp_path / "d.yaml").write_bytes(
        b"\xef\xbb\xbftraining:\r\n  epochs: 3\r\ntarget:\r\n  classes: [\xc3\xa9t\xc3\xa9]\r\n"
    )
    design = design_file.parse(design_file.read(tmp_path / "d.yaml"))
    assert (design.training.epochs, design.target.classes) == (3, ("été",))


def test_an_empty_file_is_the_default_design(tmp_path):
    (tmp_path / "d.yaml").write_text("# nothing yet\n")
    assert design_file.parse(design_file.read(tmp_path / "d.yaml")) == Design.model_validate({})


def test_an_empty_section_is_the_default_section():
    text = "training:\n  # epochs: 3\naugmentation:\n  color:\n"
    assert design_file.parse(design_file.loads(text)) == Design.model_validate({})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("training: [", "line 1"),
        ("training:\n\tepochs: 3", "line 2"),
        ("- a\n- b", "not a design"),
        ("just words", "not a design"),
        ("a: &a {b: *a}", "d.yaml"),
        ("[" * 5000, "d.yaml"),
        ("{a: " * 3000, "d.yaml"),
        ("a: \x00", "d.yaml"),
        ("? [a, b]\n: c", "d.yaml"),
        ("runtime:\n  seed: 1\n  seed: 2", "in line 3, column 3: 'seed' is there twice; keep one"),
        ('{"task": "detection", "task": "classification"}', "'task' is there twice"),
        ("!!python/object/apply:os.system ['true']", "not a design"),
    ],
)
def test_what_is_no_design_is_refused(text, says):
    with pytest.raises(DesignError) as caught:
        design_file.parse(design_file.loads(text, "d.yaml"))
    assert says in str(caught.value)


def test_tags_execute_nothing(tmp_path):
    target = tmp_path / "made"
    text = f"target: !!python/object/apply:os.mkdir ['{target}']"
    with pytest.raises(DesignError):
        design_file.parse(design_file.loads(text))
    assert not target.exists()


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(DesignError, match="does not exist"):
        design_file.read(tmp_path / "none.yaml")
    with pytest.raises(DesignError, match="cannot be read"):
        design_file.read(tmp_path)
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(DesignError, match="cannot be read"):
        design_file.read(tmp_path / "binary.yaml")


# -- --set ------------------------------------------------------------------------------------------------------------


def of(*assignments):
    data = {}
    for assignment in assignments:
        data = design_file.set_value(data, assignment)
    return design_file.parse(data)


def test_set_types_its_value():
    design = of("training.epochs=3", "training.learning_rate=1e-3", "training.warmup=false", "runtime.devices=cuda:1")
    assert (design.training.epochs, design.training.learning_rate) == (3, 0.001)
    assert (design.training.warmup, design.runtime.devices) == (False, "cuda:1")
    assert of("target.classes=[01, no]").target.classes == ("01", "no")
    assert of("target.classes=[01]", "target.classes=null").target.classes is None
    assert of("split.group_column=a=b").split.group_column == "a=b"


def test_set_keeps_the_rest():
    data = {"training": {"epochs": 3, "optimizer": "sgd"}}
    assert design_file.set_value(data, "training.epochs=4")["training"] == {"epochs": "4", "optimizer": "sgd"}
    assert data["training"]["epochs"] == 3


def test_set_replaces_another_kind_of_schedule():
    schedule = of("training.schedule.factor=0.5", "training.schedule.kind=step", "training.schedule.gamma=0.5")
    assert schedule.training.schedule.model_dump() == {"kind": "step", "step_size": 10, "gamma": 0.5}


@pytest.mark.parametrize("assignment", ["training.epochs", "=3", "training.epochs=[", "training..epochs=3", ".=1"])
def test_set_refuses_what_is_no_assignment(assignment):
    with pytest.raises(DesignError):
        of(assignment)


def test_difference():
    a, b = of(), of("training.epochs=3", "training.schedule.kind=none")
    assert design_file.difference(a, a) == {}
    assert design_file.difference(a, b) == {
        "training.epochs": ("auto", 3),
        "training.schedule.kind": ("plateau", "none"),
        "training.schedule.factor": (0.1, None),
        "training.schedule.patience": (2, None),
    }
