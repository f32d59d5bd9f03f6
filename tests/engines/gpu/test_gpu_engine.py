"""The engine for accelerators equals the plain network: 1e-12 in fp64, and in fp32 by the conformance suite."""

import functools

import pytest
import torch
import torch.nn.functional as F

from bench.engines.eager import EagerEngine
from bench.engines.gpu.engine import GpuEngine
from bench.engines.gpu.spread_condition import SpreadCondition, TrainingCondition
from bench.models import dual_bn
from bench.spec import registry
from bench.spec.protocol_ledger import Protocol
from tests.recipes import images, lively
from tests.recipes import oat as oat_recipe
from tests.recipes import pgd_at as pgd_at_recipe

oat = functools.partial(oat_recipe, dropout=0.0)
WIDTHS = (0.5, 0.75, 1.0)
RECIPES = {
    f"{norm}-{film}": oat(norm, widths=WIDTHS, protocol=Protocol(film=film))
    for norm in ("normal", "dual", "dual-affine")
    for film in ("paper", "authors")
}
RECIPES["dual-without-film"] = oat("dual-without-film", widths=WIDTHS)
RECIPES["pgd-at"] = pgd_at_recipe(dropout=0.0, widths=WIDTHS)
assert {recipe.norm for recipe in RECIPES.values()} == set(registry.NORMS)
LAM = torch.tensor([0.0, 0.0, 0.1, 0.3, 1.0, 0.1], dtype=torch.float64)
BATCHES = {"mixed": LAM, "no zeros": LAM.clamp(min=0.1), "zeros": 0 * LAM}


def pair(recipe) -> tuple[EagerEngine, GpuEngine]:
    """Both engines, each with its own copy of the network in fp64."""
    return tuple(kind(lively(recipe).double()) for kind in (EagerEngine, GpuEngine))


def rows_of(engine, lam):
    """The index of each λ among the network's, as the training loop gives it."""
    grid = engine.net.lambdas.float()
    return torch.searchsorted(grid, lam.float())


def assert_equal_to(value, exact):
    scale = float(exact.abs().max()) or 1.0
    torch.testing.assert_close(value / scale, exact / scale, atol=1e-12, rtol=0)


# Each pair of a recipe and a width, on a mixed batch and on one of a single branch; whether the rows of λ are given.
TRAININGS = {
    f"{name}-{width}-{'rows' if (i + j) % 2 else 'λ alone'}": (
        recipe,
        width,
        (i + j) % 2 == 1,
        ("mixed", "zeros" if j < 2 else "no zeros"),
    )
    for i, (name, recipe) in enumerate(RECIPES.items())
    for j, width in enumerate((*WIDTHS, 1.0))
}
BRANCHES = (None, "a", "c")
# Each branch with each width, over recipes.
EVALUATIONS = {
    f"{name}-{width}-{branch}": (recipe, width, branch)
    for i, (name, recipe) in enumerate(RECIPES.items())
    for j, width in enumerate(WIDTHS)
    for k, branch in enumerate(BRANCHES)
    if (i + j + k) % 3 == 0 or width == 1.0 and branch is None
}


@pytest.mark.parametrize(("recipe", "width", "with_rows", "batches"), TRAININGS.values(), ids=TRAININGS)
def test_training_equals_the_plain_network(recipe, width, with_rows, batches):
    """Logits, gradients, running statistics and counts."""
    x, y = images(len(LAM))
    for lam in map(BATCHES.get, batches):
        results = []
        for engine in pair(recipe):
            engine.net.train()
            rows = rows_of(engine, lam) if with_rows and engine.net.conditional else None
            lams = engine.net.lambdas[rows] if rows is not None else lam
            logits = engine.logits(x.double(), engine.condition(lams, width=width, rows=rows))
            F.cross_entropy(logits, y).backward()
            results.append((logits.detach(), engine.net))
        (exact, plain), (logits, net) = results
        assert_equal_to(logits, exact)
        for (name, parameter), exact in zip(net.named_parameters(), plain.parameters(), strict=True):
            assert (parameter.grad is None) == (exact.grad is None), name
            if exact.grad is not None:
                assert_equal_to(parameter.grad, exact.grad)
        for value, exact in zip(net.buffers(), plain.buffers(), strict=True):
            assert_equal_to(value.double(), exact.double())


@pytest.mark.parametrize(("recipe", "width", "branch"), EVALUATIONS.values(), ids=EVALUATIONS)
def test_eval_mode_equals_the_plain_network(recipe, width, branch):
    x, y = images(len(LAM))
    results = []
    for engine in pair(recipe):
        engine.net.eval()
        leaf = x.double().requires_grad_()
        logits = engine.logits(leaf, engine.condition(LAM, width=width, branch=branch))
        results.append((logits.detach(), *torch.autograd.grad(F.cross_entropy(logits, y), leaf)))
    for exact, value in zip(*results, strict=True):
        assert_equal_to(value, exact)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_each_norm_layer_equals_the_plain_one_to_1e_6_in_fp32(recipe, width, training):
    """By itself, so that layers do not add their roundings: the output, and the gradient to the images."""
    plain, engine = EagerEngine(lively(recipe)), GpuEngine(lively(recipe))
    rng, lam = torch.Generator().manual_seed(1), LAM.float()
    conditions = [each.condition(lam, width=width, training=training) for each in (plain, engine)]
    for ours, exact in zip(engine.net.norms, plain.net.norms, strict=True):
        shape = len(LAM), engine.condition(lam, width=width, training=True).layers.sizes[ours.index], 8, 8
        x, to_y = torch.randn(2, *shape, generator=rng)
        results = []
        for norm, cond in zip((exact, ours), conditions, strict=True):
            leaf = x.clone().requires_grad_()
            y = norm(leaf, cond)
            results.append((y.detach(), *torch.autograd.grad(y, leaf, to_y)))
        for expected, value in zip(*results, strict=True):
            assert (value - expected).abs().max() <= 1e-6 * expected.abs().max(), ours.index


def test_film_is_computed_at_the_trained_lambda_alone(monkeypatch):
    """For 6 images, or 6,000: the codes of the network's λ."""
    engine, numbers = GpuEngine(lively(oat())), []
    code = type(engine.net).code
    monkeypatch.setattr(type(engine.net), "code", lambda net, lam: numbers.append(len(lam)) or code(net, lam))
    for n in (6, 6000):
        rows = torch.arange(n) % len(engine.net.lambdas)
        engine.condition(engine.net.lambdas[rows], 0, training=False, rows=rows)
    assert numbers == [len(engine.net.lambdas)] * 2


def test_the_shapes_of_a_pass_do_not_depend_on_the_number_of_zeros():
    """Every operator of a training pass, by its name and the shapes of its arguments."""
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    class Shapes(TorchDispatchMode):
        @classmethod
        def _should_skip_dynamo(cls) -> bool:
            """As in pretend_device.py."""
            return False

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            shapes.append((str(function), [tuple(a.shape) for a in tree_leaves(args) if isinstance(a, torch.Tensor)]))
            return function(*args, **(kwargs or {}))

    passes = []
    for zeros in (1, 2, 4):
        engine, shapes = GpuEngine(lively(oat())), []
        rows = torch.tensor([0] * zeros + [2] * (6 - zeros))
        x, y = images(6)
        with Shapes():
            cond = engine.condition(engine.net.lambdas[rows], zeros, rows=rows)
            F.cross_entropy(engine.logits(x, cond), y).backward()
        passes.append(shapes)
    assert passes[0] == passes[1] == passes[2] and len(passes[0]) > 500


class OtherNorm(dual_bn.ConditionalNorm):
    """A plugin's norm."""


@pytest.mark.parametrize("change", ["kind of norm", "eps", "momentum"])
def test_the_plain_network_computes_what_the_engine_does_not_know(change):
    net = lively(oat())
    if change == "kind of norm":
        net.norms[2].__class__ = OtherNorm
    else:
        setattr(net.norms[2].bn_a, change, 0.01)
    engine, (x, _) = GpuEngine(net), images(len(LAM))
    for training, kind in ((True, TrainingCondition), (False, SpreadCondition)):
        net.train(training)
        cond = engine.condition(LAM.float())
        assert not isinstance(cond, kind)
        torch.testing.assert_close(engine.logits(x, cond), net(x, net.condition(LAM.float())))


def test_a_branch_of_one_value_has_no_variance():
    engine = GpuEngine(lively(oat()).train())
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        engine.logits(images(3, (1, 2, 2))[0], engine.condition(torch.tensor([0.0, 0.1, 0.2])))
