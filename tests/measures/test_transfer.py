"""The transfer matrix against single attacks, and the other branch against a network whose BNs are exchanged."""

import pytest
import torch
import torch.nn.functional as F

from bench.attacks.pgd import pgd
from bench.data import Images
from bench.engines import engine_for
from bench.engines.eager import EagerEngine
from bench.measures import correct_bits, result_schema
from bench.measures.accuracy import accuracy
from bench.measures.transfer import transfer
from bench.spec import costs
from bench.spec.autoattack_package import PACKAGE
from bench.spec.measurement import Measurement
from tests.recipes import images, lively, oat, pgd_at

GRID = (0.0, 0.2, 0.23)  # the last two are close, so that examples of one fool the other too
NET = lively(oat()).eval()
ENGINE = engine_for(NET, "cpu")
X, Y = images(300)  # more than a batch
LABELS = NET(X, torch.full((300,), 0.2)).argmax(1).where(torch.arange(300) % 7 > 0, Y)  # most are right
IMAGES = Images((X * 255).round().to(torch.uint8), LABELS)
ATTACK = {"epsilon": 0.03, "step": 0.01, "steps": 2, "lambdas": GRID, "seed": 3}
MEASUREMENT = Measurement(probe="transfer", **ATTACK)


@pytest.fixture(scope="module")
def rows() -> list[dict]:
    return list(transfer(ENGINE, IMAGES, MEASUREMENT, None))


def fooled(net, crafted_at: float, lam: float, seed: int = 3):
    """(300,) bool, attacked batch by batch as `accuracy` does."""
    x, rng, by_batch = IMAGES.images.float() / 255, torch.Generator().manual_seed(seed), []
    for batch, y in zip(x.split(256), LABELS.split(256), strict=True):
        at = net.condition(torch.tensor([crafted_at]))
        adv = pgd(lambda z, at=at: net(z, at), batch, y, 0.03, 0.01, 2, rng)
        by_batch.append(net(adv, torch.full((len(y),), lam)).argmax(1) != y)
    return torch.cat(by_batch)


def test_on_the_diagonal_it_is_the_ordinary_accuracy(rows):
    for at, (lam, row) in enumerate(zip(GRID, rows, strict=True)):
        plain = accuracy(ENGINE, IMAGES, Measurement(**ATTACK), lam)
        assert row["robust_correct"][at] == plain["robust_correct"]
        assert {name: row[name] for name in ("lam", "width", "attack", "n", "clean_correct")} == {
            name: plain[name] for name in ("lam", "width", "attack", "n", "clean_correct")
        }


def test_off_the_diagonal_and_over_all_lambdas_it_equals_single_attacks(rows):
    for lam, row in zip(GRID, rows, strict=True):
        by_lambda = torch.stack([fooled(NET, other, lam) for other in GRID])
        assert row["robust_correct"] == (~by_lambda).sum(1).tolist()
        assert row["worst_correct"] == int((~by_lambda.any(0)).sum()) <= min(row["robust_correct"])
        assert row["crafted_at"] == list(GRID)
    assert any(row["worst_correct"] < min(row["robust_correct"]) for row in rows)
    assert rows[0]["robust_correct"][0] < rows[0]["robust_correct"][2]  # the λ′ of the attack matters


def test_as_many_starts_at_one_lambda_are_counted_too(rows):
    for at, row in enumerate(rows):
        assert row["same_tries_correct"] <= row["robust_correct"][at]
        lost = row["same_tries_correct"] - row["worst_correct"]
        assert lost == row["only_lambda"] - row["only_starts"]
    assert sum(row["same_tries_correct"] < row["robust_correct"][at] for at, row in enumerate(rows)) > 0


def test_the_other_branch_is_that_of_a_network_whose_bns_are_exchanged(rows):
    other = lively(oat()).eval()
    for norm in other.norms:
        norm.bn_a, norm.bn_c = norm.bn_c, norm.bn_a
    for lam, row in zip(GRID, rows, strict=True):
        x, rng, right = IMAGES.images.float() / 255, torch.Generator().manual_seed(3), 0
        for batch, y in zip(x.split(256), LABELS.split(256), strict=True):
            at = other.condition(torch.tensor([lam]))
            adv = pgd(lambda z, at=at: other(z, at), batch, y, 0.03, 0.01, 2, rng)
            right += int((NET(adv, torch.full((len(y),), lam)).argmax(1) == y).sum())
        assert row["other_branch_correct"] == right != row["robust_correct"][GRID.index(lam)]
        assert row["worst_with_branch_correct"] <= min(row["worst_correct"], right)


def test_one_perturbation_for_all_lambdas_follows_the_sum_of_the_losses(rows):
    x, rng, right = IMAGES.images.float() / 255, torch.Generator().manual_seed(3), torch.zeros(len(GRID), dtype=int)
    for batch, y in zip(x.split(256), LABELS.split(256), strict=True):
        adv = (batch + torch.empty_like(batch).uniform_(-0.03, 0.03, generator=rng)).clamp(0, 1)
        for _ in range(2):
            adv.requires_grad_()
            loss = sum(F.cross_entropy(NET(adv, torch.full((len(y),), lam)), y, reduction="sum") for lam in GRID)
            step = 0.01 * torch.autograd.grad(loss, adv)[0].sign()
            adv = (adv.detach() + step).clamp(batch - 0.03, batch + 0.03).clamp(0, 1)
        right += torch.stack([(NET(adv, torch.full((len(y),), lam)).argmax(1) == y).sum() for lam in GRID])
    assert [row["joint_correct"] for row in rows] == right.tolist()
    assert all(row["joint_correct"] >= row["robust_correct"][at] for at, row in enumerate(rows))


def test_the_images_that_withstand_everything_are_told(rows):
    for row in rows:
        hits = {name: correct_bits.decode(row[name], 300) for name in correct_bits.COLUMNS}
        assert hits["clean_hits"].sum() == row["clean_correct"]
        counts = [row[name] for name in ("worst_with_branch_correct", "same_tries_correct", "joint_correct")]
        assert 0 < hits["robust_hits"].sum() <= min(counts)
    (parsed,) = result_schema.parse({"measurement": MEASUREMENT.model_dump(), "rows": rows[:1]})
    assert parsed["joint"] == rows[0]["joint_correct"] and parsed["robust_hits"] == rows[0]["robust_hits"]


def test_autoattack_has_no_sum_over_lambda():
    pytest.importorskip(PACKAGE)
    few = Images(IMAGES.images[:4], LABELS[:4])
    measurement = Measurement(probe="transfer", attack="autoattack", **ATTACK | {"epsilon": 0.3, "steps": None})
    for row in transfer(ENGINE, few, measurement, None):
        assert "joint_correct" not in row and row["worst_correct"] <= min(row["robust_correct"])


def test_normal_bn_has_no_other_branch_and_pgd_at_no_other_lambda():
    assert all(
        "other_branch_correct" not in row
        for row in transfer(EagerEngine(lively(oat("normal")).eval()), IMAGES, MEASUREMENT, None)
    )
    with pytest.raises(ValueError, match="a PGD-AT network has one"):
        next(transfer(EagerEngine(lively(pgd_at()).eval()), IMAGES, MEASUREMENT, None))


def test_its_cost_is_that_of_its_attacks():
    """Per image and λ: 2 steps of 2 passes for λ′ = λ, for the branch, for 2 more starts of what is left, and for the
    sum over λ."""
    assert costs.transfer(MEASUREMENT, oat(), 10) == 4 * 4 + 3 + 2
    assert costs.transfer(MEASUREMENT, oat("normal"), 10) == 4 * 3 + 3 + 2
