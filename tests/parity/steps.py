"""One training step by the authors' scripts and by our objectives, on the same batch, with the same random draws.

Two things are random in a step. The attack's start is drawn by their code and given to ours; dropout draws the same
masks for both (`SameMasks`). Ours goes on with the adversarial images that theirs crafted, so that one pixel's tie in
the attack does not hide whether the rest is equal; the images that ours crafted are compared by themselves.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.attacks import pgd
from bench.engines.cpu.lowering import Unsupported, Value
from bench.models import dropout
from bench.models.authors_checkpoint import authors_name
from bench.models.dual_bn import Condition
from bench.models.network import ConditionalNetwork
from bench.spec.registry import METHODS, resolve
from bench.speed import authors_steps
from bench.speed.authors_steps import STEPS
from bench.training import objectives
from tests.parity import reference
from tests.parity.networks import ZEROS, Batch, Case


@dataclass
class Step:
    """What a step leaves, tensors under the authors' names. `images`: of each width's attack the start and the iterates
    1 to 7; `logits`: of the passes in training mode; `updates`: what SGD subtracts, divided by the learning rate."""

    images: list[Tensor] = field(default_factory=list)
    logits: list[Tensor] = field(default_factory=list)
    gradients: dict[str, Tensor] = field(default_factory=dict)
    updates: dict[str, Tensor] = field(default_factory=dict)
    state: dict[str, Tensor] = field(default_factory=dict)


class SameMasks:
    """Stands in for F.dropout: the n-th call drops the same elements, whatever the memory format and precision."""

    def __init__(self):
        self.rng = torch.Generator().manual_seed(0)

    def __call__(self, x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        if not training:
            return x
        if isinstance(x, Value):  # the kernels draw their own: a network with dropout goes through it layer by layer
            raise Unsupported("masks that are given")
        return x * (torch.rand(x.shape, generator=self.rng) >= p).to(x.dtype) / (1 - p)


def record(net: nn.Module, step: Step) -> None:
    """The images of every pass in eval mode, which is an attack's, and the logits of the others. Of ours the condition
    says in which mode a pass is."""

    def hook(module, args, out):
        cond = args[1] if isinstance(args[-1], Condition) else None
        training = module.training if cond is None else cond.affine is None
        (step.logits if training else step.images).append((out if training else args[0]).detach().clone())

    net.register_forward_hook(hook)


def of_the_authors(net: nn.Module, case: Case, data: Batch, images: list[Tensor] | None = None) -> Step:
    """`images`: those of another step, whose adversarial images this one goes on with in place of its own."""
    step, crafted = Step(), iter((images or [])[STEPS :: STEPS + 1])
    record(net, step)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)  # OAT.py 128, PGDAT.py 88
    torch.manual_seed(0)  # their attack's start
    net.train()
    with reference.on_the_cpu(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(F, "dropout", SameMasks())
        optimizer.zero_grad()
        for width in case.widths:  # their scripts train no slimmable network: Algorithm 2 sums the widths' gradients
            net.apply(lambda module, width=width: setattr(module, "width_mult", width))
            loss_of(net, case, data, step, crafted).backward()
        optimizer.step()
    for name, parameter in net.named_parameters():
        step.gradients[name] = parameter.grad
        step.updates[name] = optimizer.state[parameter]["momentum_buffer"]
    step.state = net.state_dict()
    return step


def loss_of(net: nn.Module, case: Case, data: Batch, step: Step, crafted: Iterator[Tensor]) -> Tensor:
    def keep(adv: Tensor) -> Tensor:
        step.images.append(adv.detach())
        return next(crafted, adv)

    if case.kind == "pgd-at":
        return authors_steps.pgdat_loss(reference.root(), net, data, case.recipe.lam, keep)[0]
    return authors_steps.oat_loss(reference.root(), net, data, ZEROS, case.kind == "dual", keep)[0]


def of_ours(net: ConditionalNetwork, case: Case, data: Batch, images: list[Tensor]) -> Step:
    """As train_epoch of bench/training/loop.py takes a step. `images`: those of the authors' step."""
    step, recipe = Step(), case.recipe
    record(net, step)
    optimizer = torch.optim.SGD(
        net.parameters(), lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay
    )
    net.train()
    with pytest.MonkeyPatch.context() as patch:
        same_draws(patch, step, images)
        if data.x.dtype == torch.float64:
            patch.setattr(torch.Tensor, "float", torch.Tensor.double)  # our losses and attacks are fp32 otherwise
        optimizer.zero_grad(set_to_none=True)
        for width in case.widths:
            ours = objectives.Batch(data.x, data.y, data.lam, case.zeros, torch.Generator(), width)
            for term in resolve(METHODS[recipe.method])(net, recipe, ours):
                term.backward()
        optimizer.step()
    for name, parameter in net.named_parameters():
        step.gradients[authors_name(name, recipe)] = parameter.grad
        step.updates[authors_name(name, recipe)] = optimizer.state[parameter]["momentum_buffer"]
    step.state = in_their_names(net, case)
    return step


def in_their_names(net: ConditionalNetwork, case: Case) -> dict[str, Tensor]:
    state = net.state_dict()
    return {authors_name(name, case.recipe): state[name] for name in state if name not in ("codebook", "lambdas")}


def same_draws(patch: pytest.MonkeyPatch, step: Step, images: list[Tensor]) -> None:
    """Our attacks start where theirs did, what they craft is recorded, and what theirs crafted is gone on with."""
    starts, crafted, craft = iter(images[:: STEPS + 1]), iter(images[STEPS :: STEPS + 1]), objectives.craft

    def ours_recorded_theirs_given(*args):
        step.images.append(craft(*args))
        return next(crafted)

    patch.setattr(dropout, "dropout", SameMasks())
    patch.setattr(pgd, "begin", start_at(starts))
    patch.setattr(objectives, "craft", ours_recorded_theirs_given)


def start_at(starts: Iterator[Tensor]) -> Callable:
    """Stands in for `begin` of bench/attacks/pgd.py: the next given start, and the same bounds."""
    begin = pgd.begin

    def given(x, epsilon, rng, start):
        _, low, high = begin(x, epsilon, rng, "image")
        return next(starts), low, high

    return given
