"""What a design will do, before it is trained."""

import pytest
import torch

from viewfinder import catalogue, design_file
from viewfinder.engine import build, layers
from viewfinder.service.library.outlook import outlook, rates
from viewfinder.service.source import Source, load


@pytest.mark.parametrize("retrained", [0, 3, 9])
def test_the_share_that_learns_is_counted_on_the_network(colors, retrained):
    design = design_file.parse({"training": {"model": "efficientnet_lite0", "retrained_layers": retrained}})
    seen = outlook(load(Source(colors)), design)
    row = catalogue.get("efficientnet_lite0")
    with torch.device("meta"):
        network = build.family(row).build(row, 3, "frozen")
    layers.freeze(network, row, retrained)
    learned = sum(p.numel() for p in network.parameters() if p.requires_grad)
    assert seen.trained_share == pytest.approx(learned / sum(p.numel() for p in network.parameters()))
    assert seen.counts == {"train": 24, "validation": 0, "test": 6}
    assert seen.sentence.startswith(f"Retrains {retrained} of 9 layers of efficientnet_lite0 on 24 images, ")


def test_the_plotted_rate_warms_up_and_follows_the_schedule(colors):
    def plotted(**schedule):
        training = {"model": "efficientnet_lite0", "epochs": 6, "learning_rate": 0.01, "schedule": schedule}
        return rates(outlook(load(Source(colors)), design_file.parse({"training": training})).design)

    line, example = plotted(kind="step", step_size=2, gamma=0.1)
    assert example == []
    assert line[0][1] == pytest.approx(0.01 * 0.001)
    later = {epoch: rate for epoch, rate in line if epoch >= 1}
    assert [later[e] for e in range(1, 7)] == pytest.approx([0.01, 0.01, 0.001, 0.001, 0.0001, 0.0001])
    line, example = plotted(kind="plateau", factor=0.1, patience=1)
    assert {rate for epoch, rate in line if epoch >= 1} == {0.01}  # flat: the metric decides
    assert min(rate for _, rate in example) == pytest.approx(0.0001)
