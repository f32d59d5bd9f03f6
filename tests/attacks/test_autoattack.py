"""AutoAttack by its authors' package: equal to a direct call, results, side effects, budget."""

import contextlib

import pytest
import torch

from bench.attacks import autoattack
from bench.attacks.attack_options import attack_of
from bench.attacks.pgd import pgd
from bench.data import Dataset, Images
from bench.engines import engine_for
from bench.engines.conditioned_model import model_at
from bench.measures.accuracy import to_input
from bench.measures.blended_accuracy import blended_accuracy
from bench.spec.autoattack_package import PACKAGE, Unavailable, package
from bench.spec.costs import attack_effort
from bench.spec.measurement import Measurement
from bench.spec.registry import ATTACKS
from tests.random_network import write_network
from tests.recipes import images, lively, oat, pgd_at

pyautoattack = pytest.importorskip(PACKAGE, reason=f"not installed: the extra `modern`, or pip install {PACKAGE}")
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
def short(monkeypatch):
    """The package's standard version with 15 steps, 20 queries and 3 targets in place of 100, 5,000 and 9, whoever
    calls it."""
    standard = pyautoattack.AutoAttack._set_version

    def shorten(self, version):
        standard(self, version)
        self.square.n_queries, self.fab.n_iter = 20, 15
        for targeted in (self.fab, self.apgd_targeted):
            targeted.n_target_classes = 3
        for apgd in (self.apgd, self.apgd_targeted):
            apgd.n_iter, apgd.n_iter_2 = 15, 3  # its step may be halved every 3 steps

    monkeypatch.setattr(pyautoattack.AutoAttack, "_set_version", shorten)
    monkeypatch.setattr(autoattack, "TARGETS", 3)


def attack(x, y, epsilon=0.01, logits=tiny, seed=0):
    measurement = Measurement(attack="autoattack", epsilon=epsilon, step=epsilon / 4, lambdas=(0.4,))
    return attack_of(measurement)(logits, x, y, seeded(seed))


def test_on_64_images_it_is_the_package_called_directly(short):
    x = images(64, seed=1)[0]
    y = guessed(tiny, x).where(torch.arange(64) % 9 > 0, torch.tensor(0))  # some images are wrong already
    seed = int(torch.randint(2**31, (1,), generator=seeded(5)))
    direct = pyautoattack.AutoAttack(lambda z: tiny(z), norm="Linf", eps=0.02, seed=seed, version="standard")
    expected = direct.run_standard_evaluation(x, y)[0]
    adv = attack(x, y, 0.02, seed=5)
    assert torch.equal(guessed(tiny, adv), guessed(tiny, expected)) and (adv - expected).abs().max() < 1e-6
    wrong = y != guessed(tiny, x)
    assert 5 < (guessed(tiny, adv) == y).sum() < 50 and wrong.any() and torch.equal(adv[wrong], x[wrong])


def test_it_is_the_standard_version(monkeypatch):
    """100 steps, one start, 9 targets, 5,000 queries, as the package sets them for `standard`."""
    attacks = []
    monkeypatch.setattr(
        pyautoattack.AutoAttack, "run_standard_evaluation", lambda self, x, y, **_: attacks.append(self) or (x, y)
    )
    attack(X, Y, 0.1)
    attack(X, Y, 0.1, seed=1)
    (ours, other), direct = attacks, pyautoattack.AutoAttack(tiny, eps=0.1, device=X.device)
    assert len({each.get_seed() for each in (ours, other)}) == 2
    assert ours.attacks_to_run == direct.attacks_to_run == ["apgd-ce", "apgd-t", "fab-t", "square"]
    for name in ("apgd", "apgd_targeted", "fab", "square"):
        settings = [{k: v for k, v in vars(getattr(each, name)).items() if plain(v)} for each in (ours, direct)]
        for each in settings:
            each.pop("seed")
        assert settings[0] == settings[1]
    assert (ours.apgd.n_iter, ours.apgd_targeted.n_target_classes, ours.square.n_queries) == (100, 9, 5000)


def plain(value) -> bool:
    return value is None or isinstance(value, int | float | str | list)


@pytest.mark.parametrize(("device", "kept"), [("cuda", [torch.device("cuda")]), ("cpu", ())])
def test_the_generator_of_the_images_device_alone_is_kept(device, kept, monkeypatch):
    """By default torch opens every GPU to keep its generator."""
    devices = []
    monkeypatch.setattr(torch.random, "fork_rng", lambda names: devices.append(names) or contextlib.nullcontext())
    monkeypatch.setattr(autoattack, "standard_version", lambda network, x, *_: x)

    placed = type("Placed", (torch.Tensor,), {"device": torch.device(device)})
    adv = autoattack.autoattack(tiny, X.as_subclass(placed), Y, 0.1, 0.1, 1, seeded(), "image", None)
    assert devices == [kept] and adv.shape == X.shape


def test_it_stays_in_the_ball_and_finds_at_least_what_pgd_does(short):
    adv = attack(X, Y)
    assert adv.dtype == torch.float32 and adv.shape == X.shape and adv.min() >= 0 and adv.max() <= 1
    assert (adv.double() - X.double()).abs().max() <= 0.01 + 1e-7
    robust = guessed(tiny, adv) == Y
    weaker = guessed(tiny, pgd(tiny, X, Y, 0.01, 0.0025, 7, seeded())) == Y
    assert 0 < robust.sum() <= weaker.sum() < 12 and torch.equal(adv[robust], X[robust])


def test_a_conditional_network_is_attacked_and_left_as_it_was(short):
    """At one λ, no parameter gets a gradient, and only the measurement's generator advances."""
    before, state = [p.detach().clone() for p in NET.parameters()], torch.get_rng_state()
    y = guessed(conditioned, X[:4])
    adv = attack(X[:4], y, 0.02, conditioned)
    assert (guessed(conditioned, adv) != y).sum() >= 2 and torch.equal(torch.get_rng_state(), state)
    assert all(p.grad is None and torch.equal(p, old) for p, old in zip(NET.parameters(), before, strict=True))


def test_the_same_seed_attacks_alike(short):
    attacked = []
    for noise in (0, 1):
        torch.manual_seed(noise)  # the global generator, from which the package draws
        attacked.append(attack(X[:4], Y[:4]))
    assert torch.equal(*attacked)


def test_it_prints_nothing(short, capfd, caplog):
    attack(X[:2], Y[:1].repeat(2), logits=lambda x: 0 * tiny(x) + 9 * torch.eye(10)[Y[0]])  # gradients that vanish
    assert capfd.readouterr() == ("", "") and not caplog.records


@pytest.mark.parametrize("classes", [2, 3, 4, 10])
def test_it_works_for_few_classes_and_reaches_the_closed_form(classes, short):
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
    adv = attack(x, y, 0.01, logits)
    assert torch.equal(guessed(logits, adv) == y, expected) and 0 < expected.sum() < 24


def test_one_image_and_none_that_is_right_are_no_special_case(short):
    assert attack(X[:1], Y[:1]).shape == X[:1].shape
    wrong = (Y[:3] + 1) % 10
    assert torch.equal(attack(X[:3], wrong), X[:3])


def test_a_row_names_the_package():
    assert ATTACKS["autoattack"].credit() == {"package": f"{PACKAGE} {pyautoattack.__version__}"}
    assert package() == f"{PACKAGE} {pyautoattack.__version__}"
    assert ATTACKS["pgd7"].credit() == {}


def test_without_the_package_it_is_one_line(monkeypatch):
    monkeypatch.setattr("bench.spec.autoattack_package.package", lambda: None)
    with pytest.raises(Unavailable, match=r"^autoattack needs a package.*pip install pyautoattack`.*$"):
        attack(X, Y)


def test_a_mixture_is_attacked_through_itself_and_by_the_images_of_its_parts(short, tmp_path):
    """Each count is that of the package called directly, on the mixture and on both networks, tried on the mixture."""
    g, h = lively(pgd_at(0.0, seed=5)).eval(), lively(pgd_at(1.0, seed=6)).eval()
    write_network(h.recipe, tmp_path / h.recipe.key, h)
    pixels = (images(12)[0] * 255).round().to(torch.uint8)
    x, parts = to_input(pixels), [model_at(engine_for(net, "cpu"), net.recipe.lam, "cpu") for net in (g, h)]

    def mixture(z):
        accurate, robust = (part(z).softmax(1) for part in parts)
        return (0.4 * accurate + 0.6 * robust).log()

    y = guessed(mixture, x)
    about = {"attack": "autoattack", "epsilon": 0.02, "step": 0.02, "seed": 5, "lambdas": (0.6,)}
    measurement = Measurement(blend="probabilities", surrogate=h.recipe.key, **about)
    tested = Images(pixels, y)
    data = Dataset("random", 10, *[tested] * 3)
    (row,) = blended_accuracy(engine_for(g, "cpu"), data, tested, measurement, tmp_path / "g")

    seed = int(torch.randint(2**31, (1,), generator=seeded(5)))
    survived = []
    for source in (mixture, *parts):
        direct = pyautoattack.AutoAttack(source, norm="Linf", eps=0.02, seed=seed, version="standard", device="cpu")
        adv, _ = direct.run_standard_evaluation(x, y)
        survived.append(guessed(mixture, adv.clamp(0, 1)) == y)
    assert row["robust_to"] == [int(each.sum()) for each in survived]
    assert row["robust_correct"] == int(torch.stack(survived).all(0).sum()) < row["clean_correct"] == 12
    assert row["robust_correct"] > 0


@pytest.mark.parametrize(("classes", "steps"), [(10, 2475), (3, 1500)])
def test_its_effort_is_counted_in_gradient_steps(classes, steps):
    """Half of the images withstand; each costs 100 steps of CE, 9 × 100 of DLR, as many of FAB, and 5000 queries."""
    assert attack_effort(Measurement(attack="autoattack", epsilon=0.1, step=0.1, lambdas=(0,)), classes) == steps
    assert ATTACKS["autoattack"].missing_package() is None
