"""PGD: its constraints, and against a plain one on a linear model, whose gradient is known."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.attacks import STEPS, pgd
from bench.attacks.gradient import pgd7
from bench.models.precision import autocast
from bench.specs import step_size
from tests.recipes import images, lively, oat

NET = lively(oat()).eval()


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def attacked_net(precision: str = "fp32", lam: float = 0.4):
    """NET at one λ."""
    cond = NET.condition(torch.tensor([lam]))

    def logits(x):
        with autocast(precision, x.device):
            return NET(x, cond)

    return logits


@settings(max_examples=25, deadline=None)
@given(
    epsilon=st.floats(1 / 512, 1),
    step=st.floats(1 / 512, 2),
    steps=st.integers(0, 3),
    seed=st.integers(0, 999),
    precision=st.sampled_from(["fp32", "bf16"]),
    extreme=st.booleans(),
)
def test_it_stays_in_the_ball_and_the_image_range(epsilon, step, steps, seed, precision, extreme):
    x, y = images(3, seed=seed)
    x = x.round() if extreme else x
    adv = pgd(attacked_net(precision), x, y, epsilon, step, steps, seeded(seed))
    assert adv.dtype == torch.float32 and adv.shape == x.shape
    assert adv.min() >= 0 and adv.max() <= 1
    assert (adv.double() - x.double()).abs().max() <= epsilon + 1e-7  # half a unit in the last place of fp32


def plain_pgd(weight, bias, x, y, start, epsilon, step, steps):
    """fp64 numpy, for logits Wx + b: the gradient of the cross-entropy is Wᵀ(softmax - onehot)."""
    adv = start
    for _ in range(steps):
        z = adv @ weight.T + bias
        p = np.exp(z - z.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        p[np.arange(len(y)), y] -= 1
        adv = adv + step * np.sign(p @ weight)
        adv = np.clip(np.clip(adv, x - epsilon, x + epsilon), 0, 1)
    return adv


@pytest.mark.parametrize(("epsilon", "step", "steps"), [(8 / 255, 2 / 255, 7), (0.3, 0.075, 7), (0.05, 0.2, 3)])
def test_it_equals_a_plain_one_on_a_linear_model(epsilon, step, steps):
    x, y = images(20)
    x, head = x.double(), torch.nn.Linear(64, 10).double()
    rng = np.random.default_rng(0)
    head.weight.data = torch.tensor(rng.standard_normal((10, 64)))
    start = (x + torch.empty_like(x).uniform_(-epsilon, epsilon, generator=seeded(3))).clamp(0, 1)
    adv = pgd(lambda z: head(z.flatten(1)), x, y, epsilon, step, steps, seeded(3))
    flat = [t.flatten(1).detach().numpy() for t in (head.weight, x, start)]
    expected = plain_pgd(flat[0], head.bias.detach().numpy(), flat[1], y.numpy(), flat[2], epsilon, step, steps)
    np.testing.assert_allclose(adv.flatten(1).numpy(), expected, atol=1e-12)


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


def test_it_follows_its_generator_alone():
    logits, (x, y) = attacked_net(), images(4)
    torch.manual_seed(0)
    first = pgd(logits, x, y, 0.1, 0.02, 2, seeded(1))
    torch.manual_seed(1)
    assert torch.equal(first, pgd(logits, x, y, 0.1, 0.02, 2, seeded(1)))
    assert not torch.equal(first, pgd(logits, x, y, 0.1, 0.02, 2, seeded(2)))


def test_it_leaves_images_and_parameters_as_they_were():
    net, (x, y) = lively(oat()).eval(), images(4)
    before, image = [p.detach().clone() for p in net.parameters()], x.clone()
    cond = net.condition(torch.tensor([0.4]))
    adv = pgd(lambda z: net(z, cond), x, y, 0.1, 0.02, 2, seeded())
    assert torch.equal(x, image) and not x.requires_grad and not adv.requires_grad
    assert all(p.grad is None and p.requires_grad for p in net.parameters())
    assert all(torch.equal(p, old) for p, old in zip(net.parameters(), before, strict=True))


def test_pgd7_takes_seven_steps():
    x, y = images(4)
    assert torch.equal(
        pgd7(attacked_net(), x, y, 0.1, 0.025, seeded()), pgd(attacked_net(), x, y, 0.1, 0.025, 7, seeded())
    )
    assert STEPS["pgd7"] == 7


def test_step_sizes_of_the_paper_and_of_the_authors_code():
    assert step_size("quarter", 8 / 255, 7) == pytest.approx(2 / 255)
    assert step_size("authors", 8 / 255, 7) == pytest.approx(10 / 255 / 7)  # 1.25ε is the smaller
    assert step_size("authors", 0.3, 10) == pytest.approx((0.3 + 4 / 255) / 10)  # ε + 4/255 is the smaller
