"""Fig. 2's rows: the running statistics of the last BN layer, per branch and width."""

import pytest
import torch

from bench.data import Images
from bench.engines.eager import EagerEngine
from bench.measures.bn_statistics import bn_statistics
from bench.models import build
from bench.spec.measurement import Measurement
from tests.recipes import lively, oat, pgd_at

WIDTHS = (0.5, 1.0)


def rows(net, width=1.0):
    no_images = Images(torch.zeros(0, 1, 8, 8, dtype=torch.uint8), torch.zeros(0, dtype=torch.int64))
    return list(bn_statistics(EagerEngine(net), no_images, Measurement(probe="bn_statistics", width=width), None))


def assert_holds(row, bn) -> None:
    assert row["mean"] == pytest.approx(bn.running_mean.tolist(), rel=1e-6, abs=1e-12)
    assert row["var"] == pytest.approx(bn.running_var.tolist(), rel=1e-6)
    assert all(isinstance(value, float) for value in row["mean"] + row["var"])


def test_pgd_at_has_one_row_at_its_own_lambda():
    net = lively(pgd_at(0.3))
    (row,) = rows(net)
    assert {name: row[name] for name in ("lam", "branch", "width", "layer")} == {
        "lam": 0.3,
        "branch": "a",
        "width": 1.0,
        "layer": "norm_last",
    }
    assert len(row["mean"]) == len(row["var"]) == 64
    assert_holds(row, net.norm_last.bn_a)


def test_dual_bn_has_a_row_for_each_branch_and_no_lambda():
    net = lively(oat())
    by_branch = {row["branch"]: row for row in rows(net)}
    assert by_branch.keys() == {"a", "c"} and {row["lam"] for row in by_branch.values()} == {None}
    assert_holds(by_branch["a"], net.norm_last.bn_a)
    assert_holds(by_branch["c"], net.norm_last.bn_c)
    assert by_branch["a"]["mean"] != by_branch["c"]["mean"]


@pytest.mark.parametrize("recipe", [pgd_at(widths=WIDTHS), oat(widths=WIDTHS)], ids=["pgd-ats", "oats"])
def test_each_width_has_its_own_statistics(recipe):
    net = lively(recipe)
    for index, (width, channels) in enumerate(zip(WIDTHS, (32, 64), strict=True)):
        for row in rows(net, width):
            assert row["width"] == width and len(row["mean"]) == channels
            assert_holds(row, getattr(net.norm_last, f"bn_{row['branch']}")[index])


def test_the_last_layer_of_resnet34_has_the_512_channels_of_the_figure():
    (row,) = rows(build(pgd_at(arch="resnet34"), 3, 10))
    assert row["layer"] == "blocks.15.norm2" and len(row["mean"]) == 512
