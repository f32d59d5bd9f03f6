"""AutoAttack by ART, and by its authors' package where that is importable: results, side effects, budget."""

import contextlib
import importlib.util
import sys

import numpy as np
import pytest
import torch

from bench.attacks import autoattack
from bench.attacks.attack_options import attack_of
from bench.attacks.pgd import pgd
from bench.spec import autoattack_packages
from bench.spec.autoattack_packages import ART, OWN, Unavailable
from bench.spec.costs import attack_effort
from bench.spec.measurement import Measurement
from bench.spec.registry import ATTACKS
from tests.recipes import images, lively, oat

IMPORTABLE = {OWN: importlib.util.find_spec(OWN) is not None, ART: importlib.util.find_spec("art") is not None}
HINT = {OWN: "AutoAttack's own package is not importable: put a checkout of fra31/auto-attack on PYTHONPATH"}
HINT |= {ART: f"ART is not installed: the extra `modern`, or pip install {ART}"}
PACKAGES = [pytest.param(n, marks=pytest.mark.skipif(not IMPORTABLE[n], reason=HINT[n]), id=n) for n in (OWN, ART)]
needs_a_package = pytest.mark.skipif(not any(IMPORTABLE.values()), reason=f"{HINT[OWN]}; {HINT[ART]}")
NET = lively(oat()).eval()
X = images(12)[0]
HIDDEN, HEAD = (torch.randn(*shape, generator=torch.Generator().manual_seed(1)) for shape in ((32, 64), (10, 32)))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def tiny(x):
    """Logits of a network with one hidden layer."""
    return ((x - 0.5).flatten(1) @ HIDDEN.T).relu() @ HEAD.T


def conditioned(x):
    return NET(x, NET.condition(torch.tensor([0.4])))


@torch.no_grad()
def guessed(logits, x):
    return logits(x).argmax(1)


Y = guessed(tiny, X)


@pytest.fixture
def attack_by(monkeypatch):
    """A function that attacks by the package of a name, with Square at `queries` queries."""

    def attack(name, x, y, epsilon=0.01, queries=20, logits=tiny, seed=0):
        monkeypatch.setattr(autoattack, "installed", lambda: name)
        monkeypatch.setattr(autoattack, "QUERIES", queries)
        monkeypatch.setattr(autoattack, "STEPS", 25)
        measurement = Measurement(attack="autoattack", epsilon=epsilon, step=epsilon / 4, lambdas=(0.4,))
        return attack_of(measurement)(logits, x, y, seeded(seed))

    return attack


@pytest.mark.parametrize(("device", "kept"), [("cuda", [torch.device("cuda")]), ("cpu", ())])
def test_the_generator_of_the_images_device_alone_is_kept(device, kept, monkeypatch):
    """By default torch opens every GPU to keep its generator."""
    devices = []
    monkeypatch.setattr(torch.random, "fork_rng", lambda names: devices.append(names) or contextlib.nullcontext())
    monkeypatch.setattr(autoattack, "installed", lambda: ART)
    monkeypatch.setattr(autoattack, "by_art", lambda network, x, *_: x)

    placed = type("Placed", (torch.Tensor,), {"device": torch.device(device)})
    attack = autoattack.autoattack(tiny, X.as_subclass(placed), Y, 0.1, 0.1, 1, seeded(), "image", None)
    assert devices == [kept] and attack.shape == X.shape


@pytest.mark.parametrize("name", PACKAGES)
def test_it_stays_in_the_ball_and_finds_at_least_what_pgd_does(name, attack_by):
    adv = attack_by(name, X, Y)
    assert adv.dtype == torch.float32 and adv.shape == X.shape and adv.min() >= 0 and adv.max() <= 1
    assert (adv.double() - X.double()).abs().max() <= 0.01 + 1e-7
    robust = guessed(tiny, adv) == Y
    weaker = guessed(tiny, pgd(tiny, X, Y, 0.01, 0.0025, 7, seeded())) == Y
    assert 0 < robust.sum() <= weaker.sum() < 12 and torch.equal(adv[robust], X[robust])


@pytest.mark.parametrize("name", PACKAGES)
def test_a_conditional_network_is_attacked_and_left_as_it_was(name, attack_by):
    """At one λ, no parameter gets a gradient, and only the measurement's generator advances."""
    before, state = [p.detach().clone() for p in NET.parameters()], torch.get_rng_state()
    y = guessed(conditioned, X[:4])
    adv = attack_by(name, X[:4], y, 0.02, 10, conditioned)
    assert (guessed(conditioned, adv) != y).sum() >= 2 and torch.equal(torch.get_rng_state(), state)
    assert all(p.grad is None and torch.equal(p, old) for p, old in zip(NET.parameters(), before, strict=True))


@pytest.mark.parametrize("name", PACKAGES)
def test_the_same_seed_attacks_alike(name, attack_by):
    numpy_state, attacked = np.random.get_state()[1].copy(), []
    for noise in (0, 1):
        torch.manual_seed(noise)  # the global generator, from which both packages draw
        attacked.append(attack_by(name, X[:6], Y[:6]))
    assert torch.equal(*attacked) and np.array_equal(numpy_state, np.random.get_state()[1])


@pytest.mark.parametrize("name", PACKAGES)
def test_it_says_nothing_where_rows_are_printed(name, attack_by, capsys):
    attack_by(
        name, X[:2], Y[:1].repeat(2), logits=lambda x: 0 * tiny(x) + 9 * torch.eye(10)[Y[0]]
    )  # gradients that vanish
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", PACKAGES)
@pytest.mark.parametrize("classes", [2, 3, 4, 10])
def test_it_works_for_few_classes_and_reaches_the_closed_form(name, classes, attack_by):
    """An image of a linear network is robust if and only if z_y - z_k > ε‖w_y - w_k‖₁ for each other class k."""
    rng = seeded(3)
    weight, x = torch.randn(classes, 64, generator=rng), 0.3 + 0.4 * torch.rand(24, 1, 8, 8, generator=rng)

    def logits(images):
        return (images - 0.5).flatten(1) @ weight.T

    y = guessed(logits, x)
    z, apart = logits(x), (weight[y][:, None] - weight[None]).abs().sum(-1)
    slack = z.gather(1, y[:, None]) - z - 0.01 * apart
    slack[torch.arange(24), y] = torch.inf
    expected = slack.min(1).values > 0
    adv = attack_by(name, x, y, 0.01, logits=logits, queries=20)
    assert torch.equal(guessed(logits, adv) == y, expected) and 0 < expected.sum() < 24


@pytest.mark.parametrize("name", PACKAGES)
def test_one_image_and_none_that_is_right_are_no_special_case(name, attack_by):
    assert attack_by(name, X[:1], Y[:1]).shape == X[:1].shape
    wrong = (Y[:3] + 1) % 10
    assert torch.equal(attack_by(name, X[:3], wrong), X[:3])


@pytest.mark.skipif(not all(IMPORTABLE.values()), reason=HINT[OWN] if not IMPORTABLE[OWN] else HINT[ART])
def test_both_packages_agree_on_a_network(attack_by):
    """They differ on few images: they draw other starts, and one has DeepFool in place of FAB."""
    x = images(60, seed=1)[0]
    y = guessed(tiny, x)
    robust = [guessed(tiny, attack_by(name, x, y, queries=500)) == y for name in (OWN, ART)]
    assert (robust[0] != robust[1]).sum() <= 3 and 5 < robust[0].sum() < 55


@pytest.mark.skipif(not IMPORTABLE[ART], reason=HINT[ART])
def test_art_s_attacks_have_the_standard_version_s_budget(monkeypatch):
    """100 iterations from a step of 2ε, one start, 9 targets, 5000 queries: AutoAttack's set_version("standard")."""

    attacks = []
    monkeypatch.setattr(
        "bench.attacks.autoattack_art.run_attack",
        lambda x, y, robust, attack, *rest: attacks.append(attack) or (x, robust),
    )
    autoattack.by_art(autoattack.Network(tiny), X, Y, 0.1, 0)
    names = [type(attack).__name__ for attack in attacks]
    assert names == ["AutoProjectedGradientDescent", *["Targeted"] * 9, "DeepFool", "SquareAttack"]
    for attack in attacks[:10]:
        assert (attack.max_iter, attack.nb_random_init, attack.eps, attack.eps_step) == (100, 1, 0.1, 0.2)
    assert [attack.rank for attack in attacks[1:10]] == list(range(2, 11)) and attacks[0].loss_type == "cross_entropy"
    assert (attacks[-1].max_iter, attacks[-1].p_init, attacks[-1].nb_restarts) == (5000, 0.8, 1)


@pytest.mark.skipif(not IMPORTABLE[ART], reason=HINT[ART])
def test_the_targeted_dlr_loss_is_the_paper_s():
    from bench.attacks.autoattack_art import TargetedDLR

    outputs = torch.tensor([[3.0, 1.0, 6.0, 2.0, 5.0]])
    marks = torch.tensor([[0.0, 0.5, 0.0, 0.0, 1.0]])  # right: class 4, target: class 1
    loss = TargetedDLR()
    loss.reduction = "none"
    assert loss(outputs, marks).item() == pytest.approx(-(5 - 1) / (6 - (3 + 2) / 2))


# --- packages


@needs_a_package
def test_a_row_names_the_package():
    name, _, version = ATTACKS["autoattack"].credit()["package"].partition(" ")
    assert name == autoattack_packages.installed() and version
    assert ATTACKS["pgd7"].credit() == {}


def test_its_own_package_comes_first_and_one_without_a_version_is_named_by_its_source(tmp_path, monkeypatch):
    (tmp_path / OWN).mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, OWN, raising=False)
    assert autoattack_packages.installed() != OWN or IMPORTABLE[OWN]  # an empty folder is no package
    (tmp_path / OWN / "__init__.py").write_text("")
    importlib.invalidate_caches()
    assert autoattack_packages.installed() == OWN
    before = autoattack_packages.package()
    (tmp_path / OWN / "more.py").write_text("x = 1")
    assert before.startswith("autoattack (source ") and autoattack_packages.package() != before


def test_without_any_package_it_is_one_line(attack_by):
    with pytest.raises(Unavailable, match=r"^autoattack needs a package.*pip install .*PYTHONPATH$"):
        attack_by(None, X, Y)


@pytest.mark.parametrize(
    ("name", "classes", "steps"), [(OWN, 10, 2475), (ART, 10, 4575), (OWN, 3, 1500), (ART, 3, 4050)]
)
def test_its_effort_is_counted_in_gradient_steps(name, classes, steps, monkeypatch):
    """Half of the images withstand; each costs 100 steps of CE, 9 × 100 of DLR, as many of FAB, and 5000 queries."""
    monkeypatch.setattr(autoattack_packages, "installed", lambda: name)
    assert attack_effort(Measurement(attack="autoattack", epsilon=0.1, step=0.1, lambdas=(0,)), classes) == steps
    assert ATTACKS["autoattack"].missing_package() is None
