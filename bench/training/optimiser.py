"""SGD as in the authors' code (OAT.py 128, PGDAT.py 88), fused and without the import of a compiler."""

from inspect import unwrap

import torch

from bench.models.network import ConditionalNetwork
from bench.spec.recipe import Recipe


class EagerSGD(torch.optim.SGD):
    """torch.optim.SGD without `import torch._dynamo`, which takes 2 s in each process that trains.

    torch wraps these methods for torch.compile and imports its compiler at their first call, compiled or not. `unwrap`
    gives the methods inside: the arithmetic is torch's. Where one version of torch does not wrap them, nothing changes.
    """

    add_param_group = unwrap(torch.optim.SGD.add_param_group)
    zero_grad = unwrap(torch.optim.SGD.zero_grad)
    step = torch.no_grad()(unwrap(torch.optim.SGD.step))


def sgd(net: ConditionalNetwork, recipe: Recipe) -> EagerSGD:
    """Make the optimiser of a recipe, fused: one pass over each parameter.

    Momentum starts at 0 instead of absent, which is the same update: the fused step fails where only some parameters
    have momentum, as after a batch without λ=0, which a small batch may be, in which BN_c has no gradient.
    """
    options = {"momentum": recipe.momentum, "weight_decay": recipe.weight_decay, "fused": True}
    optimiser = EagerSGD(net.parameters(), lr=recipe.lr, **options)
    for parameter in net.parameters():
        optimiser.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return optimiser
