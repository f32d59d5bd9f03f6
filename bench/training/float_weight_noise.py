"""FLOAT (Kundu et al., WACV 2023): λ scales noise on the weights, in place of FiLM.

Each convolution computes with W + λ·α·η: η ~ N(0, σ²) with σ the standard deviation of W, and α learned, one per layer.
BN is dual (Sec. 3.2); there is no FiLM. Half of a training batch has λ=0, clean images and no noise, and half has λ=1,
adversarial images and noise (exactly so with `lam_sampling: fixed-zeros`); the λ between are for test time alone.

In training the noise is drawn for every forward pass, of the attack too, as in the authors' code. A deployed network
has one draw, stored with its weights, so that f(x, λ) is a function (ledger row 25). docs/successors.md compares this
with the authors' code.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.attacks.pgd import pgd
from bench.engines import Engine
from bench.engines.conditioned_model import ConditionedModel
from bench.models.dual_bn import Condition
from bench.models.slimmable import SlimConv2d
from bench.spec.recipe import Recipe
from bench.training.objectives import Batch, count, cross_entropy

FIRST_ALPHA = 0.25  # of the authors' code


def float_at(engine: Engine, recipe: Recipe, batch: Batch) -> Iterator[Tensor]:
    """FLOAT's objective: clean images at λ=0, attack on the others, adversarial images at λ=1; the mean over all."""
    clean, attacked = slice(0, batch.zeros), slice(batch.zeros, None)
    if batch.zeros:
        yield cross_entropy(engine, recipe, batch, batch.x[clean], batch.zeros, "sa", clean).sum() / len(batch.x)
    if batch.zeros == len(batch.x):
        return
    x, y = batch.x[attacked], batch.y[attacked]
    under_attack = noisy_model(engine, recipe, batch, recipe.protocol.attack_bn == "train")
    adv = pgd(under_attack, x, y, recipe.epsilon, recipe.attack_step(), recipe.attack_steps, batch.rng)
    outputs = noisy_model(engine, recipe, batch, True)(adv).float()
    count(batch, outputs, "ra", attacked)
    yield F.cross_entropy(outputs, y, reduction="sum") / len(batch.x)


def noisy_model(engine: Engine, recipe: Recipe, batch: Batch, training: bool) -> ConditionedModel:
    """f(·, 1) with noise from the batch's generator in every pass."""
    cond = engine.condition(batch.lam[-1:], 0, training=training)
    cond.rng = batch.rng
    return ConditionedModel(engine, cond, recipe.precision)


@dataclass(eq=False)
class NoisyCondition(Condition):
    """λ scales noise too: (N,) λ, or (1,) for all images; None for no noise. rng: draws the noise of each pass; without
    it the stored draw counts."""

    lam: Tensor | None = None
    rng: torch.Generator | None = None


class NoisyConv2d(SlimConv2d):
    """A convolution with weight W + λ·α·η (see above). `noise` is the stored draw of η/σ; `of_pass` holds λ and the
    generator of a pass, which the network sets for all layers."""

    def __init__(self, conv: SlimConv2d, of_pass: SimpleNamespace):
        super().__init__(conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.padding, bias=False)
        self.alpha = nn.Parameter(torch.full((1,), FIRST_ALPHA))
        noise = torch.empty(self.weight.shape)
        self.register_buffer("noise", noise if noise.is_meta else noise.normal_())  # on "meta" a draw imports sympy
        self.of_pass = of_pass

    def forward(self, x: Tensor, width: float = 1.0) -> Tensor:
        lam, rng = self.of_pass.lam, self.of_pass.rng
        if lam is None:
            return super().forward(x, width)
        noise = self.noise if rng is None else torch.randn(self.weight.shape, generator=rng, device=rng.device)
        shift = self.alpha * self.weight.detach().std() * noise.to(self.weight)
        if lam.shape[0] == 1:  # not len(), which torch.export takes for a constant
            return F.conv2d(x, self.weight + lam * shift, None, self.stride, self.padding)
        shifted = F.conv2d(x, shift, None, self.stride, self.padding)
        return super().forward(x, width) + lam.to(shifted.dtype)[:, None, None, None] * shifted


def weight_noise(backbone: type) -> type:
    """The backbone's class with noisy convolutions and without FiLM."""

    class FloatNetwork(backbone):
        def __init__(self, *arguments, **sizes: int):
            super().__init__(*arguments, **sizes)
            for norm in self.norms:
                norm.film = None
            self.of_pass = SimpleNamespace(lam=None, rng=None)
            for module in list(self.modules()):
                for name, child in list(module.named_children()):
                    if isinstance(child, SlimConv2d):
                        setattr(module, name, NoisyConv2d(child, self.of_pass))

        def condition(self, lam: Tensor, zeros=None, width=1.0, branch=None, training=None) -> NoisyCondition:
            cond = super().condition(lam, zeros, width, branch, training)
            cond = self.with_lambda(cond, None if zeros == len(lam) else lam)
            if not cond.training and self.recipe.protocol.noise_draw == "each-pass":
                cond.rng = torch.Generator().manual_seed(self.recipe.seed)
            return cond

        def with_lambda(self, cond: Condition, lam: Tensor | None) -> NoisyCondition:
            return NoisyCondition(**{field.name: getattr(cond, field.name) for field in fields(cond)}, lam=lam)

        def forward(self, x: Tensor, lam: Tensor | Condition) -> Tensor:
            cond = lam if isinstance(lam, Condition) else self.condition(lam)
            self.of_pass.lam, self.of_pass.rng = cond.lam, cond.rng
            return super().forward(x, cond)

    return FloatNetwork
