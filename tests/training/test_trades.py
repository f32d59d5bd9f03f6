"""OAT with TRADES' loss: loss and gradients against fp64 by hand, its attack, its passes, and a training by the CLI."""

import json

import pytest
import torch

from bench.attacks.pgd import pgd
from bench.engines.eager import EagerEngine
from bench.spec.costs import training_passes
from bench.spec.protocol_ledger import Protocol
from bench.spec.registry import METHODS, resolve
from bench.training import trades
from bench.training.objectives import Batch
from tests.command import bench
from tests.recipes import lively, oat, pgd_at
from tests.recording_engine import RecordingEngine
from tests.training.test_objectives import ADV, LAM, X, Y, backward, batch_of, double, gradients


def oat_trades(norm: str = "dual", **fields):
    return oat(norm, **({"method": "oat_trades", "beta": 6.0} | fields))


@pytest.fixture
def fixed_attack(monkeypatch):
    """Crafting returns ADV for the part that is attacked."""
    monkeypatch.setattr(trades, "craft_kl", lambda engine, recipe, batch, part: ADV.double()[part])


def divergence(p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    """(n,) Σ p·log(p/q) of two networks' logits (n, classes), by its definition."""
    p, q = (torch.exp(z) / torch.exp(z).sum(1, keepdim=True) for z in (p, q))
    return (p * torch.log(p / q)).sum(1)


def test_the_divergence_is_its_definition_and_survives_certainty():
    torch.manual_seed(0)
    p, q = torch.randn(2, 5, 7, dtype=torch.float64)
    torch.testing.assert_close(trades.kl(q, p.log_softmax(1)), divergence(p, q), atol=1e-12, rtol=1e-12)
    sure = torch.tensor([[300.0, 0.0, -300.0]], requires_grad=True)  # softmax is 1, 0, 0 in fp32
    trades.kl(-sure, sure.log_softmax(1)).sum().backward()
    assert sure.grad.isfinite().all()


@pytest.mark.parametrize("norm", ["dual", "dual-affine", "normal"])
def test_loss_and_gradients_are_cross_entropy_and_lambda_beta_kl(norm, fixed_attack, make_engine):
    recipe = oat_trades(norm)
    net, reference, batch = double(recipe), double(recipe), batch_of()
    loss = backward(resolve(METHODS["oat_trades"])(make_engine(net), recipe, batch))

    clean = reference(X.double(), LAM.double())
    adversarial = reference(ADV.double()[2:], LAM.double()[2:])  # λ=0 samples are not attacked
    probabilities = torch.exp(clean) / torch.exp(clean).sum(1, keepdim=True)
    expected = -torch.log(probabilities[range(6), Y]).sum()
    expected = (expected + 6 * (LAM.double()[2:] * divergence(clean[2:], adversarial)).sum()) / 6
    expected.backward()  # through f(x) and f(x')
    assert loss == pytest.approx(expected.item(), rel=1e-5)
    actual, exact = gradients(net), gradients(reference)
    for name in exact:
        assert (actual[name] - exact[name]).norm() <= 1e-4 * exact[name].norm(), name
    for name, value in reference.named_buffers():
        torch.testing.assert_close(net.get_buffer(name), value, rtol=1e-10, atol=1e-12)
    assert [n for _, n in batch.correct["sa"]] == [6] and [n for _, n in batch.correct["ra"]] == [4]


@pytest.mark.parametrize(("norm", "precision"), [("dual", "fp32"), ("dual-affine", "bf16")])
def test_every_parameter_learns(norm, precision, make_engine):
    recipe = oat_trades(norm, precision=precision)
    net = lively(recipe)
    backward(resolve(METHODS["oat_trades"])(make_engine(net), recipe, Batch(X, Y, LAM, 2, torch.Generator())))
    assert [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


def test_at_lambda_0_it_is_oat_without_an_attack(monkeypatch):
    monkeypatch.setattr(trades, "craft_kl", None)  # would raise
    lam = torch.zeros(6)
    loss = backward(resolve(METHODS["oat_trades"])(EagerEngine(double(oat_trades())), oat_trades(), batch_of(lam)))
    expected = backward(resolve(METHODS["oat"])(EagerEngine(double(oat())), oat(), batch_of(lam)))
    assert loss == pytest.approx(expected, rel=1e-6)


def test_the_ledger_s_rows_4_and_13_hold_here_too(fixed_attack):
    losses = {}
    for kind in ("skip", "make"):
        recipe = oat_trades("normal", protocol=Protocol(attack_lam0=kind))
        net, batch = double(recipe).eval(), batch_of()  # in eval mode the statistics do not depend on the batch
        losses[kind] = backward(resolve(METHODS["oat_trades"])(EagerEngine(net), recipe, batch))
        assert [n for _, n in batch.correct["ra"]] == [{"skip": 4, "make": 6}[kind]]
    assert losses["make"] == pytest.approx(losses["skip"], rel=1e-6)
    for kind, zeros in (("by-lambda", 2), ("always-c", 6)):
        recipe = oat_trades(protocol=Protocol(clean_branch=kind))
        net = double(recipe)
        before, h = net.norms[0].bn_c.running_mean.clone(), net.stem(X.double())
        next(resolve(METHODS["oat_trades"])(EagerEngine(net), recipe, batch_of()))
        expected = 0.9 * before + 0.1 * h[:zeros].mean(dim=(0, 2, 3))
        torch.testing.assert_close(net.norms[0].bn_c.running_mean, expected)


def test_the_attack_on_a_linear_network_ends_in_a_corner_of_the_ball():
    """Of two classes with logits ±w·x/2 the KL grows with |w·(x' - x)|, so its maximum is x ± ε·sign(w)."""
    torch.manual_seed(0)
    x, w = torch.rand(20, 1, 4, 4) * 0.4 + 0.3, torch.randn(16)  # no pixel within ε of 0 or 1
    rng = torch.Generator().manual_seed(0)

    def logits(images):
        score = images.flatten(1) @ w
        return torch.stack([score / 2, -score / 2], 1)

    adv = pgd(logits, x, logits(x).log_softmax(1), 0.1, 0.025, 7, rng, start="near", loss=trades.kl)
    towards = ((adv - x).flatten(1) / (0.1 * w.sign())).round(decimals=3)
    assert torch.equal(towards.abs(), torch.ones_like(towards)) and (towards == towards[:, :1]).all()
    assert set(towards[:, 0].tolist()) == {-1.0, 1.0}  # the random start decides which of the two
    near = pgd(logits, x, logits(x).log_softmax(1), 0.1, 0.025, 0, rng, start="near", loss=trades.kl)
    assert (near - x).std().item() == pytest.approx(0.001, rel=0.2)


@pytest.mark.parametrize("kind", ["eval", "train"])
def test_crafting_raises_the_divergence_and_touches_nothing(kind, make_engine):
    recipe = oat_trades(attack_steps=5, protocol=Protocol(attack_bn=kind))
    net = lively(recipe)
    engine = RecordingEngine(make_engine(net))
    before = {name: buffer.clone() for name, buffer in net.named_buffers()}
    part = slice(2, None)
    adv = trades.craft_kl(engine, recipe, Batch(X, Y, LAM, 2, torch.Generator()), part)
    assert engine.modes() == [kind] * (1 + 5) and net.training and not adv.requires_grad
    assert all(p.grad is None for p in net.parameters())
    assert (adv - X[part]).abs().max() <= recipe.epsilon + 1e-6 and adv.min() >= 0 and adv.max() <= 1
    if kind == "eval":
        assert all(torch.equal(buffer, before[name]) for name, buffer in net.named_buffers())
        with torch.no_grad():
            net.eval()
            target = net(X[part], LAM[part]).log_softmax(1)
            random = X[part] + 0.1 * torch.randn_like(X[part]).sign()
            attacked, by_chance = (trades.kl(net(x.clamp(0, 1), LAM[part]), target) for x in (adv, random))
        assert (attacked > by_chance).all()


def test_its_passes_by_hand():
    recipe = oat_trades(epochs=1, attack_steps=7, batch=60)
    attacked = 5 / 6 * (1 + 7 * 2 + 3)  # f(x), 7 forwards and backwards to the image, a training pass of x'
    assert training_passes(recipe, 1347) == pytest.approx(120 * (3 + attacked) + 40 * 6 * 16)


def test_its_beta_its_name_and_its_label():
    with pytest.raises(ValueError, match="oat_trades takes beta, the weight of its KL term"):
        oat(method="oat_trades")
    for recipe_of in (oat, pgd_at):
        with pytest.raises(ValueError, match="beta belongs to oat_trades, and"):
            recipe_of(beta=6.0)
    slim = oat_trades(widths=(0.5, 1.0))
    assert (oat_trades().label, slim.label) == ("OAT TRADES (dual BN)", "OATS TRADES (dual BN)")
    assert oat_trades(encoding="ro-128").name.startswith("oat_trades-dual β=6 · ")
    assert slim.name.startswith("oats_trades-dual ")
    assert len({r.key for r in (oat(), oat_trades(), oat_trades(beta=1.0), oat_trades("dual-affine"))}) == 4


def test_the_cli_trains_it_with_shared_statistics(tmp_path):
    """Both peers in one network: finite losses, weights with both branches, and a measurement."""
    recipe = oat_trades("dual-affine", epochs=2)
    (tmp_path / "recipe.json").write_text(recipe.model_dump_json())
    directory = tmp_path / "net"
    process = bench(
        "trial", tmp_path / "recipe.json", "--directory", directory, "--lambdas", "S1", "--test-images", "40"
    )
    assert process.returncode == 0, process.stderr
    rows = [json.loads(line) for line in process.stdout.splitlines()]
    epochs, measured = rows[:2], rows[2:]
    assert [row["epoch"] for row in epochs] == [1, 2] and epochs[1]["loss"] < epochs[0]["loss"]
    assert all(0 <= row[metric] <= 1 for row in epochs for metric in ("train_sa", "train_ra"))
    assert [row["lam"] for row in measured] == list(recipe.lambdas) and all(row["n"] == 40 for row in measured)
    assert (directory / "weights.safetensors").exists()
