"""Our attacks against Foolbox's (Rauber et al., 2017), on the same network, images and start.

The network computes in fp64, so that rounding decides almost no sign. Foolbox's L∞ MI-FGSM adds up signs of gradients
where Dong et al. (Eq. 6) add up gradients of unit L1 norm; here its normalisation is replaced by Foolbox's own for L1,
and everything else is left as it is.
"""

import pytest
import torch
from torch import nn

from bench.attacks.attack_options import away
from bench.attacks.pgd import cross_entropy, pgd
from bench.spec.registry import ATTACKS, resolve
from tests.recipes import images, lively, oat, pgd_at

X, Y = images(12)
X = X.double()
EPSILON, STEP = 0.1, 0.025
PLAIN, CONDITIONAL = (lively(recipe).double().eval() for recipe in (pgd_at(), oat(widths=(0.5, 1.0))))
CONDITIONED = {  # a network, its λ and its width
    "pgd-at": (PLAIN, 0.5, 1.0),
    "oat at 0": (CONDITIONAL, 0.0, 1.0),
    "oat at 0.3": (CONDITIONAL, 0.3, 1.0),
    "oats at 0.35, half as wide": (CONDITIONAL, 0.35, 0.5),
}


class Conditioned(nn.Module):
    """A network at one λ and width as the module that Foolbox takes."""

    def __init__(self, net, lam: float, width: float):
        super().__init__()
        self.net, self.cond = net, net.condition(torch.tensor([lam], dtype=torch.float64), width=width)

    def forward(self, x):
        return self.net(x, self.cond)


def theirs(name: str, start):
    """Foolbox's attack of this name; where it starts at random, from `start`."""
    import foolbox  # here: slow to import, so not while tests are collected

    if name == "fgsm":
        return foolbox.attacks.LinfFastGradientAttack(random_start=False)
    if name == "mifgsm":
        attack = foolbox.attacks.LinfMomentumIterativeFastGradientMethod(abs_stepsize=STEP, steps=10, momentum=1.0)
        normalize = foolbox.attacks.gradient_descent_base.L1BaseGradientDescent.normalize
        attack.normalize = lambda gradients, **rest: normalize(attack, gradients, **rest)
        return attack
    attack = foolbox.attacks.LinfPGD(abs_stepsize=STEP, steps=int(name.removeprefix("pgd")), random_start=True)
    attack.get_random_start = lambda x0, epsilon: type(x0)(start)
    return attack


def both(name: str, at: str, targets=None):
    """Adversarial images of ours and theirs, towards `targets` if there are any, and the network."""
    import foolbox

    network = Conditioned(*CONDITIONED[at]).eval()
    model = foolbox.models.PyTorchModel(network, bounds=(0, 1), device="cpu")
    attack, loss = ATTACKS[name], cross_entropy if targets is None else away(cross_entropy)
    labels = Y if targets is None else targets
    rest = {"epsilon": EPSILON, "step": STEP, "start": attack.start, "loss": loss}
    ours, start = (
        resolve(attack)(network, X, labels, steps=steps, rng=torch.Generator().manual_seed(0), **rest)
        for steps in (attack.steps, 0)
    )
    criterion = foolbox.criteria.Misclassification(Y)
    if targets is not None:
        criterion = foolbox.criteria.TargetedMisclassification(targets)
    return ours, theirs(name, start).run(model, X, criterion, epsilon=EPSILON), network


def assert_same(ours, expected) -> None:
    """But for the few pixels whose gradient is 0 to fp32, in which our losses are computed."""
    assert ((ours - expected).abs() > 1e-6).double().mean() < 2e-3


@pytest.mark.parametrize(
    ("name", "at"),
    [(name, at) for name in ("pgd7", "mifgsm", "fgsm") for at in CONDITIONED]
    + [("pgd20", "oats at 0.35, half as wide")],
)
def test_it_is_foolbox_s(name, at):
    ours, expected, network = both(name, at)
    assert_same(ours, expected)
    with torch.no_grad():
        losses = [nn.functional.cross_entropy(network(x), Y) for x in (X, ours, expected)]
    assert losses[1] > losses[0] + 0.1 and abs(losses[1] - losses[2]) < 1e-3 * losses[2]


def test_towards_a_target_it_is_foolbox_s():
    assert_same(*both("pgd7", "oat at 0.3", targets=(Y + 3) % 10)[:2])


def test_the_comparison_would_see_another_attack():
    """One step fewer, or signs added up in place of gradients."""
    import foolbox

    ours, expected, network = both("pgd7", "oat at 0.3")
    fewer = pgd(network, X, Y, EPSILON, STEP, 6, torch.Generator().manual_seed(0))
    signs = foolbox.attacks.LinfMomentumIterativeFastGradientMethod(abs_stepsize=STEP, steps=10, momentum=1.0)
    model = foolbox.models.PyTorchModel(network, bounds=(0, 1), device="cpu")
    other = signs.run(model, X, foolbox.criteria.Misclassification(Y), epsilon=EPSILON)
    for pair in ((fewer, expected), (both("mifgsm", "oat at 0.3")[0], other)):
        with pytest.raises(AssertionError):
            assert_same(*pair)
