"""P_λ: the distribution of λ in a batch (Sec. 4.1; ledger row 2)."""

import math

import pytest
import torch
from scipy.stats import chisquare

from bench.specs import S1, S4, Protocol
from bench.training.lambdas import sample
from tests.recipes import oat, pgd_at

FIXED = Protocol(lam_sampling="fixed-zeros")


def drawn(recipe, n=128, batches=200, seed=2):
    rng = torch.Generator().manual_seed(seed)
    return [sample(recipe, n, rng) for _ in range(batches)]


def counts(batches, lambdas):
    lam = torch.cat([lam for lam, _ in batches])
    found = [int((lam == torch.tensor(value)).sum()) for value in lambdas]
    assert sum(found) == len(lam)  # nothing but the set
    return found


@pytest.mark.parametrize("lambdas", [S1, S4])
def test_iid_is_uniform_over_the_set(lambdas):
    assert chisquare(counts(drawn(oat("normal", lambdas=lambdas)), lambdas)).pvalue > 1e-3


def test_iid_zeros_are_binomial():
    """The number of zeros differs from batch to batch as n independent draws do."""
    zeros = torch.tensor([float(zeros) for _, zeros in drawn(oat(), n=60, batches=500)])
    assert zeros.mean() == pytest.approx(60 / 6, abs=0.6)
    assert zeros.var() == pytest.approx(60 * 1 / 6 * 5 / 6, rel=0.25)


@pytest.mark.parametrize("protocol", [Protocol(), FIXED])
@pytest.mark.parametrize("lambdas", [S1, S4])
def test_zeros_come_first_and_are_counted(protocol, lambdas):
    for lam, zeros in drawn(oat("normal", lambdas=lambdas, protocol=protocol), batches=20):
        assert lam.shape == (128,) and (lam[:zeros] == 0).all() and (lam[zeros:] != 0).all()


@pytest.mark.parametrize("n", [64, 66, 128])
def test_fixed_zeros_are_exactly_the_ceiling_of_their_share(n):
    assert {zeros for _, zeros in drawn(oat(protocol=FIXED), n, 20)} == {math.ceil(n / 6)}


def test_fixed_zeros_leave_the_rest_uniform():
    assert chisquare(counts(drawn(oat(protocol=FIXED)), S1)[1:]).pvalue > 1e-3


def test_fixed_zeros_without_a_zero_in_the_set_is_uniform():
    assert chisquare(counts(drawn(oat("normal", lambdas=S4, protocol=FIXED)), S4)).pvalue > 1e-3


@pytest.mark.parametrize(("lam", "zeros"), [(0.0, 8), (0.3, 0), (1.0, 0)])
def test_pgd_at_has_its_one_lambda(lam, zeros):
    found, count = sample(pgd_at(lam), 8, torch.Generator())
    assert torch.equal(found, torch.full((8,), lam)) and count == zeros
