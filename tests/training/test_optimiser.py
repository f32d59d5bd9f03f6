"""The optimiser: torch's SGD, with momentum from the first step."""

import torch

from bench.models import build
from bench.training.optimiser import EagerSGD, sgd
from tests.recipes import oat


def test_parameters_whose_first_gradient_comes_late_are_updated_as_by_plain_sgd():
    """As those of BN_c are, where the first batch has no λ=0."""
    recipe = oat()
    nets = [build(recipe, 1, 10) for _ in range(2)]
    nets[1].load_state_dict(nets[0].state_dict())
    options = {"momentum": recipe.momentum, "weight_decay": recipe.weight_decay, "fused": False, "foreach": False}
    optimisers = sgd(nets[0], recipe), torch.optim.SGD(nets[1].parameters(), lr=recipe.lr, **options)
    rng = torch.Generator().manual_seed(0)
    for step in range(4):
        for late, parameters in enumerate(zip(*(net.parameters() for net in nets), strict=True)):
            gradient = torch.randn(parameters[0].shape, generator=rng)
            for parameter in parameters:
                copy = torch.empty_like(parameter).copy_(gradient)  # in the parameter's memory format
                parameter.grad = None if step == 0 and late % 2 else copy
        for optimiser in optimisers:
            optimiser.step()
    for fused, plain in zip(*(net.parameters() for net in nets), strict=True):
        torch.testing.assert_close(fused, plain, rtol=1e-6, atol=1e-7)


def test_hooks_and_groups_stay_torch_s():
    parameter = torch.nn.Parameter(torch.ones(3))
    optimiser, steps = EagerSGD([parameter], lr=0.5), []
    optimiser.register_step_post_hook(lambda *_: steps.append(parameter.tolist()))
    parameter.grad = torch.ones(3)
    optimiser.step()
    optimiser.zero_grad()
    assert steps == [[0.5] * 3] and parameter.grad is None and parameter.requires_grad
