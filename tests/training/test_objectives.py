"""The losses and their gradients against Eq. (1) and (3) written out in fp64, with the adversarial images fixed."""

import pytest
import torch
import torch.nn.functional as F

from bench.engines.cpu.engine import CpuEngine
from bench.engines.eager import EagerEngine
from bench.spec.protocol_ledger import Protocol
from bench.spec.registry import METHODS, resolve
from bench.training import objectives
from bench.training.objectives import Batch
from tests.recipes import images, lively, oat, pgd_at
from tests.recording_engine import RecordingEngine

LAM = torch.tensor([0.0, 0.0, 0.1, 0.3, 0.4, 1.0])
X, Y = images(6)
ADV = images(6, seed=1)[0]


def double(recipe):
    """The network in fp64 without dropout."""
    return lively(recipe.model_copy(update={"dropout": 0.0})).double().train()


def batch_of(lam=LAM, x=X) -> Batch:
    return Batch(x.double(), Y, lam.double(), int((lam == 0).sum()), torch.Generator().manual_seed(0))


@pytest.fixture
def fixed_attack(monkeypatch):
    """Crafting returns ADV for the part that is attacked, and records (start of the part, training mode)."""
    crafted = []

    def craft(engine, recipe, batch, part):
        crafted.append((part.start or 0, engine.net.training))
        return ADV.double()[part]

    monkeypatch.setattr(objectives, "craft", craft)
    return crafted


def backward(terms) -> float:
    total = 0.0
    for term in terms:
        term.backward()
        total += term.item()
    return total


def gradients(net):
    return {n: torch.zeros_like(p) if p.grad is None else p.grad for n, p in net.named_parameters()}


def assert_same(net, loss, reference, expected):
    """Assert equal loss and gradients, up to the rounding of fp32 logits, and equal statistics in fp64."""
    assert loss == pytest.approx(expected, rel=1e-6)
    actual, exact = gradients(net), gradients(reference)
    for name in exact:
        assert (actual[name] - exact[name]).norm() <= 1e-6 * exact[name].norm(), name
    actual, exact = net.state_dict(), reference.state_dict()
    for name in exact:
        torch.testing.assert_close(actual[name], exact[name], rtol=1e-10, atol=1e-12, msg=name)


@pytest.mark.parametrize("norm", ["dual", "normal"])
def test_oat_is_equation_3_with_lambda_per_sample(norm, fixed_attack, make_engine):
    net, reference = double(oat(norm)), double(oat(norm))
    batch = batch_of()
    loss = backward(resolve(METHODS["oat"])(make_engine(net), oat(norm), batch))

    clean = F.cross_entropy(reference(X.double(), LAM.double()), Y, reduction="none")
    adversarial = F.cross_entropy(reference(ADV.double()[2:], LAM.double()[2:]), Y[2:], reduction="none")
    expected = sum((1 - LAM[i].double()) * clean[i] for i in range(6))
    expected = (expected + sum(LAM[2 + i].double() * adversarial[i] for i in range(4))) / 6
    expected.backward()
    assert_same(net, loss, reference, expected.item())
    assert fixed_attack == [(2, True)]  # λ=0 samples are not attacked
    assert [n for _, n in batch.correct["sa"]] == [6] and [n for _, n in batch.correct["ra"]] == [4]


def test_oat_gives_every_parameter_a_gradient(make_engine):
    net = lively(oat())
    backward(resolve(METHODS["oat"])(make_engine(net), oat(), Batch(X, Y, LAM, 2, torch.Generator())))
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


def test_a_batch_of_zeros_makes_no_attack(fixed_attack, make_engine):
    net = double(oat())
    lam = torch.zeros(6)
    loss = backward(resolve(METHODS["oat"])(make_engine(net), oat(), batch_of(lam)))
    assert fixed_attack == []
    assert loss == pytest.approx(F.cross_entropy(double(oat())(X.double(), lam.double()), Y).item())


@pytest.mark.parametrize("lam", [0.0, 0.4, 1.0])
def test_pgd_at_is_equation_1_with_one_lambda(lam, fixed_attack, make_engine):
    recipe = pgd_at(lam)
    net, reference = double(recipe), double(recipe)
    loss = backward(resolve(METHODS["pgd_at"])(make_engine(net), recipe, batch_of(torch.full((6,), lam))))

    expected = 0.0
    if lam > 0:
        expected = lam * F.cross_entropy(reference(ADV.double(), LAM), Y)
    expected = expected + (1 - lam) * F.cross_entropy(reference(X.double(), LAM), Y)
    expected.backward()
    assert_same(net, loss, reference, expected.item())
    assert fixed_attack == ([(0, True)] if lam > 0 else [])


def test_clean_images_go_by_lambda_or_always_through_bn_c(fixed_attack, make_engine):
    for kind, zeros in (("by-lambda", 2), ("always-c", 6)):
        recipe = oat(protocol=Protocol(clean_branch=kind))
        net = double(recipe)
        first = net.norms[0]
        before, h = first.bn_c.running_mean.clone(), net.stem(X.double())
        next(resolve(METHODS["oat"])(make_engine(net), recipe, batch_of()))  # the clean pass alone
        expected = 0.9 * before + 0.1 * h[:zeros].mean(dim=(0, 2, 3))
        torch.testing.assert_close(first.bn_c.running_mean, expected)


def test_attacks_for_lambda_0_do_not_change_the_loss(fixed_attack, make_engine):
    """Ledger row 13: with `make` all images are attacked, and the loss is the same."""
    losses = {}
    for kind in ("skip", "make"):
        recipe = oat(protocol=Protocol(attack_lam0=kind))
        losses[kind] = backward(resolve(METHODS["oat"])(make_engine(double(recipe)), recipe, batch_of()))
    assert [start for start, _ in fixed_attack] == [2, 0]
    assert losses["make"] == pytest.approx(losses["skip"], rel=1e-6)


@pytest.mark.parametrize("kind", ["eval", "train"])
def test_crafting_uses_the_bn_mode_of_the_protocol(kind, make_engine):
    recipe = oat(protocol=Protocol(attack_bn=kind))
    net = lively(recipe)
    engine, before = RecordingEngine(make_engine(net)), {n: b.clone() for n, b in net.named_buffers()}
    objectives.craft(engine, recipe, Batch(X, Y, LAM, 2, torch.Generator()), slice(2, None))
    assert engine.modes() == [kind] * recipe.attack_steps
    assert net.training  # unchanged
    assert all(torch.equal(b, before[n]) for n, b in net.named_buffers()) == (kind == "eval")
    assert all(p.grad is None for p in net.parameters())


def test_crafting_attacks_each_image_at_its_own_lambda(make_engine, monkeypatch):
    """In eval mode the attacked network is f(·, λ_i) for each sample i."""
    net, outputs = lively(oat()), []
    monkeypatch.setattr(objectives, "pgd", lambda logits, x, *rest: outputs.append(logits(x)) or x)
    objectives.craft(make_engine(net), oat(), Batch(X, Y, LAM, 2, torch.Generator()), slice(2, None))
    with torch.no_grad():
        net.eval()
        expected = torch.cat([net(X[i : i + 1], LAM[i : i + 1]) for i in range(2, 6)])
    torch.testing.assert_close(outputs[0], expected, atol=1e-4, rtol=1e-4)


def test_crafting_takes_the_recipe_s_radius_step_and_steps(monkeypatch):
    budgets = []
    monkeypatch.setattr(objectives, "pgd", lambda logits, x, y, *rest: budgets.append(rest[:3]) or x)
    recipe = oat(epsilon=0.2, attack_steps=5, protocol=Protocol(step_rule="authors"))
    objectives.craft(EagerEngine(lively(recipe)), recipe, Batch(X, Y, LAM, 2, torch.Generator()), slice(2, None))
    assert budgets == [(0.2, pytest.approx((0.2 + 4 / 255) / 5), 5)]


def test_bf16_keeps_images_and_loss_in_fp32(make_engine):
    recipe = oat(precision="bf16")
    net, dtypes = lively(recipe), set()
    net.stem.register_forward_hook(lambda module, inputs, output: dtypes.add((inputs[0].dtype, output.dtype)))
    engine = RecordingEngine(make_engine(net))
    terms = list(resolve(METHODS["oat"])(engine, recipe, Batch(X, Y, LAM, 2, torch.Generator())))
    if make_engine is not CpuEngine:
        assert dtypes == {(torch.float32, torch.bfloat16)}
    else:  # the kernels call no layer; plans serve attack and training
        assert dtypes == set() and [plan.dtype for plan in engine.plans] == [torch.bfloat16] * len(engine.plans) != []
    assert {forward.images.dtype for forward in engine.passes} == {term.dtype for term in terms} == {torch.float32}
