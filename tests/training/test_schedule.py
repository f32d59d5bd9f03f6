"""The learning rate against torch's own schedulers."""

import math

import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR

from bench.training.schedule import learning_rate
from tests.recipes import pgd_at


def torch_rates(make_scheduler, count: int) -> list[float]:
    """The learning rates that a scheduler of torch sets for `count` steps."""
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    scheduler, rates = make_scheduler(optimiser), []
    for i in range(count):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        if i + 1 < count:
            scheduler.step()
    return rates


@pytest.mark.parametrize(("epochs", "steps"), [(1, 1), (2, 5), (15, 3), (80, 2), (200, 1)])
def test_cosine_is_torch_s_stepped_once_an_epoch(epochs, steps):
    expected = torch_rates(lambda optimiser: CosineAnnealingLR(optimiser, epochs), epochs)
    rates = [learning_rate("cosine", 0.1, i, steps, epochs) for i in range(steps * epochs)]
    assert rates == pytest.approx([lr for lr in expected for _ in range(steps)], abs=1e-12)


@pytest.mark.parametrize(("epochs", "steps"), [(1, 2), (1, 3), (1, 4), (1, 10), (2, 17), (15, 17)])
def test_one_cycle_is_torch_s(epochs, steps):
    total = epochs * steps
    expected = torch_rates(
        lambda optimiser: OneCycleLR(optimiser, 0.1, total, final_div_factor=1e4, cycle_momentum=False), total
    )
    rates = [learning_rate("one-cycle", 0.1, i, steps, epochs) for i in range(total)]
    assert rates == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("epochs", [1, 2, 3, 4, 7, 10, 15, 30, 80, 200])
def test_the_last_epoch_and_quarter_are_candidates(epochs):
    chosen = [epoch for epoch in range(epochs) if pgd_at(epochs=epochs).is_candidate(epoch)]
    assert epochs - 1 in chosen
    late = math.ceil(0.75 * epochs)
    assert set(range(late, epochs)) <= set(chosen)
    assert [epoch for epoch in chosen if epoch < min(late, epochs - 1)] == list(range(9, min(late, epochs - 1), 10))
