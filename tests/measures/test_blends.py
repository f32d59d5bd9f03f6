"""Blends of two networks: exact at their ends, against closed forms between, attacked no weaker than their parts."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from bench.attacks.pgd import pgd
from bench.data import Dataset, Images
from bench.engines import engine_class, engine_for
from bench.engines.conditioned_model import model_at
from bench.engines.eager import EagerEngine
from bench.engines.gpu.engine import GpuEngine
from bench.measures.accuracy import accuracy, to_input
from bench.measures.blended_accuracy import blended_accuracy
from bench.measures.blends import bn_interpolation, mixednuts, output_mixing, weight_interpolation
from bench.spec.measurement import Measurement
from bench.spec.registry import BLENDS, resolve
from tests.random_network import write_network
from tests.recipes import images, lively, oat, pgd_at

ALPHAS = (0.0, 0.4, 0.7, 1.0)
ATTACK = {"epsilon": 0.03, "step": 0.01, "steps": 2, "seed": 3}
G = lively(pgd_at(0.0, seed=5)).eval()
H = lively(pgd_at(1.0, seed=6)).eval()
X, Y = images(64)
PIXELS = (X * 255).round().to(torch.uint8)
ANSWERS = G(X, torch.zeros(64)).argmax(1)
IMAGES = Images(PIXELS, torch.where(torch.arange(64) % 5 > 0, ANSWERS, H(X, torch.ones(64)).argmax(1)))
DATA = Dataset("random", 10, IMAGES, IMAGES.slice(0, 32), IMAGES)


def measured(blend: str, folder, net=G, other=H, alphas=ALPHAS) -> list[dict]:
    """Rows of a blend of `net`, in whose folder's neighbour `other` is trained."""
    write_network(other.recipe, folder / other.recipe.key, other)
    about = {"blend": blend, "surrogate": other.recipe.key, "lambdas": alphas} | ATTACK
    return list(blended_accuracy(engine_for(net, "cpu"), DATA, IMAGES, Measurement(**about), folder / "mine"))


def alone(net, lam: float, alpha: float) -> dict:
    """The row of `accuracy` of a network at λ, under the name α."""
    return accuracy(engine_for(net, "cpu"), IMAGES, Measurement(lambdas=(lam,), **ATTACK), lam) | {"lam": alpha}


@pytest.fixture(scope="module", params=["probabilities", "logits", "mixednuts"])
def mixture(request, tmp_path_factory):
    return request.param, measured(request.param, tmp_path_factory.mktemp("trials"))


def test_at_its_ends_a_mixture_is_the_network_itself(mixture):
    _, rows = mixture
    assert [row["lam"] for row in rows] == list(ALPHAS)
    assert rows[0] == alone(G, 0.0, 0.0) and rows[-1] == alone(H, 1.0, 1.0)


def crafted_on(net) -> torch.Tensor:
    """PGD on a plain network, by autograd."""
    lam = torch.tensor([net.recipe.lam])
    model = lambda x: net(x, net.condition(lam))  # noqa: E731
    return pgd(model, to_input(PIXELS), IMAGES.labels, 0.03, 0.01, 2, torch.Generator().manual_seed(3))


def test_its_attack_is_at_least_as_strong_as_the_attack_on_either_part(mixture):
    """The adversarial images of each part, tried on the mixture, fool no image that is counted as robust."""
    name, rows = mixture
    ends = [engine_for(net, "cpu") for net in (G, H)]
    blend = resolve(BLENDS[name])(ends, DATA, Measurement(lambdas=ALPHAS, **ATTACK))
    adversarial = [crafted_on(net) for net in (G, H)]
    for row in rows[1:-1]:
        model = blend.at(row["lam"])[0]
        withstood = [int((model(adv).argmax(1) == IMAGES.labels).sum()) for adv in adversarial]
        assert row["robust_to"][-2:] == withstood
        assert row["robust_correct"] <= min(row["robust_to"]) and row["clean_correct"] > row["robust_correct"]
        assert len(row["robust_to"]) == (4 if name == "mixednuts" else 3)


def test_a_confident_part_would_hide_its_gradient(tmp_path):
    """Where g is certain, the attack through mixed probabilities alone finds less than the images crafted on g."""
    certain = lively(pgd_at(0.0, seed=5)).eval()
    with torch.no_grad():
        certain.head.weight *= 40
        certain.head.bias *= 40
    (row,) = measured("probabilities", tmp_path, net=certain, alphas=(0.3,))
    through_mixture, on_g, _ = row["robust_to"]
    assert row["robust_correct"] <= on_g < through_mixture


def test_mixed_probabilities_are_their_mean():
    accurate, robust = torch.randn(2, 20, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 8
    mixed = output_mixing.mix_probabilities(accurate, robust, 0.3).numpy()
    g, h = (np.exp(z) / np.exp(z).sum(1, keepdims=True) for z in (accurate.numpy(), robust.numpy()))
    assert np.allclose(np.exp(mixed), 0.7 * g + 0.3 * h, rtol=1e-12)


# ---- MixedNUTS


def numpy_transform(h: np.ndarray, s: float, p: float, c: float) -> np.ndarray:
    z = (h - h.mean(1, keepdims=True)) / np.sqrt(h.var(1, ddof=1, keepdims=True) + 1e-8) + c
    z *= np.vectorize(lambda value: 0.5 * (1 + math.erf(value / math.sqrt(2))))(z)
    return s * np.sign(z) * np.abs(z) ** p


def numpy_margin(logits: np.ndarray) -> np.ndarray:
    probabilities = np.exp(logits - logits.max(1, keepdims=True))
    ranked = np.sort(probabilities / probabilities.sum(1, keepdims=True), axis=1)
    return ranked[:, -1] - ranked[:, -2]


def test_its_transform_is_the_best_of_the_grid():
    rng = np.random.default_rng(0)
    robust, misled = rng.normal(size=(40, 10)) * [[3.0]], rng.normal(size=(25, 10))
    chosen, alpha = mixednuts.search(torch.tensor(robust), torch.tensor(misled), 0.9)
    assert np.allclose(
        mixednuts.transformed(torch.tensor(robust), (0.7, 2.0, -0.4)).numpy(), numpy_transform(robust, 0.7, 2.0, -0.4)
    )

    def needed_margin(s: float, p: float, c: float) -> float:
        return np.quantile(numpy_margin(numpy_transform(robust, s, p, c)), 0.1)

    def objective(s: float, p: float, c: float) -> float:
        needed = needed_margin(s, p, c)
        return float((numpy_margin(numpy_transform(misled, s, p, c)) >= needed - 1e-12).mean())

    grid = [(s, p, c) for s in mixednuts.SCALES[::3] for p in mixednuts.POWERS[::3] for c in mixednuts.BIASES[::3]]
    assert objective(*chosen) <= min(objective(*each) for each in grid)
    kept = alpha * numpy_margin(numpy_transform(robust, *chosen)) >= 1 - alpha - 1e-12  # outvote a g that is sure
    assert kept.mean() == 0.9


def test_its_surrogate_has_the_gradient_through_g_that_the_mixture_lacks():
    ends = [engine_for(net, "cpu") for net in (G, H)]
    blend = mixednuts.mixednuts(ends, DATA, Measurement(lambdas=(0.7,), **ATTACK))
    accurate, robust = (torch.randn(4, 10, generator=torch.Generator().manual_seed(i)).requires_grad_() for i in (0, 1))
    for combine, has_gradient in ((blend.combine, False), (blend.surrogates[0], True)):
        outputs = combine(accurate, robust, 0.7)
        through_g, through_h = torch.autograd.grad(outputs[:, 0].sum(), [accurate, robust], allow_unused=True)
        assert (through_g is not None and bool(through_g.abs().sum() > 0)) == has_gradient
        assert through_h.abs().sum() > 0


# ---- weights and BN


def test_interpolated_weights_are_the_lines_between_and_bn_is_estimated_anew(tmp_path):
    start = lively(pgd_at(0.0, seed=5)).eval()
    tuned = lively(pgd_at(1.0, seed=5, tuned_from=0.0, tuning_lr=0.01)).eval()
    with torch.no_grad():
        for parameter in tuned.parameters():
            parameter += 0.01
    measurement = Measurement(lambdas=ALPHAS, **ATTACK)
    blend = weight_interpolation.weights([engine_for(net, "cpu") for net in (tuned, start)], DATA, measurement)
    (model,) = blend.at(0.25)
    net = model.engine.net
    for (name, value), first, second in zip(
        net.named_parameters(), start.parameters(), tuned.parameters(), strict=True
    ):
        assert torch.allclose(value, 0.75 * first + 0.25 * second, atol=1e-6), name
    with torch.no_grad():
        maps = net.stem(to_input(PIXELS)).double()
    bn = net.norms[0].bn_a  # its input depends on no other BN
    assert torch.allclose(bn.running_mean.double(), maps.mean((0, 2, 3)), atol=1e-6)
    assert torch.allclose(bn.running_var.double(), maps.transpose(0, 1).flatten(1).var(1), atol=1e-6)
    rows = measured("weights", tmp_path, net=tuned, other=start)
    assert rows[0] == alone(start, 0.0, 0.0) and rows[-1] == alone(tuned, 1.0, 1.0)
    assert not any("robust_to" in row for row in rows)


@torch.no_grad()
def test_bn_is_interpolated_by_every_engine():
    """Whose Conditions hold BN in forms of their own."""
    net, x = lively(oat("dual-without-film", lambdas=(0.0, 1.0), encoding="none")).eval(), to_input(PIXELS)
    measurement = Measurement(blend="bn", lambdas=ALPHAS, **ATTACK)
    for alpha in ALPHAS:
        eager, *others = (
            bn_interpolation.bn([engine(net)], DATA, measurement).at(alpha)[0](x)
            for engine in (EagerEngine, GpuEngine, engine_class("cpu"))
        )
        assert all(torch.allclose(outputs, eager, atol=1e-4) for outputs in others)


def test_interpolated_bn_mixes_the_outputs_of_both_branches(tmp_path):
    net = lively(oat("dual-without-film", lambdas=(0.0, 1.0), encoding="none")).eval()
    assert not any("film" in name for name in net.state_dict())
    about = {"blend": "bn", "lambdas": ALPHAS} | ATTACK
    rows = list(blended_accuracy(engine_for(net, "cpu"), DATA, IMAGES, Measurement(**about), tmp_path))
    assert rows[0] == alone(net, 0.0, 0.0) and rows[-1] == alone(net, 1.0, 1.0)

    def mixed(norm, x):
        c, a = (F.batch_norm(x, b.running_mean, b.running_var, b.weight, b.bias) for b in (norm.bn_c, norm.bn_a))
        return 0.3 * c + 0.7 * a

    x = to_input(PIXELS)
    (model,) = bn_interpolation.bn([engine_for(net, "cpu")], DATA, Measurement(**about)).at(0.7)
    outputs = model(x)
    for norm in net.norms:
        norm.forward = lambda x, cond, norm=norm: mixed(norm, x)
    assert torch.allclose(outputs, net(x, net.condition(torch.ones(1))), atol=1e-4)
    assert not torch.allclose(outputs, model_at(engine_for(net, "cpu"), 1.0, "cpu")(x), atol=1e-2)
