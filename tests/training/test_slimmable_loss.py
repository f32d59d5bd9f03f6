"""OATS, Algorithm 2: a step sums the gradients of all widths, each trained and attacked as a sub-network."""

import copy

import pytest
import torch
import torch.nn.functional as F

from bench.engines.eager import EagerEngine
from bench.models import build
from bench.spec.lambda_sets import S1
from bench.spec.protocol_ledger import Protocol
from bench.spec.registry import METHODS, resolve
from bench.training import checkpoint_selection, loop, objectives
from bench.training.checkpoint import State
from bench.training.objectives import Batch
from bench.training.optimiser import EagerSGD
from tests.recipes import digits, images, lively, oat, pgd_at

WIDTHS = (0.5, 0.75, 1.0)
BATCH = 24
ONE_STEP = {"widths": WIDTHS, "dropout": 0.0, "train_images": BATCH, "batch": BATCH}
RECIPES = {"oats": oat(**ONE_STEP), "oats-normal": oat("normal", **ONE_STEP), "pgd-ats": pgd_at(0.5, **ONE_STEP)}


@pytest.fixture
def batches(monkeypatch):
    """Every batch given to an objective, with copies of the state dict and the generator before it."""
    recorded = []

    def spy(objective):
        def spied(engine, recipe, batch):
            copied = copy.copy(batch)
            copied.rng = torch.Generator().set_state(batch.rng.get_state())
            copied.correct = {"sa": [], "ra": []}
            recorded.append((copied, {name: value.clone() for name, value in engine.net.state_dict().items()}))
            return objective(engine, recipe, batch)

        return spied

    monkeypatch.setattr(loop, "resolve", lambda method: spy(resolve(method)))
    return recorded


def one_step(recipe, make_engine=EagerEngine):
    """Train an epoch of one step. Returns the network, with its gradients, and the epoch's row."""
    net = build(recipe, 1, 10)
    optimiser = EagerSGD(net.parameters(), lr=recipe.lr)
    return net, loop.train_epoch(make_engine(net), optimiser, recipe, digits(recipe), 0)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_a_step_s_gradient_is_the_sum_of_its_widths(recipe, batches, make_engine):
    net, row = one_step(recipe, make_engine)
    assert [batch.width for batch, _ in batches] == list(WIDTHS)
    before = batches[0][1]
    total, loss = {}, 0.0
    for batch, _ in batches:  # each width alone, from the same weights
        alone = build(recipe, 1, 10)
        alone.load_state_dict(before)
        for term in resolve(METHODS[recipe.method])(make_engine(alone.train()), recipe, batch):
            term.backward()
            loss += term.item()
        for name, parameter in alone.named_parameters():
            if parameter.grad is not None:
                total[name] = total.get(name, 0) + parameter.grad
    for name, parameter in net.named_parameters():
        assert (parameter.grad - total[name]).norm() <= 1e-4 * total[name].norm() + 1e-8, name
    assert row["loss"] == pytest.approx(loss / len(WIDTHS), rel=1e-5)
    lr = recipe.lr  # of the first epoch of cosine annealing
    for name, parameter in net.named_parameters():  # one optimiser step for all widths together
        torch.testing.assert_close(parameter.detach(), before[name] - lr * total[name], atol=1e-5, rtol=1e-3)


def test_all_widths_of_a_step_see_the_same_images_and_lambdas(batches):
    one_step(RECIPES["oats"])
    first = batches[0][0]
    assert all(torch.equal(batch.x, first.x) and torch.equal(batch.lam, first.lam) for batch, _ in batches)
    states = [batch.rng.get_state() for batch, _ in batches]
    assert not torch.equal(states[0], states[1])  # but each width draws its own start


def test_the_training_accuracy_counts_all_widths(batches, monkeypatch):
    pairs = []
    real = loop.share
    monkeypatch.setattr(loop, "share", lambda hits: pairs.append(hits) or real(hits))
    one_step(RECIPES["oats"])
    attacked = BATCH - batches[0][0].zeros
    assert [[n for _, n in hits] for hits in pairs] == [[BATCH] * 3, [attacked] * 3]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", ["eval", "train"])
def test_a_width_is_attacked_by_its_own_sub_network(width, kind, make_engine, monkeypatch):
    recipe = oat(widths=WIDTHS, dropout=0.0, protocol=Protocol(attack_bn=kind))
    net, outputs = lively(recipe), []
    (x, y), lam = images(6), torch.tensor([0.0, 0.0, 0.1, 0.3, 0.4, 1.0])
    monkeypatch.setattr(objectives, "pgd", lambda logits, x, *rest: outputs.append(logits(x)) or x)
    batch = Batch(x, y, lam, 2, torch.Generator(), width)
    exact = copy.deepcopy(net).train(kind == "train")
    objectives.craft(make_engine(net), recipe, batch, slice(2, None))
    with torch.no_grad():
        expected = {w: exact(x[2:], exact.condition(lam[2:], width=w)) for w in WIDTHS}
    torch.testing.assert_close(outputs[0], expected[width], atol=1e-4, rtol=1e-4)
    assert all(not torch.allclose(outputs[0], expected[w], atol=1e-2) for w in WIDTHS if w != width)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_width_s_loss_is_equation_3_of_its_sub_network(width, make_engine, monkeypatch):
    recipe = oat(widths=WIDTHS, dropout=0.0)
    net, (x, y), adv = lively(recipe).double(), images(6), images(6, seed=1)[0].double()
    lam = torch.tensor([0.0, 0.0, 0.1, 0.3, 0.4, 1.0]).double()
    monkeypatch.setattr(objectives, "craft", lambda engine, recipe, batch, part: adv[part])
    reference = copy.deepcopy(net)
    loss = sum(
        resolve(METHODS["oat"])(make_engine(net), recipe, Batch(x.double(), y, lam, 2, torch.Generator(), width))
    ).item()
    passes = [reference(z, reference.condition(lam[s:], width=width)) for s, z in ((0, x.double()), (2, adv[2:]))]
    clean, adversarial = (F.cross_entropy(p, y[-len(p) :], reduction="none") for p in passes)
    expected = (((1 - lam) * clean).sum() + (lam[2:] * adversarial).sum()) / 6
    assert loss == pytest.approx(expected.item(), rel=1e-6)


# --- selection


def test_the_held_out_score_is_the_mean_over_lambdas_and_widths(monkeypatch):
    recipe, calls = oat(widths=WIDTHS, lambdas=(0.0, 1.0), precision="bf16"), []

    def accuracy(engine, part, measurement, lam, precision):
        calls.append((measurement.width, lam, precision))
        sa, ra = len(calls), 2 * len(calls)
        return {"lam": lam, "width": measurement.width, "n": 40, "clean_correct": sa, "robust_correct": ra}

    monkeypatch.setattr(loop, "accuracy", accuracy)
    rows = loop.heldout_rows(None, recipe, digits(recipe))
    assert calls == [(width, lam, "bf16") for width in WIDTHS for lam in (0.0, 1.0)]
    means = checkpoint_selection.consider(State(), torch.nn.Linear(1, 1), recipe, rows, 1)
    sa, ra = (1 + 2 + 3 + 4 + 5 + 6) / 6 / 40, 2 * (1 + 2 + 3 + 4 + 5 + 6) / 6 / 40
    assert means == pytest.approx({"heldout_sa": sa, "heldout_ra": ra, "score": (sa + ra) / 2})


def test_under_each_every_width_has_its_own_weights():
    recipe = oat(widths=(0.5, 1.0), lambdas=(0.0, 1.0), protocol=Protocol(selection="each"))
    state = State()
    rows = [
        {"lam": lam, "width": width, "n": 10, "clean_correct": 5, "robust_correct": 1}
        for width in (0.5, 1.0)
        for lam in (0.0, 1.0)
    ]
    checkpoint_selection.consider(state, torch.nn.Linear(1, 1), recipe, rows, 1)
    wide = {f"{metric}@{lam}" for metric in ("SA", "RA") for lam in (0, 1)}
    assert state.best.keys() == {"one"} | wide | {f"{tag}w0.5" for tag in wide}
    assert checkpoint_selection.nearest_tag("SA", 0.9, recipe, 0.5) == "SA@1w0.5"
    assert checkpoint_selection.nearest_tag("RA", 0.2, recipe, 1.0) == "RA@0"


def test_every_parameter_is_trained_and_so_is_every_bn(make_engine):
    """Also the BNs that belong to a single width."""
    net, _ = one_step(RECIPES["oats"], make_engine)
    assert net.recipe.lambdas == S1
    assert all(p.grad is not None and p.grad.any() for p in net.parameters())
    fresh = build(net.recipe, 1, 10).state_dict()
    moved = {n for n, b in net.named_buffers() if "running_mean" in n and not torch.equal(b, fresh[n])}
    assert len(moved) == 2 * len(WIDTHS) * len(net.norms)
