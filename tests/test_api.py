"""The public Python API: pinned, light, and of the same words as the command line."""

import subprocess
import sys

import pytest

import viewfinder

PUBLIC = [
    "Design", "DesignError", "InputError", "RunError", "RunFolder", "Source", "SourceError", "TrainingError",
    "ViewfinderError", "WeightsError", "check", "compare", "default_design", "demo", "evaluate", "load", "models",
    "predict", "repeat", "resume", "sample", "train",
]  # fmt: skip


def test_the_public_names_are_pinned():
    assert viewfinder.__all__ == PUBLIC
    assert set(PUBLIC) <= set(dir(viewfinder))


@pytest.mark.parametrize("name", [name for name in PUBLIC if name != "load"])
def test_every_public_name_is_there_and_explains_itself(name):
    assert getattr(viewfinder, name).__doc__


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        viewfinder.trian  # noqa: B018 - looking it up is what is tested


def test_importing_it_imports_nothing_else_and_nothing_but_load_needs_torch():
    code = """
import sys, viewfinder
assert not {m.split(".")[0] for m in sys.modules} & {"torch", "numpy", "polars", "pydantic"}
[getattr(viewfinder, name) for name in viewfinder.__all__ if name != "load"]
assert not {m.split(".")[0] for m in sys.modules} & {"torch", "torchvision", "timm"}
viewfinder.load
assert "torch" in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_load_predicts_in_this_process_as_the_command_does(colors_run, colors):
    images = [colors / image for image in colors_run.predictions()["image"][:2]]
    found = viewfinder.load(colors_run.path).predict(images)
    known = colors_run.predictions()
    assert found["prediction"].to_list() == known["prediction"].to_list()[:2]
    assert found["proba_red"].to_list() == pytest.approx(known["proba_red"].to_list()[:2], abs=1e-5)
