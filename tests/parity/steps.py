"""One training step by the authors' scripts and by our objectives, on the same batch, with the same random draws.

Two things are random in a step. Their code draws the attack's start, and our attack starts there too. Dropout draws the
same masks for both (`SameMasks`). Our adversarial pass uses the images that their attack crafted, so that a pixel whose
sign rounding decides does not hide whether the rest is equal; the images that our attack crafts are compared separately
(iterates.py).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.attacks import pgd
from bench.authors_checkpoint import authors_name
from bench.engines import engine_for
from bench.engines.cpu import layerwise
from bench.engines.cpu.engine import CpuEngine
from bench.models.network import ConditionalNetwork
from bench.spec.registry import METHODS, resolve
from bench.speed import authors_steps
from bench.speed.authors_steps import STEPS
from bench.training import objectives
from tests.parity import reference
from tests.parity.networks import ZEROS, Batch, Case
from tests.recording_engine import RecordingEngine


@dataclass
class Step:
    """Result of a step, its tensors under the authors' names.

    images: for each width's attack the start and the iterates 1 to 7. buffers: for each attack of the authors' step
    their network's buffers at that time. logits: of the training-mode passes. updates: what SGD subtracts, divided by
    the learning rate. state: the state dict after the step.
    """

    images: list[Tensor] = field(default_factory=list)
    buffers: list[dict[str, Tensor]] = field(default_factory=list)
    logits: list[Tensor] = field(default_factory=list)
    gradients: dict[str, Tensor] = field(default_factory=dict)
    updates: dict[str, Tensor] = field(default_factory=dict)
    state: dict[str, Tensor] = field(default_factory=dict)


class SameMasks:
    """Replacement of F.dropout: the n-th call drops the same elements in every memory format and precision."""

    def __init__(self):
        self.rng = torch.Generator().manual_seed(0)

    def __call__(self, x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        if not training or p == 0:
            return x
        return x * (torch.rand(x.shape, generator=self.rng) >= p).to(x.dtype) / (1 - p)


def record(net: nn.Module, step: Step) -> None:
    """Record the images of every eval-mode pass of the authors' network, all of which belong to an attack, and the
    logits of every training-mode pass."""

    def hook(module, args, out):
        (step.logits if module.training else step.images).append((out if module.training else args[0]).detach().clone())

    net.register_forward_hook(hook)


def of_the_authors(net: nn.Module, case: Case, data: Batch, images: list[Tensor] | None = None) -> Step:
    """Take the authors' step. `images`: of another step, whose adversarial images replace those crafted here."""
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
    def after_attack(adv: Tensor) -> Tensor:
        step.images.append(adv.detach())
        step.buffers.append({name: buffer.clone() for name, buffer in net.named_buffers()})
        return next(crafted, adv)

    if case.kind == "pgd-at":
        return authors_steps.pgdat_loss(reference.root(), net, data, case.recipe.lam, after_attack)[0]
    return authors_steps.oat_loss(reference.root(), net, data, ZEROS, case.kind == "dual", after_attack)[0]


def of_ours(net: ConditionalNetwork, case: Case, data: Batch, images: list[Tensor]) -> Step:
    """Take our step as train_epoch of bench/training/loop.py does. `images`: of the authors' step."""
    step, recipe, engine = Step(), case.recipe, RecordingEngine(engine_for(net, "cpu"))
    optimizer = torch.optim.SGD(
        net.parameters(), lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay
    )
    net.train()
    with pytest.MonkeyPatch.context() as patch:
        same_draws(patch, step, images)
        same_masks(patch, engine)
        if data.x.dtype == torch.float64:
            patch.setattr(torch.Tensor, "float", torch.Tensor.double)  # our losses and attacks are fp32 otherwise
        optimizer.zero_grad(set_to_none=True)
        for width in case.widths:
            batch = objectives.Batch(data.x, data.y, data.lam, case.zeros, torch.Generator(), width)
            for term in resolve(METHODS[recipe.method])(engine, recipe, batch):
                term.backward()
        optimizer.step()
    step.logits = [forward.logits for forward in engine.passes if forward.cond.training]
    for name, parameter in net.named_parameters():
        step.gradients[authors_name(name, recipe)] = parameter.grad
        step.updates[authors_name(name, recipe)] = optimizer.state[parameter]["momentum_buffer"]
    step.state = in_their_names(net, case)
    return step


def in_their_names(net: ConditionalNetwork, case: Case) -> dict[str, Tensor]:
    state = net.state_dict()
    return {authors_name(name, case.recipe): state[name] for name in state if name not in ("codebook", "lambdas")}


def same_draws(patch: pytest.MonkeyPatch, step: Step, images: list[Tensor]) -> None:
    """Start our attacks where the authors' attacks started, record their iterates, and replace what they craft by what
    the authors' attacks crafted."""
    starts, crafted, craft = iter(images[:: STEPS + 1]), iter(images[STEPS :: STEPS + 1]), objectives.craft

    def craft_as_the_authors_did(engine, *args):
        before = len(engine.passes)
        adv = craft(engine, *args)
        step.images += [forward.images for forward in engine.passes[before:]] + [adv]
        return next(crafted)

    patch.setattr(pgd, "begin", start_at(starts))
    patch.setattr(objectives, "craft", craft_as_the_authors_did)


def same_masks(patch: pytest.MonkeyPatch, engine: RecordingEngine) -> None:
    """Replace dropout's masks by those of SameMasks. The CPU engine's training plan draws its own masks in C, so a
    network with dropout is computed by the same kernels layer by layer."""
    masks = SameMasks()
    patch.setattr(F, "dropout", masks)
    patch.setattr(layerwise, "dropout", masks)
    if engine.net.recipe.dropout:
        patch.setattr(CpuEngine, "training_plan", lambda *_: None)


def start_at(starts: Iterator[Tensor]) -> Callable:
    """Make a replacement of `begin` of bench/attacks/pgd.py that returns the next of `starts` and the same bounds."""
    begin = pgd.begin

    def begin_at_next_start(x, epsilon, rng, start):
        _, low, high = begin(x, epsilon, rng, "image")
        return next(starts), low, high

    return begin_at_next_start
