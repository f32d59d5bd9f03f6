"""The rule for PGD's iterates catches a single pixel that moves against its gradient."""

import copy

import pytest
import torch

from tests.parity import reference
from tests.parity.iterates import gradient, sign_range, unexplained_moves
from tests.parity.networks import Case, batch, pair
from tests.parity.steps import STEPS, of_the_authors

reference.require()
CASE = Case("resnet34", "dual")


@pytest.fixture(scope="module")
def step():
    """The authors' step in fp32, their network in fp64 and ours."""
    theirs, ours = pair(CASE, torch.float32, calm=True)
    exact, _ = pair(CASE, torch.float64, calm=True)
    return of_the_authors(theirs, CASE, batch(CASE)), exact, ours


def last_gradient(theirs, exact) -> torch.Tensor:
    """∇x at iterate 6."""
    data = batch(CASE)
    exact.load_state_dict(theirs.buffers[0], strict=False)
    return gradient(exact, CASE, theirs.images[STEPS - 1], data.y[CASE.zeros :], data.code[CASE.zeros :], 1.0)


def count_after(step, change) -> int:
    """Count the unexplained values once `change` has edited iterate 7 of a copy of the authors' attack."""
    theirs, exact, net = step
    ours = copy.deepcopy(theirs)
    change(ours.images[STEPS - 1], ours.images[STEPS])
    return unexplained_moves(CASE, batch(CASE), exact, net, ours, theirs)


def reverse(now, after, pixel) -> None:
    """Move one pixel of `after` to the other side of `now`."""
    after.view(-1)[pixel] = 2 * now.reshape(-1)[pixel] - after.reshape(-1)[pixel]


def inside(step) -> torch.Tensor:
    """|∇x| at iterate 6, infinite where the image range or the ε-ball clamps a step of iterate 7."""
    theirs, exact, _ = step
    grad, size = last_gradient(theirs, exact).abs().flatten(), CASE.recipe.attack_step()
    x = batch(CASE).x[CASE.zeros :]
    low, high = (x - CASE.recipe.epsilon).clamp(min=0), (x + CASE.recipe.epsilon).clamp(max=1)
    now = theirs.images[STEPS - 1]
    free = ((now - size > low) & (now + size < high)).flatten()
    assert free.any()
    return torch.where(free, grad, torch.inf)


def test_a_pixel_that_moves_against_a_large_gradient_is_counted(step):
    size = inside(step)
    pixel = int(torch.where(size.isinf(), 0, size).argmax())
    assert count_after(step, lambda now, after: reverse(now, after, pixel)) == 1


def test_half_a_step_is_counted_and_the_authors_own_step_is_not(step):
    pixel = int(inside(step).argmin())

    def halve(now, after):
        after.view(-1)[pixel] = (now.reshape(-1)[pixel] + after.reshape(-1)[pixel]) / 2

    assert count_after(step, halve) == 1
    assert count_after(step, lambda now, after: None) == 0


def test_rounding_decides_few_signs(step):
    """Fewer than one in a hundred, so that the rule leaves out little."""
    theirs, exact, _ = step
    data = batch(CASE)
    images, y, code = theirs.images[STEPS - 1], data.y[CASE.zeros :], data.code[CASE.zeros :]
    low, high = sign_range(exact, CASE, images, y, code, 1.0, *bounds(step))
    assert ((low == high).float().mean()) > 0.99


def bounds(step) -> tuple[float, float]:
    from tests.engines.rounding import kink_margin, tolerance

    x = batch(CASE).x[CASE.zeros :]
    return tolerance(step[2], x), kink_margin(step[2], x)
