"""The conformance suite catches engines with one error: a number off by just more than rounding, or a wrong branch,
statistic, step, mask, or weight."""

import functools

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from bench.attacks.pgd import cross_entropy, gradient, pgd
from bench.engines.eager import EagerEngine
from bench.spec.protocol_ledger import Protocol
from bench.training.optimiser import sgd
from tests.engines import conformance, steps
from tests.engines.references import EVAL_LAM, TRAINING_LAM, Pass
from tests.engines.rounding import tolerance
from tests.recipes import oat as oat_recipe

oat = functools.partial(oat_recipe, dropout=0.0)
DUAL = oat()
JUST_TOO_LARGE = 1.5  # times the bound


def too_large(net, x: Tensor, values: Tensor) -> float:
    """An error that is just too large beside these values."""
    return JUST_TOO_LARGE * tolerance(net, x) * float(values.detach().abs().max())


class SteppingEngine(EagerEngine):
    """Faultless; takes the steps of PGD itself."""

    def pgd(self, x, low, high, y, step, steps, cond) -> Tensor:
        for _ in range(steps):
            grad = gradient(lambda images: self.logits(images, cond), x, y, cross_entropy)
            x = self.moved(x, grad, low, high, step)
        return x

    def moved(self, x, grad, low, high, step) -> Tensor:
        return x.add(grad.sign(), alpha=step).clamp(low, high)


# --- one number


class WrongLogit(EagerEngine):
    def logits(self, x, cond):
        logits = self.net(x, cond)
        error = torch.zeros_like(logits)
        error[0, 0] = too_large(self.net, x, logits if cond.training else logits[0])
        return logits + error


class WrongImageGradient(EagerEngine):
    class Nudge(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x: Tensor, net) -> Tensor:
            ctx.net = net
            return x.clone()

        @staticmethod
        def backward(ctx, grad: Tensor):
            grad = grad.clone()
            for image in grad:  # of all images, since one may lie at a kink
                image[0, 3, 4] += too_large(ctx.net, grad, grad if ctx.net.training else image)
            return grad, None

    def logits(self, x, cond):
        return self.net(self.Nudge.apply(x, self.net), cond)


class WrongParameterGradient(EagerEngine):
    def __init__(self, net):
        super().__init__(net)
        net.blocks[1].conv1.weight.register_hook(self.nudge)

    def nudge(self, grad: Tensor) -> Tensor:
        grad = grad.clone()
        grad[3, 2, 1, 1] += too_large(self.net, self.x, grad)
        return grad

    def logits(self, x, cond):
        self.x = x
        return self.net(x, cond)


class WrongStatistic(EagerEngine):
    def logits(self, x, cond):
        logits, mean = self.net(x, cond), self.net.norms[2].bn_a.running_mean
        if cond.training:
            with torch.autograd._unsafe_preserve_version_counter(mean):
                mean[5] += too_large(self.net, x, mean)
        return logits


# --- statistics


class StaleStatistic(EagerEngine):
    name_of_buffer = "running_var"

    def logits(self, x, cond):
        buffer = getattr(self.net.norms[3].bn_a, self.name_of_buffer)
        before = buffer.clone()
        logits = self.net(x, cond)
        with torch.autograd._unsafe_preserve_version_counter(buffer):
            buffer.copy_(before)
        return logits


class StaleCounter(StaleStatistic):
    name_of_buffer = "num_batches_tracked"


class StatisticInEvalMode(EagerEngine):
    def logits(self, x, cond):
        self.net.norms[0].bn_a.num_batches_tracked.add_(1)
        return self.net(x, cond)


# --- λ, branches and FiLM


class WrongBranchOfOneImage(EagerEngine):
    """In eval mode."""

    def condition(self, lam, *arguments, **options):
        self.lam = lam
        return super().condition(lam, *arguments, **options)

    def logits(self, x, cond):
        parts = [self.net(x, cond)]
        if not cond.training:
            other = self.net.condition(self.lam[1:2], branch="a", training=False)
            parts = [parts[0][:1], self.net(x[1:2], other), parts[0][2:]]
        return torch.cat(parts)


class WrongNumberOfZeros(EagerEngine):
    def condition(self, lam, zeros=None, width=1.0, branch=None, training=None, rows=None):
        return self.net.condition(lam, int((lam == 0).sum()) - 1, width, branch, training)


class NearestCode(EagerEngine):
    def condition(self, lam, *arguments, **options):
        distances = (lam[:, None] - self.net.lambdas).abs()
        return super().condition(self.net.lambdas[distances.argmin(1)], *arguments, **options)


class NoFilmInOneLayer(EagerEngine):
    def condition(self, lam, *arguments, **options):
        cond = super().condition(lam, *arguments, **options)
        if cond.training:
            gamma, beta = cond.films[4]
            cond.films[4] = torch.ones_like(gamma), torch.zeros_like(beta)
        return cond


class StaleCondition(EagerEngine):
    def condition(self, lam, *arguments, **options):
        key = len(lam)
        self.conditions = getattr(self, "conditions", {})
        if key not in self.conditions:
            self.conditions[key] = super().condition(lam, *arguments, **options)
        return self.conditions[key]


class AttackInEvalModeAlone(EagerEngine):
    """Ledger row 12 attacks in training mode."""

    def condition(self, lam, zeros=None, width=1.0, branch=None, training=None, rows=None):
        return super().condition(lam, zeros, width, branch, None if training is None else False)


# --- gradients


class ZeroGradientOfIdleBranch(EagerEngine):
    def logits(self, x, cond):
        logits = self.net(x, cond)
        return logits + 0 * sum(p.sum() for p in self.net.parameters()) if cond.training else logits


class NoGradientOfOneParameter(EagerEngine):
    def logits(self, x, cond):
        return F.linear(self.net.features(x, cond).mean((2, 3)), self.net.head.weight, self.net.head.bias.detach())


class OneBuffer(EagerEngine):
    """The backward pass takes the images of the last forward pass."""

    class Recomputed(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x: Tensor, engine, cond) -> Tensor:
            ctx.engine, ctx.cond, engine.x = engine, cond, x.detach()
            return engine.net(x, cond)

        @staticmethod
        def backward(ctx, grad: Tensor):
            x = ctx.engine.x.clone().requires_grad_()
            with torch.enable_grad():
                logits = ctx.engine.net(x, ctx.cond)
            return torch.autograd.grad(logits, x, grad)[0], None, None

    def logits(self, x, cond):
        return self.net(x, cond) if cond.training else self.Recomputed.apply(x, self, cond)


class StaleWeight(EagerEngine):
    """Takes a weight anew when its version changes, and watches no optimiser."""

    version = None

    def logits(self, x, cond):
        weight = self.net.stem.weight
        if weight._version != self.version:
            self.version, self.weight = weight._version, weight.detach().clone()
        fresh = weight.detach().clone()
        with torch.no_grad(), torch.autograd._unsafe_preserve_version_counter(weight):
            weight.copy_(self.weight)
        logits = self.net(x, cond)
        with torch.no_grad(), torch.autograd._unsafe_preserve_version_counter(weight):
            weight.copy_(fresh)
        return logits


# --- dropout and precision


class AnotherMaskInBackward(EagerEngine):
    def logits(self, x, cond):
        return checkpoint(self.net, x, cond, use_reentrant=False, preserve_rng_state=False)


class HalfTheDropout(EagerEngine):
    def __init__(self, net):
        super().__init__(net)
        for block in net.blocks:
            block.dropout /= 2


class TwiceTheRounding(EagerEngine):
    def logits(self, x, cond):
        logits = self.net(x, cond)
        if logits.dtype != torch.bfloat16:
            return logits
        with torch.autocast("cpu", enabled=False):
            return 2 * logits.float() - self.net(x, cond)


# --- PGD


class WrongSignOfOnePixel(SteppingEngine):
    def moved(self, x, grad, low, high, step):
        grad = grad.clone()
        for image in grad:  # of all images, since one may lie at a kink
            pixel = image.flatten().abs().argsort()[image.numel() // 10]  # a small gradient, yet no rounding error
            image.view(-1)[pixel] *= -1
        return super().moved(x, grad, low, high, step)


class LastBitOfOnePixel(SteppingEngine):
    def moved(self, x, grad, low, high, step):
        after = super().moved(x, grad, low, high, step)
        after[1, 0, 2, 2] = torch.nextafter(after[1, 0, 2, 2], torch.tensor(2.0))
        return after


class NoProjection(SteppingEngine):
    def moved(self, x, grad, low, high, step):
        return super().moved(x, grad, torch.zeros_like(low), torch.ones_like(high), step)


class OneStepLess(SteppingEngine):
    def pgd(self, x, low, high, y, step, steps, cond):
        return super().pgd(x, low, high, y, step, max(1, steps - 1), cond)


CHECKS = {
    "eval": lambda make: conformance.check_eval(make, DUAL),
    "training": lambda make: conformance.check_training(make, DUAL),
    "no zeros": lambda make: conformance.check_training(make, DUAL, Pass(TRAINING_LAM.clamp(min=0.1))),
    "x in training": lambda make: conformance.check_training(make, DUAL, gradient_to_x=True),
    "bf16": lambda make: conformance.check_eval(make, DUAL, Pass(EVAL_LAM, precision="bf16"), (1, 16, 16)),
    "pgd": lambda make: conformance.check_pgd(make, DUAL),
    "conditions": lambda make: conformance.check_conditions(make, DUAL),
    "two passes": lambda make: conformance.check_two_eval_passes(make, DUAL),
    "optimiser": lambda make: conformance.check_optimiser(make, DUAL, lambda net: sgd(net, DUAL)),
    "dropout": lambda make: conformance.check_dropout(make, oat_recipe(dropout=0.3)),
    "attack": lambda make: steps.check_attack(make, DUAL, lambda *given: pgd(*given[:3], 0.1, 0.03, 3, given[3])),
    "step": lambda make: steps.check_training_step(make, oat(protocol=Protocol(attack_bn="train"))),
}
FAULTS = {
    WrongLogit: ("eval", "training", "attack", "step"),
    WrongImageGradient: ("eval", "x in training", "attack"),
    WrongParameterGradient: ("training", "step"),
    WrongStatistic: ("training", "step"),
    StaleStatistic: ("training", "step"),
    StaleCounter: ("training",),
    StatisticInEvalMode: ("eval",),
    WrongBranchOfOneImage: ("eval", "pgd"),
    WrongNumberOfZeros: ("training",),
    NearestCode: ("eval",),
    NoFilmInOneLayer: ("training",),
    StaleCondition: ("conditions",),
    AttackInEvalModeAlone: ("step",),
    ZeroGradientOfIdleBranch: ("no zeros",),
    NoGradientOfOneParameter: ("training",),
    OneBuffer: ("two passes",),
    StaleWeight: ("optimiser",),
    AnotherMaskInBackward: ("dropout",),
    HalfTheDropout: ("dropout",),
    TwiceTheRounding: ("bf16",),
    WrongSignOfOnePixel: ("pgd", "attack"),
    LastBitOfOnePixel: ("pgd", "attack"),
    NoProjection: ("pgd", "attack"),
    OneStepLess: ("pgd",),
}


@pytest.mark.parametrize("check", CHECKS)
def test_a_faultless_engine_passes(check):
    CHECKS[check](SteppingEngine)


@pytest.mark.parametrize(
    ("engine", "check"),
    [
        pytest.param(*pair, id=f"{pair[0].__name__}-{pair[1]}")
        for pair in [(engine, check) for engine, checks in FAULTS.items() for check in checks]
    ],
)
def test_a_fault_is_caught(engine, check):
    with pytest.raises(AssertionError):
        CHECKS[check](engine)
