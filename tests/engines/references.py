"""What engines are compared with: passes of the plain network in fp64, computed once for all engines."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.engines import Engine
from bench.engines.conditioned_model import ConditionedModel
from bench.engines.eager import EagerEngine
from bench.models import resnet
from bench.models.network import ConditionalNetwork
from bench.spec.recipe import Recipe
from tests.copies import duplicate
from tests.engines.rounding import Kinks, kink_margin
from tests.recipes import images, lively

EVAL_LAM = torch.tensor([0.3, 0.0, 1.0, 0.0, 0.15])  # one of them untrained
TRAINING_LAM = torch.tensor([0.0, 0.0, 0.1, 0.3])
BATCHES = 40  # drawn at most, until the reference meets no kink
REFERENCES: dict[tuple, tuple] = {}


@dataclass(frozen=True)
class Pass:
    """The arguments of a pass, besides images and labels."""

    lam: Tensor
    width: float = 1.0
    branch: str | None = None
    precision: str = "fp32"

    def key(self) -> tuple:
        return tuple(self.lam.tolist()), self.width, self.branch, self.precision

    def model(self, engine: Engine, training: bool) -> ConditionedModel:
        lam = self.lam.to(engine.net.head.weight.dtype)
        cond = engine.condition(lam, width=self.width, branch=self.branch, training=training)
        return ConditionedModel(engine, cond, self.precision)


def exact_engine(recipe: Recipe, channels: int = 1, training: bool = False) -> EagerEngine:
    """The recipe's plain network in fp64."""
    return EagerEngine(lively(recipe, channels).double().train(training))


def network_key(recipe: Recipe, channels: int = 1) -> tuple:
    return recipe.canonical(), channels, resnet.STAGES


def once(compute: Callable[..., tuple], *arguments, key: tuple | None) -> tuple:
    """compute(*arguments), computed once for all engines where a key says what the arguments are."""
    if key is None:
        return compute(*arguments)
    if (compute, key) not in REFERENCES:
        REFERENCES[compute, key] = compute(*arguments)
    return REFERENCES[compute, key]


def reference(net: ConditionalNetwork) -> EagerEngine:
    """The plain network in fp64, as the parameters are now."""
    return EagerEngine(duplicate(net, torch.float64))


def eval_pass(engine: Engine, x: Tensor, y: Tensor, arguments: Pass) -> tuple[Tensor, Tensor]:
    """Logits, and the gradient of the cross-entropy to the images."""
    engine.net.eval()
    x = x.clone().requires_grad_()
    logits = arguments.model(engine, training=False)(x)
    (grad,) = torch.autograd.grad(F.cross_entropy(logits.to(x.dtype), y, reduction="sum"), x)
    return logits.detach(), grad


def exact_eval_pass(net: ConditionalNetwork, x: Tensor, y: Tensor, arguments: Pass) -> tuple:
    """(logits, gradient to x) in fp64, kinks, and the eager engine's pair where it is of a lower precision."""
    eager = eval_pass(EagerEngine(duplicate(net)), x, y, arguments) if arguments.precision != "fp32" else None
    in_fp64 = Pass(arguments.lam, arguments.width, arguments.branch)
    with Kinks() as kinks:
        return *eval_pass(reference(net), x.double(), y, in_fp64), kinks, eager


def training_pass(engine: Engine, x: Tensor, y: Tensor, arguments: Pass) -> Tensor:
    """Logits. The gradients of the cross-entropy are added to those of the parameters, and of x if it takes one."""
    engine.net.train()
    logits = arguments.model(engine, training=True)(x)
    F.cross_entropy(logits.to(x.dtype), y, reduction="sum").backward()
    return logits.detach()


def exact_training_pass(net: ConditionalNetwork, arguments: Pass, shape: tuple, gradient_to_x: bool) -> tuple:
    """(x, y, x in fp64, logits, network) of a pass in fp64 without kinks, from cleared gradients, and (network, logits)
    of the eager engine where the pass is of a lower precision."""
    in_fp64, exact = Pass(arguments.lam, arguments.width), reference(net)
    before = {name: buffer.clone() for name, buffer in exact.net.named_buffers()}
    for seed in range(BATCHES):
        x, y = images(len(arguments.lam), shape, seed)
        exact_x = x.double().requires_grad_(gradient_to_x)
        with Kinks() as kinks:
            exact_logits = training_pass(exact, exact_x, y, in_fp64)
        if arguments.precision != "fp32" or kinks.distance() > kink_margin(net, x):
            break
        exact.net.zero_grad()
        exact.net.load_state_dict(before, strict=False)
    else:
        raise AssertionError("no batch is clear of ReLU's kink")
    if arguments.precision == "fp32":
        return x, y, exact_x, exact_logits, exact.net, None, None
    eager = EagerEngine(duplicate(net))
    return x, y, exact_x, exact_logits, exact.net, eager.net, training_pass(eager, x, y, arguments)


def two_training_passes(engine: Engine, x: Tensor, y: Tensor, order: tuple[int, int]) -> None:
    parts, lam = (slice(0, 4), slice(2, 4)), TRAINING_LAM.to(x.dtype)
    losses = [F.cross_entropy(engine.logits(x[part], engine.condition(lam[part])), y[part]) for part in parts]
    for i in order:
        losses[i].backward()


def exact_two_training_passes(net: ConditionalNetwork, order: tuple[int, int]) -> tuple:
    """(x, y, network) of passes in fp64 without kinks."""
    for seed in range(BATCHES):
        exact, (x, y) = reference(net), images(4, seed=seed)
        with Kinks() as kinks:
            two_training_passes(exact, x.double(), y, order)
        if kinks.distance() > kink_margin(net, x):
            return x, y, exact.net
    raise AssertionError("no batch is clear of ReLU's kink")
