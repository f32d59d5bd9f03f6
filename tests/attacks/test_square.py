"""The Square attack against the closed form on linear models, and its number of queries."""

import torch

from bench.attacks.attack_options import attack_of
from bench.attacks.pgd import cross_entropy, margin
from bench.attacks.square import area, square
from bench.spec.costs import attack_effort
from bench.spec.measurement import Measurement
from bench.spec.registry import ATTACKS, load
from tests.recipes import images

X, Y = images(40, (2, 4, 4))
X = 0.2 + 0.6 * X  # within ε of neither end of [0,1], where the closed form holds
EPSILON = 0.05


def run(logits, steps, x=X, y=Y, **more):
    return square(logits, x, y, EPSILON, 0.0, steps, torch.Generator().manual_seed(0), **more)


def linear(seed=0):
    """A linear model of two classes and its weight. The boundary is the median image's score."""
    weight = torch.randn(32, generator=torch.Generator().manual_seed(seed))
    offset = (X.flatten(1) @ weight).median()

    def logits(x):
        score = x.flatten(1) @ weight - offset
        return torch.stack([-score, score], 1) / 2

    return logits, weight


def test_on_a_linear_model_it_fools_nearly_all_images_that_can_be_fooled_and_no_other():
    """±ε moves the score by at most ε‖w‖₁: an image farther from the boundary withstands every attack."""
    logits, weight = linear()
    y = logits(X).argmax(1)
    distance = -margin(logits(X), y)
    worst = EPSILON * weight.abs().sum()
    fooled = logits(run(logits, 1000, y=y)).argmax(1) != y
    can = distance < worst
    assert 5 < can.sum() < 40 and not fooled[~can].any()
    assert fooled[distance < 0.9 * worst].all()


def test_with_a_loss_that_never_stops_it_reaches_the_corner_of_the_ball():
    logits, weight = linear()
    y = logits(X).argmax(1)
    gained = margin(logits(run(logits, 1500, y=y, loss=lambda z, t: margin(z, t))), y) - margin(logits(X), y)
    assert (gained > 0.97 * EPSILON * weight.abs().sum()).all()


def test_every_pixel_is_off_by_epsilon_and_none_by_more():
    logits, _ = linear()
    adv = run(logits, 30, y=logits(X).argmax(1))
    torch.testing.assert_close((adv - X).abs(), torch.full_like(X, EPSILON), atol=1e-6, rtol=0)


def test_a_fooled_image_is_not_queried_again_and_the_others_get_the_same_squares():
    """Queries per image are counted in the network; the random squares of one image do not depend on the others."""
    logits, _ = linear()
    y = logits(X).argmax(1)
    queried = []
    counting_logits = lambda x: queried.append(len(x)) or logits(x)  # noqa: E731
    adv = run(counting_logits, 300, y=y)
    assert queried[0] == 40 and sorted(queried, reverse=True) == queried and len(queried) <= 300
    half = y.clone()
    half[::2] = 1 - half[::2]  # these are wrong from the start
    other = run(logits, 300, y=half)
    assert torch.equal(other[1::2], adv[1::2])


def test_a_measurement_may_select_it_and_its_effort_is_a_forward_pass_per_query():
    measurement = Measurement(attack="square", epsilon=EPSILON, step=0.01, lambdas=(1.0,), steps=25)
    assert attack_effort(measurement, 2) == 12.5 and load(ATTACKS["square"].loss) is margin
    calls = []
    logits = lambda x: calls.append(x.requires_grad) or torch.stack([x.flatten(1)[:, 0] + 9, x.flatten(1)[:, 1]], 1)  # noqa: E731
    attack_of(measurement)(logits, X, torch.zeros_like(Y), torch.Generator())
    assert calls == [False] * 25


def test_it_does_not_need_the_loss_to_move():
    """Logits × 10⁴: the cross-entropy is 0 in fp32, and the margin is not."""
    logits, _ = linear()
    y = logits(X).argmax(1)
    assert (cross_entropy(1e4 * logits(X), y) == 0).float().mean() > 0.9
    assert torch.equal(run(lambda x: 1e4 * logits(x), 200, y=y), run(logits, 200, y=y))


def test_squares_shrink_by_the_paper_s_schedule():
    """Sec. 5: p halved at 10, 50, 200, 1000, 2000, 4000, 6000, 8000 of 10,000 queries, from 0.8 for L∞."""
    assert area(1, 10_000) == 0.8 and area(11, 10_000) == 0.4 and area(1001, 10_000) == 0.05
    assert area(101, 1000) == 0.05 and area(9999, 10_000) == 0.8 / 256
