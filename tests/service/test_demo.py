"""The demo's way from sample to predictions, with one epoch of the first sample; `make demo` does all of it."""

import polars as pl
import pytest

from viewfinder.errors import DesignError
from viewfinder.service import demo as module
from viewfinder.service.demo import demo


def test_the_demo_goes_all_the_way_and_can_be_repeated(tmp_path, monkeypatch, quick):
    settings = {**module.SETTINGS["digits"], **quick, "training.epochs": 1, "training.batch_size": 64}
    monkeypatch.setattr(module, "SETTINGS", {"digits": settings})
    said = []
    (shown,) = demo(tmp_path / "demo", clock=lambda: 0.0, say=said.append)
    assert (shown.task, shown.optimized) == ("classification", "roc_auc")
    assert shown.metrics["accuracy"] > 0.2
    assert shown.report.is_file()
    assert pl.read_csv(shown.predictions)["image"].to_list()[0].startswith(str(tmp_path / "demo" / "digits"))
    assert pl.read_csv(shown.predictions).height == module.SHOWN
    assert any(
        line.startswith(f"$ viewfinder train {tmp_path / 'demo' / 'digits'} --set training.model=") for line in said
    )
    made = (tmp_path / "demo" / "digits" / "0").stat().st_mtime_ns
    monkeypatch.setattr(module, "SETTINGS", {"digits": {"training.epochs": 0}})
    with pytest.raises(DesignError):
        demo(tmp_path / "demo", clock=lambda: 0.0)
    assert (tmp_path / "demo" / "digits" / "0").stat().st_mtime_ns == made  # the sample was used again
