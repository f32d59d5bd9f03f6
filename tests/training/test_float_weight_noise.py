"""FLOAT: f(x, λ) and a training step against the plain network with its weights changed by hand, and its recipe."""

import pytest
import torch

from bench.data import Images
from bench.engines import engine_for
from bench.engines.conditioned_model import model_at
from bench.measures import float_method_evaluation
from bench.measures.accuracy import accuracy
from bench.models import build
from bench.models.torch_export import AtWidth
from bench.spec.costs import training_passes
from bench.spec.lambda_sets import S1
from bench.spec.measurement import Measurement
from bench.spec.protocol_ledger import Protocol
from bench.spec.registry import METHODS, resolve
from bench.training import float_weight_noise
from bench.training.objectives import Batch
from tests.measures.test_accuracy import PART, labels_of
from tests.recipes import images, lively, oat
from tests.training.test_objectives import ADV, X, Y, backward, gradients

LAM = torch.tensor([0.0, 0.0, 1.0, 1.0, 1.0, 1.0])


def float_recipe(**rows):
    fields = {"method": "float", "lambdas": (0.0, 1.0), "encoding": "none", "dropout": 0.0}
    return oat("dual", **fields, protocol=Protocol(**rows))


def convs_of(net) -> list[float_weight_noise.NoisyConv2d]:
    return [module for module in net.modules() if isinstance(module, float_weight_noise.NoisyConv2d)]


def network(recipe=None):
    """The network in fp64, α different in each layer."""
    net = lively(recipe or float_recipe()).double()
    with torch.no_grad():
        for i, conv in enumerate(convs_of(net)):
            conv.alpha += 0.05 * i
    return net


def with_noise(net, lam: float, noise: dict):
    """The plain network without FiLM whose weights are W + λ·α·σ·noise, functions of W and α: (x, cond) → logits."""
    plain = build(oat(dropout=0.0), 1, 10).double().train(net.training)
    for norm in plain.norms:
        norm.film = None
    values = dict(net.named_parameters()) | {name: value.clone() for name, value in net.named_buffers()}
    values = {name: value for name, value in values.items() if name in plain.state_dict() and "code" not in name}
    values.pop("lambdas")
    for name, conv in net.named_modules():
        if isinstance(conv, float_weight_noise.NoisyConv2d):
            weight = conv.weight.detach()
            deviation = ((weight - weight.mean()).square().sum() / (weight.numel() - 1)).sqrt()
            values[f"{name}.weight"] = conv.weight + lam * conv.alpha * deviation * noise[conv]
    return lambda x, cond: torch.func.functional_call(plain, values, (x, cond))


def in_order(net) -> list:
    """The convolutions in the order of a pass."""
    order = []
    hooks = [conv.register_forward_hook(lambda module, *_: order.append(module)) for conv in convs_of(net)]
    with torch.no_grad():
        net(X.double()[:2], net.condition(torch.ones(1).double(), training=False))
    for hook in hooks:
        hook.remove()
    return order


@torch.no_grad()
def test_each_image_is_computed_with_the_noise_of_its_lambda():
    net, x = network().eval(), images(5)[0].double()
    engine, lam = engine_for(net, "cpu"), torch.tensor([0.3, 0.0, 1.0, 0.0, 0.15], dtype=torch.float64)
    outputs = engine.logits(x, engine.condition(lam))
    for i in range(5):
        alone = engine.logits(x[i : i + 1], engine.condition(lam[i : i + 1]))
        torch.testing.assert_close(outputs[i : i + 1], alone)
        exact = with_noise(net, lam[i].item(), {conv: conv.noise for conv in convs_of(net)})
        expected = exact(x[i : i + 1], net.condition(lam[i : i + 1]))
        torch.testing.assert_close(alone, expected, atol=1e-10, rtol=1e-10)
    assert (outputs - engine.logits(x, engine.condition(lam * 0))).abs().amax(1)[[0, 2, 4]].min() > 1e-3
    torch.testing.assert_close(AtWidth(net)(x, lam), outputs)  # what `export` traces


@torch.no_grad()
def test_at_lambda_0_it_is_the_network_without_noise_exactly():
    net, x = network().eval(), images(5)[0].double()
    outputs = net(x, torch.zeros(1, dtype=torch.float64))
    for conv in convs_of(net):
        conv.noise.fill_(7.0)
        conv.alpha.fill_(3.0)
    assert torch.equal(net(x, torch.zeros(1, dtype=torch.float64)), outputs)


def test_a_step_is_half_clean_images_and_half_adversarial_ones_under_fresh_noise(monkeypatch):
    net, reference = network(), network()
    rng, engine, queries = torch.Generator().manual_seed(3), engine_for(net, "cpu"), []

    def craft(model, x, *_):
        with torch.no_grad():
            queries.extend(model(x) for _ in range(2))
        return ADV.double()[2:]

    monkeypatch.setattr(float_weight_noise, "pgd", craft)
    batch = Batch(X.double(), Y, LAM.double(), 2, rng)
    loss = backward(resolve(METHODS["float"])(engine, net.recipe, batch))

    rng, order = torch.Generator().manual_seed(3), in_order(reference)
    draws = [{c: torch.randn(c.weight.shape, generator=rng).double() for c in order} for _ in range(3)]
    clean_call = with_noise(reference, 0.0, draws[0])
    outputs = clean_call(X.double()[:2], reference.condition(LAM.double()[:2], 2))
    clean = -outputs.log_softmax(1)[range(2), Y[:2]]
    noisy_call = with_noise(reference, 1.0, draws[2])  # after two passes of the attack
    outputs = noisy_call(ADV.double()[2:], reference.condition(LAM.double()[2:], 0))
    adversarial = -outputs.log_softmax(1)[range(4), Y[2:]]
    expected = (clean.sum() + adversarial.sum()) / 6
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-6)  # the loss is fp32
    actual, exact = gradients(net), gradients(reference)
    for name in exact:
        assert (actual[name] - exact[name]).norm() <= 1e-5 * exact[name].norm() and exact[name].norm() > 0, name
    assert not torch.equal(*queries)  # the attack meets other noise at each step
    assert [n for _, n in batch.correct["sa"]] == [2] and [n for _, n in batch.correct["ra"]] == [4]


def test_batches_of_one_kind(monkeypatch):
    monkeypatch.setattr(float_weight_noise, "pgd", lambda model, x, *_: x)
    for zeros in (0, 6):
        net = network()
        batch = Batch(X.double(), Y, torch.full((6,), float(zeros == 0)).double(), zeros, torch.Generator())
        assert len(list(resolve(METHODS["float"])(engine_for(net, "cpu"), net.recipe, batch))) == 1


@torch.no_grad()
def test_row_25_draws_noise_in_each_pass_but_the_same_in_each_measurement():
    x = images(5)[0].double()
    for kind, alike in (("stored", True), ("each-pass", False)):
        net = network(float_recipe(noise_draw=kind)).eval()
        passes = []
        for _ in range(2):
            cond = net.condition(torch.ones(1).double())
            passes.append([net(x, cond), net(x, cond)])
        assert torch.equal(*passes[0]) == alike and all(map(torch.equal, *passes))


def test_rows_26_and_27_choose_the_networks_of_ra(monkeypatch):
    """As in FLOAT's code: RA(λ>0) is RA(1), and at λ=0 the attack sees weights with noise."""
    measurement, rows = Measurement(epsilon=0.1, step=0.05, steps=2, lambdas=S1), {}
    for name, kinds in (("default", {}), ("26", {"noise_ra": "lambda-1"}), ("27", {"noise_attack_lam0": "with-noise"})):
        net = lively(float_recipe(**kinds)).eval()
        engine = engine_for(net, "cpu")
        part = Images(PART.images, labels_of(net, 0.2))
        rows[name] = {lam: accuracy(engine, part, measurement, lam) for lam in (0.0, 0.2, 1.0)}
        model = model_at(engine, 0.0, torch.device("cpu"))
        attacked, tested = float_method_evaluation.attacked_and_tested(model, 0.0, torch.device("cpu"))
        x = images(4)[0]
        with torch.no_grad():
            seen, answer = attacked(x), tested(x)
            noisy = net(x, net.condition(torch.ones(1), branch="c"))
        assert torch.equal(seen, noisy if name == "27" else answer)
        assert torch.equal(answer, net(x, torch.zeros(1)))
    assert rows["26"][0.0] == rows["default"][0.0] and rows["27"][0.2] == rows["default"][0.2]
    assert rows["26"][0.2]["robust_hits"] == rows["default"][1.0]["robust_hits"]
    assert rows["26"][0.2]["clean_hits"] == rows["default"][0.2]["clean_hits"]
    assert rows["default"][0.2]["robust_hits"] != rows["default"][1.0]["robust_hits"]


def test_its_recipe_its_rows_and_its_passes():
    for wrong in ({"lambdas": S1}, {"norm": "normal"}, {"encoding": "ro-16"}, {"widths": (0.5, 1.0)}):
        with pytest.raises(ValueError, match=r"float takes lambdas: \[0, 1\]"):
            oat(**({"method": "float", "lambdas": (0.0, 1.0), "encoding": "none"} | wrong))
    recipe = float_recipe()
    assert recipe.label == "FLOAT (dual BN)" and recipe.name.startswith("float-dual · ")
    assert float_recipe(film="authors", dct="unnormalised").essential() == recipe
    assert float_recipe(noise_ra="lambda-1").essential().key != recipe.key
    assert oat(protocol=Protocol(noise_ra="lambda-1")).essential() == oat()
    half = recipe.model_copy(update={"epochs": 1, "attack_steps": 7, "batch": 60})
    by_hand = (3 + 2 * 7 + 3) / 2  # a clean half, and an attacked half without a clean pass
    assert training_passes(half, 1347) == pytest.approx(120 * by_hand + 40 * 2 * 16)
    names = {name for name, _ in build(recipe, 1, 10).named_parameters()}
    assert not [name for name in names if "film" in name] and sum(n.endswith("alpha") for n in names) == 9
