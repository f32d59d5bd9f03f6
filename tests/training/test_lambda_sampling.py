"""P_λ: the distribution of λ in a batch (Sec. 4.1, App. C; ledger rows 2 and 20)."""

import math

import pytest
import torch
from scipy.stats import binomtest, chisquare, kstest

from bench.spec.lambda_sets import S1, S4
from bench.spec.protocol_ledger import Protocol
from bench.training.lambda_sampling import sample
from tests.recipes import oat, pgd_at

FIXED = Protocol(lam_sampling="fixed-zeros")


def sample_batches(recipe, n=128, batches=200, seed=2):
    rng = torch.Generator().manual_seed(seed)
    return [sample(recipe, n, rng) for _ in range(batches)]


def counts(batches, lambdas):
    lam = torch.cat([lam for lam, _ in batches])
    counts_of_set = [int((lam == torch.tensor(value)).sum()) for value in lambdas]
    assert sum(counts_of_set) == len(lam)  # no λ outside the set
    return counts_of_set


@pytest.mark.parametrize("lambdas", [S1, S4])
def test_iid_is_uniform_over_the_set(lambdas):
    assert chisquare(counts(sample_batches(oat("normal", lambdas=lambdas)), lambdas)).pvalue > 1e-3


def test_iid_zeros_are_binomial():
    """The number of zeros differs from batch to batch as n independent draws do."""
    zeros = torch.tensor([float(zeros) for _, zeros in sample_batches(oat(), n=60, batches=500)])
    assert zeros.mean() == pytest.approx(60 / 6, abs=0.6)
    assert zeros.var() == pytest.approx(60 * 1 / 6 * 5 / 6, rel=0.25)


@pytest.mark.parametrize("protocol", [Protocol(), FIXED])
@pytest.mark.parametrize("lambdas", [S1, S4])
def test_zeros_come_first_and_are_counted(protocol, lambdas):
    for lam, zeros in sample_batches(oat("normal", lambdas=lambdas, protocol=protocol), batches=20):
        assert lam.shape == (128,) and (lam[:zeros] == 0).all() and (lam[zeros:] != 0).all()


@pytest.mark.parametrize("n", [64, 66, 128])
def test_fixed_zeros_are_exactly_the_ceiling_of_their_share(n):
    assert {zeros for _, zeros in sample_batches(oat(protocol=FIXED), n, 20)} == {math.ceil(n / 6)}


def test_fixed_zeros_leave_the_rest_uniform():
    assert chisquare(counts(sample_batches(oat(protocol=FIXED)), S1)[1:]).pvalue > 1e-3


def test_fixed_zeros_without_a_zero_in_the_set_is_uniform():
    assert chisquare(counts(sample_batches(oat("normal", lambdas=S4, protocol=FIXED)), S4)).pvalue > 1e-3


@pytest.mark.parametrize(("lam", "zeros"), [(0.0, 8), (0.3, 0), (1.0, 0)])
def test_pgd_at_has_its_one_lambda(lam, zeros):
    sampled, sampled_zeros = sample(pgd_at(lam), 8, torch.Generator())
    assert torch.equal(sampled, torch.full((8,), lam)) and sampled_zeros == zeros


# --- continuous λ (App. C; ledger row 20)

CDF = {"continuous": lambda lam: lam, "continuous-low": lambda lam: lam**0.5}  # of U and of U² with U ~ U[0,1]


@pytest.mark.parametrize("density", CDF)
@pytest.mark.parametrize("protocol", [Protocol(), FIXED], ids=["iid", "fixed-zeros"])
def test_continuous_lambda_has_its_density(density, protocol):
    batches = sample_batches(oat(lam_density=density, protocol=protocol), batches=100)
    lam = torch.cat([lam[zeros:] for lam, zeros in batches]).double().numpy()
    assert ((lam > 0) & (lam <= 1)).all() and len(set(lam)) > 0.99 * len(lam)
    assert kstest(lam, CDF[density]).pvalue > 1e-3
    other = CDF["continuous-low" if density == "continuous" else "continuous"]
    assert kstest(lam, other).pvalue < 1e-9  # enough samples to tell the two densities apart


@pytest.mark.parametrize("density", CDF)
def test_continuous_lambda_keeps_the_share_of_zeros_of_its_set(density):
    batches = sample_batches(oat(lam_density=density))
    zeros, n = sum(zeros for _, zeros in batches), sum(len(lam) for lam, _ in batches)
    assert binomtest(zeros, n, 1 / 6).pvalue > 1e-3
    assert {zeros for _, zeros in sample_batches(oat(lam_density=density, protocol=FIXED), 64, 20)} == {
        11
    }  # ceil(64 / 6)
    without = sample_batches(oat("normal", lambdas=S4, lam_density=density))
    assert all(zeros == 0 and (lam > 0).all() for lam, zeros in without)


@pytest.mark.parametrize("density", CDF)
@pytest.mark.parametrize("protocol", [Protocol(), FIXED], ids=["iid", "fixed-zeros"])
def test_continuous_lambda_also_has_its_zeros_first(density, protocol):
    for lam, zeros in sample_batches(oat(lam_density=density, protocol=protocol), batches=20):
        assert lam.shape == (128,) and lam.dtype == torch.float32
        assert (lam[:zeros] == 0).all() and (lam[zeros:] != 0).all()


def test_a_set_draws_the_lambdas_of_earlier_versions():
    """Stored networks were trained on these λ, and their keys must stay valid."""
    lam, zeros = sample_batches(oat(), 8, 1)[0]
    again = torch.tensor(S1)[torch.randint(6, (8,), generator=torch.Generator().manual_seed(2))]
    assert zeros == int((again == 0).sum())
    assert torch.equal(lam, torch.cat([again[again == 0], again[again != 0]]))
