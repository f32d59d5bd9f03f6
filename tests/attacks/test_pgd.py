"""PGD, MI-FGSM and FGSM against plain versions on a linear model, whose gradient is known; their side effects."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from bench.attacks.pgd import fgsm, mi_fgsm, pgd
from bench.spec.protocol_ledger import step_size
from tests.recipes import images, lively, oat

NET = lively(oat()).eval()


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def attacked_net(lam: float = 0.4):
    """NET at one λ."""
    cond = NET.condition(torch.tensor([lam]))
    return lambda x: NET(x, cond)


class Linear:
    """Logits Wx + b in fp64 numpy: the gradient of the cross-entropy is Wᵀ(softmax - onehot)."""

    def __init__(self, y):
        rng = np.random.default_rng(0)
        self.weight, self.bias, self.y = rng.standard_normal((10, 64)), rng.standard_normal(10), y.numpy()

    def gradient(self, x):
        z = x @ self.weight.T + self.bias
        p = np.exp(z - z.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        p[np.arange(len(self.y)), self.y] -= 1
        return p @ self.weight

    def __call__(self, x):
        return x.flatten(1) @ torch.tensor(self.weight).T + torch.tensor(self.bias)


def plain_pgd(model, x, start, epsilon, step, steps):
    """Madry et al., ICLR 2018, Sec. 2.1."""
    adv = start
    for _ in range(steps):
        adv = adv + step * np.sign(model.gradient(adv))
        adv = np.clip(np.clip(adv, x - epsilon, x + epsilon), 0, 1)
    return adv


def plain_mi_fgsm(model, x, start, epsilon, step, steps):
    """Dong et al., CVPR 2018, Algorithm 1 with μ = 1; the projection is the paper's `clip within the ε-ball`."""
    adv, g = start, 0.0
    for _ in range(steps):
        grad = model.gradient(adv)
        g = 1.0 * g + grad / np.abs(grad).sum(1, keepdims=True)
        adv = adv + step * np.sign(g)
        adv = np.clip(np.clip(adv, x - epsilon, x + epsilon), 0, 1)
    return adv


BUDGETS = [(8 / 255, 2 / 255, 7), (0.3, 0.075, 7), (0.05, 0.2, 3)]


@pytest.mark.parametrize(("attack", "plain"), [(pgd, plain_pgd), (mi_fgsm, plain_mi_fgsm)])
@pytest.mark.parametrize("start", ["uniform", "image"])
@pytest.mark.parametrize(("epsilon", "step", "steps"), BUDGETS)
def test_it_equals_a_plain_one_on_a_linear_model(attack, plain, start, epsilon, step, steps):
    x, y = images(20)
    x, model, begun = x.double(), Linear(y), x.double()
    if start == "uniform":
        begun = (x + torch.empty_like(x).uniform_(-epsilon, epsilon, generator=seeded(3))).clamp(0, 1)
    adv = attack(model, x, y, epsilon, step, steps, seeded(3), start)
    expected = plain(model, x.flatten(1).numpy(), begun.flatten(1).numpy(), epsilon, step, steps)
    np.testing.assert_allclose(adv.flatten(1).numpy(), expected, atol=1e-12)


def test_fgsm_is_one_step_of_size_epsilon():
    """Goodfellow et al., ICLR 2015; `step` and `steps` are ignored."""
    x, y = images(20)
    x, model = x.double(), Linear(y)
    expected = plain_pgd(model, x.flatten(1).numpy(), x.flatten(1).numpy(), 0.1, 0.1, 1)
    adv = fgsm(model, x, y, 0.1, 0.01, 5, seeded())
    np.testing.assert_allclose(adv.flatten(1).numpy(), expected, atol=1e-12)


def test_momentum_makes_a_difference():
    """Shows that the test above can tell MI-FGSM from PGD."""
    x, y = images(20)
    attacked = [attack(Linear(y), x.double(), y, 0.3, 0.075, 7, seeded(), "image") for attack in (pgd, mi_fgsm)]
    assert (attacked[0] != attacked[1]).double().mean() > 0.02


@pytest.mark.parametrize("attack", [pgd, mi_fgsm, fgsm])
def test_where_the_gradient_vanishes_the_image_stays(attack):
    x, y = images(3)
    adv = attack(lambda z: z.flatten(1)[:, :10] * 0, x, y, 0.1, 0.05, 3, seeded(), "image")
    assert torch.equal(adv, x)


def test_momentum_survives_a_vanishing_gradient():
    """0/0 would make all later steps NaN."""
    x, y = images(3)
    factors = iter([0.0, 1.0, 1.0])
    adv = mi_fgsm(lambda z: z.flatten(1)[:, :10] * next(factors), x, y, 0.1, 0.05, 3, seeded(), "image")
    assert torch.equal(adv, mi_fgsm(lambda z: z.flatten(1)[:, :10], x, y, 0.1, 0.05, 2, seeded(), "image"))
    assert not torch.equal(adv, x)


def test_the_start_is_uniform_in_the_ball():
    x = torch.full((50, 1, 8, 8), 0.5)
    noise = (pgd(attacked_net(), x, torch.zeros(50, dtype=torch.long), 0.2, 0.1, 0, seeded()) - x) / 0.2
    assert noise.min() < -0.99 and noise.max() > 0.99
    assert abs(noise.mean()) < 0.05 and abs(noise.var() - 1 / 3) < 0.02


def test_more_steps_raise_the_loss():
    logits, (x, y) = attacked_net(), images(32)
    losses = [F.cross_entropy(logits(pgd(logits, x, y, 0.2, 0.05, n, seeded())), y).item() for n in (0, 1, 7)]
    assert losses[0] < losses[1] < losses[2]
    assert losses[2] - losses[0] > 0.2 * losses[0]


def test_it_draws_from_its_generator_alone():
    logits, (x, y) = attacked_net(), images(4)
    torch.manual_seed(0)
    first = pgd(logits, x, y, 0.1, 0.02, 2, seeded(1))
    torch.manual_seed(1)
    assert torch.equal(first, pgd(logits, x, y, 0.1, 0.02, 2, seeded(1)))
    assert not torch.equal(first, pgd(logits, x, y, 0.1, 0.02, 2, seeded(2)))


def test_it_changes_neither_images_nor_parameters():
    net, (x, y) = lively(oat()).eval(), images(4)
    before, image = [p.detach().clone() for p in net.parameters()], x.clone()
    cond = net.condition(torch.tensor([0.4]))
    adv = pgd(lambda z: net(z, cond), x, y, 0.1, 0.02, 2, seeded())
    assert torch.equal(x, image) and not x.requires_grad and not adv.requires_grad
    assert all(p.grad is None and p.requires_grad for p in net.parameters())
    assert all(torch.equal(p, old) for p, old in zip(net.parameters(), before, strict=True))


def test_step_sizes_of_the_paper_and_of_the_authors_code():
    assert step_size("quarter", 8 / 255, 7) == pytest.approx(2 / 255)
    assert step_size("authors", 8 / 255, 7) == pytest.approx(10 / 255 / 7)  # 1.25ε is the smaller
    assert step_size("authors", 0.3, 10) == pytest.approx((0.3 + 4 / 255) / 10)  # ε + 4/255 is the smaller
