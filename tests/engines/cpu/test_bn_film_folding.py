"""BN and FiLM folded into scale and shift, all norm layers in two calls, against the plain network in fp64."""

import pytest
import torch

from bench.engines.cpu.compiled_library import padded
from bench.engines.cpu.film_plan import FilmPlan
from bench.spec.protocol_ledger import Protocol
from tests.copies import duplicate
from tests.engines.cpu.exact import engine_of, needs_kernels, off
from tests.recipes import lively, oat, pgd_at

pytestmark = needs_kernels
LAM = torch.tensor([0.3, 0.0, 1.0, 0.0, 0.15])
WIDTHS = {"widths": (0.35, 0.75, 1.0)}
RECIPES = {
    "pgd-at": pgd_at(),
    "dual": oat(),
    "normal": oat("normal"),
    "authors": oat(protocol=Protocol(film="authors")),
    "authors-normal": oat("normal", protocol=Protocol(film="authors")),
    "slim": oat(**WIDTHS),
    "slim-authors": oat(**WIDTHS, protocol=Protocol(film="authors")),
}


def assert_exact(net, lam=LAM, exact_net=None, **how):
    cond = engine_of(net).condition(lam, training=False, **how)
    assert engine_of(net).folding
    exact_cond = (exact_net or duplicate(net).double()).condition(lam.double(), training=False, **how)
    assert (cond.rows is None) == (exact_cond.rows is None)
    for pair, exact_pair in zip(cond.affine, exact_cond.affine, strict=True):
        for tensor, exact_tensor in zip(pair, exact_pair, strict=True):
            assert tensor.is_contiguous() and off(tensor, exact_tensor) < 1e-6


@pytest.mark.parametrize("kind", RECIPES)
def test_it_is_torch_s(kind):
    net, exact_net = lively(RECIPES[kind]), lively(RECIPES[kind]).double()
    lams = [LAM, LAM[:1], LAM[1:2], LAM[:2], torch.linspace(0, 1, 30), torch.full((9,), 0.4), torch.zeros(7)]
    for lam in lams:  # rows come and go
        for width in RECIPES[kind].widths or (1.0,):
            assert_exact(net, lam, exact_net, width=width)
    for branch in "ac":
        assert_exact(net, branch=branch)


def test_it_follows_weights_statistics_and_the_codebook():
    net, rng = lively(oat()), torch.Generator().manual_seed(0)
    assert_exact(net)
    changed = [net.norms[3].bn_a.running_var, net.norms[2].bn_c.weight, net.norms[0].film.gamma[2].weight, net.codebook]
    for tensor in changed:
        with torch.no_grad():
            tensor.mul_(1 + 0.5 * torch.rand(tensor.shape, generator=rng))
        assert_exact(net)
    net.load_state_dict(lively(oat(seed=1)).state_dict(), assign=True)
    assert_exact(net)


def test_it_follows_what_is_exchanged():
    net, other = lively(oat()), lively(oat(seed=1))
    assert_exact(net)
    net.norms[2].bn_a, net.norms[2].bn_c = net.norms[2].bn_c, net.norms[2].bn_a
    assert_exact(net)
    net.norms[4].film = other.norms[4].film
    assert_exact(net)
    net.norms[0].film.beta[2].bias = torch.nn.Parameter(torch.rand(16))
    assert_exact(net)
    net.norms[1].bn_a.running_var = torch.full((16,), 3.0)
    assert_exact(net)


def test_conditions_do_not_share_memory():
    net = lively(oat())
    first = [value for pair in engine_of(net).condition(LAM, training=False).affine for value in pair]
    kept = [value.clone() for value in first]
    engine_of(net).condition(1 - LAM, training=False)
    assert all(torch.equal(*pair) for pair in zip(first, kept, strict=True))


def test_another_kind_of_norm_is_torch_s():
    net = lively(oat("dual-affine"))
    engine_of(net).condition(LAM, training=False)
    assert not engine_of(net).folding


def test_autocast_changes_nothing():
    net = lively(oat())
    plain = engine_of(net).condition(LAM, training=False).affine
    with torch.autocast("cpu", torch.bfloat16):
        under = engine_of(net).condition(LAM, training=False).affine
        torchs = net.condition(LAM, training=False).affine
    for plain_pair, autocast_pair, torchs_pair in zip(plain, under, torchs, strict=True):
        assert torch.equal(plain_pair[0], autocast_pair[0]) and torch.equal(plain_pair[1], autocast_pair[1])
        torch.testing.assert_close(torchs_pair, autocast_pair, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["paper", "authors"])
@pytest.mark.parametrize("width", [1.0, 0.75, 0.35])
@pytest.mark.parametrize("rows", [1, 6, 7])
@pytest.mark.parametrize("pad", [False, True])
def test_gamma_and_beta_lie_at_their_addresses(kind, width, rows, pad):
    """At a width 0.35 the authors' perceptron has a unit more than γ and β take."""
    net = lively(oat(**WIDTHS, protocol=Protocol(film=kind)))
    plan, code = FilmPlan(net.norms, width, pad), torch.randn(rows, 16, generator=torch.Generator().manual_seed(0))
    plan.forward(code[:1])
    plan.forward(code)
    places = dict(zip((norm.index for norm in plan.norms), plan.addresses(), strict=True))
    right = net.films(code, width)
    flat, start = plan.memory, plan.memory.data_ptr()
    for norm, pair in zip(net.norms, right, strict=True):
        for name, values in zip(("gamma", "beta"), pair or (), strict=False):
            at = (getattr(places[norm.index], name) - start) // 4
            row = padded(values.shape[1]) if pad else values.shape[1]
            memory = flat[at : at + rows * row].view(rows, row)
            torch.testing.assert_close(memory[:, : values.shape[1]], values, rtol=1e-5, atol=1e-6)
            assert not memory[:, values.shape[1] :].any()
