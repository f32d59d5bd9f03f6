"""Checks that every engine must pass: its f(x, λ) is that of the plain network in fp64, up to rounding.

A check takes `make`, which makes an engine of a network, as `engine_class(device)` does, and raises AssertionError.
tests/engines/rounding.py derives the bounds. Where a check draws another batch because a pre-activation lies at ReLU's
kink, the reference alone decides that. test_conformance.py runs all checks on all engines; test_faulty_engines.py shows
that they catch engines with one error.
"""

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.attacks.pgd import cross_entropy, take_steps
from bench.engines import Engine
from bench.engines.conditioned_model import ConditionedModel
from bench.engines.eager import EagerEngine
from bench.models.network import ConditionalNetwork
from bench.spec.recipe import Recipe
from tests.engines.references import (
    EVAL_LAM,
    TRAINING_LAM,
    Pass,
    eval_pass,
    exact_engine,
    exact_eval_pass,
    exact_training_pass,
    exact_two_training_passes,
    network_key,
    once,
    training_pass,
    two_training_passes,
)
from tests.engines.rounding import Kinks, assert_close, distance, kink_margin, tolerance
from tests.recipes import images, lively

Make = Callable[[ConditionalNetwork], Engine]

# --- eval mode


def check_eval(make: Make, recipe: Recipe, arguments: Pass = Pass(EVAL_LAM), shape=(1, 8, 8)) -> None:
    """Logits and the gradient to the images. Parameters get no gradient, and buffers stay."""
    net, (x, y) = lively(recipe, shape[0]), images(5, shape)
    buffers = [buffer.clone() for buffer in net.buffers()]
    compare_eval(make(net), x, y, arguments, (*network_key(recipe, shape[0]), shape))
    assert all(map(torch.equal, buffers, net.buffers())), "a pass in eval mode changed a buffer"
    assert all(parameter.grad is None for parameter in net.parameters()), "a parameter got a gradient in eval mode"


def compare_eval(
    engine: Engine, x: Tensor, y: Tensor, arguments: Pass = Pass(EVAL_LAM), key: tuple | None = None
) -> None:
    """The engine's pass against the plain network with the parameters of now. key: of these, x and y; see `once`."""
    bound = tolerance(engine.net, x)
    exact = once(exact_eval_pass, engine.net, x, y, arguments, key=key and (*key, *arguments.key()))
    exact_logits, exact_grad, kinks, eager = exact
    logits, grad = eval_pass(engine, x, y, arguments)
    if arguments.precision == "fp32":
        assert_close("logits", logits, exact_logits, bound, by_image=True)
        clear = kinks.clear_images(len(x), kink_margin(engine.net, x))
        assert 4 * clear.sum() >= len(x), "most images lie at a kink of ReLU: choose other ones"
        assert_close("gradient to x", grad[clear], exact_grad[clear], bound, by_image=True)
    else:
        assert_as_close("logits", logits, eager[0], exact_logits, bound)
        assert_as_close("gradient to x", grad, eager[1], exact_grad, bound)


def assert_as_close(name: str, actual: Tensor, eager: Tensor, exact: Tensor, bound: float) -> None:
    """A lower precision is not off by more than eager's is, whose order of roundings is as good as any other."""
    error, usual = distance(actual, exact), distance(eager, exact)
    assert error <= 1.5 * usual + bound, f"{name}: off by {error:.2e} of its norm, where eager is off by {usual:.2e}"


# --- training mode


def check_training(
    make: Make, recipe: Recipe, arguments: Pass = Pass(TRAINING_LAM), shape=(1, 8, 8), gradient_to_x: bool = False
) -> None:
    """Logits, gradients of all parameters (and of the images), running statistics and num_batches_tracked."""
    net = lively(recipe, shape[0])
    compare_training(make(net), arguments, shape, gradient_to_x, network_key(recipe, shape[0]))


def compare_training(
    engine: Engine,
    arguments: Pass = Pass(TRAINING_LAM),
    shape=(1, 8, 8),
    gradient_to_x: bool = False,
    key: tuple | None = None,
) -> None:
    """The engine's pass, from cleared gradients, against the plain network with the parameters of now. key: of these,
    see `once`."""
    key = key and (*key, *arguments.key(), shape, gradient_to_x)
    exact = once(exact_training_pass, engine.net, arguments, shape, gradient_to_x, key=key)
    x, y, exact_x, exact_logits, exact_net, eager_net, eager_logits = exact
    engine.net.zero_grad()
    x = x.clone().requires_grad_(gradient_to_x)
    logits, bound = training_pass(engine, x, y, arguments), tolerance(engine.net, x)
    if arguments.precision == "fp32":
        assert_close("logits", logits, exact_logits, bound)
        if gradient_to_x:
            assert_close("gradient to x", x.grad, exact_x.grad, bound)
        compare_networks(engine.net, exact_net, bound)
    else:
        assert_as_close("logits", logits, eager_logits, exact_logits, bound)
        for name, values in (("gradients", gradients_of), ("statistics", statistics_of)):
            assert_as_close(name, *map(values, (engine.net, eager_net, exact_net)), bound)
        assert all(p.grad is None or p.grad.dtype == torch.float32 for p in engine.net.parameters())


def compare_networks(net: ConditionalNetwork, exact: ConditionalNetwork, bound: float) -> None:
    """Which parameters have a gradient, all gradients and all buffers."""
    exact_parameters, exact_buffers = dict(exact.named_parameters()), dict(exact.named_buffers())
    for name, parameter in net.named_parameters():
        grad, exact_grad = parameter.grad, exact_parameters[name].grad
        assert (grad is None) == (exact_grad is None), f"{name}: gradient {'missing' if grad is None else 'unexpected'}"
        if grad is not None:
            assert_close(f"gradient to {name}", grad, exact_grad, bound)
    for name, buffer in net.named_buffers():
        if buffer.is_floating_point():
            assert_close(name, buffer, exact_buffers[name], bound)
        else:
            assert torch.equal(buffer, exact_buffers[name]), f"{name}: {buffer}, not {exact_buffers[name]}"


def gradients_of(net: ConditionalNetwork) -> Tensor:
    return torch.cat([p.grad.flatten().double() for p in net.parameters() if p.grad is not None])


def statistics_of(net: ConditionalNetwork) -> Tensor:
    return torch.cat([buffer.flatten().double() for buffer in net.buffers()])


def check_no_grad_training(make: Make, recipe: Recipe) -> None:
    """Under no_grad a pass in training mode updates the statistics, and its logits have no graph."""
    net, (x, _) = lively(recipe).train(), images(len(TRAINING_LAM))
    engine, exact = make(net), exact_engine(recipe, training=True)
    with torch.no_grad():
        logits = engine.logits(x, engine.condition(TRAINING_LAM))
        exact_logits = exact.logits(x.double(), exact.condition(TRAINING_LAM.double()))
    assert not logits.requires_grad
    assert_close("logits", logits, exact_logits, tolerance(net, x))
    compare_networks(net, exact.net, tolerance(net, x))


# --- several passes


def check_batch_sizes(make: Make, recipe: Recipe) -> None:
    """One engine for batches that grow and shrink, in both modes."""
    engine, key = make(lively(recipe)), network_key(recipe)
    lam = torch.linspace(0, 1, 7)[torch.arange(17) % 7].sort().values
    for n in (3, 17, 2, 16):
        compare_eval(engine, *images(n), Pass(lam[-n:].flip(0)), key)
    for n in (4, 2, 6):
        compare_training(engine, Pass(lam[:n]), key=key if n == 4 else None)
        compare_eval(engine, *images(n), Pass(lam[:n]))
    assert engine.logits(images(5)[0][:0], engine.condition(EVAL_LAM[:1], training=False)).shape == (0, 10)


def check_two_eval_passes(make: Make, recipe: Recipe) -> None:
    """Two graphs of eval mode live at once, at two λ, and their backward passes come in any order, and twice."""
    engine, lams = make(lively(recipe).eval()), (EVAL_LAM, EVAL_LAM.flip(0))
    x, y = images(10)
    batches = [(x[:5], y[:5]), (x[5:], y[5:])]
    leaves = [part.clone().requires_grad_() for part, _ in batches]
    logits = [engine.logits(leaf, engine.condition(lam)) for leaf, lam in zip(leaves, lams, strict=True)]
    losses = [F.cross_entropy(*pair, reduction="sum") for pair in zip(logits, [y for _, y in batches], strict=True)]
    for i in (0, 1, 0):
        (grad,) = torch.autograd.grad(losses[i], leaves[i], retain_graph=True)
        (part, labels), key = batches[i], (*network_key(recipe), "two passes", i)
        exact_logits, exact_grad, kinks, _ = once(exact_eval_pass, engine.net, part, labels, Pass(lams[i]), key=key)
        clear, bound = kinks.clear_images(5, kink_margin(engine.net, part)), tolerance(engine.net, part)
        assert clear.sum() >= 3
        assert_close("logits", logits[i].detach(), exact_logits, bound, by_image=True)
        assert_close("gradient to x", grad[clear], exact_grad[clear], bound, by_image=True)


def check_two_training_passes(make: Make, recipe: Recipe, order: tuple[int, int]) -> None:
    """Two graphs of training mode live at once, as with the loss of TRADES."""
    net, key = lively(recipe).train(), (*network_key(recipe), order)
    x, y, exact_net = once(exact_two_training_passes, net, order, key=key)
    two_training_passes(make(net), x, y, order)
    compare_networks(net, exact_net, tolerance(net, x))


def check_conditions(make: Make, recipe: Recipe) -> None:
    """A Condition serves several passes, and another Condition does not change it. One for another number of images is
    refused."""
    engine, (x, _) = make(lively(recipe).eval()), images(5)
    exact = exact_engine(recipe)
    lams = (EVAL_LAM, 1 - EVAL_LAM)
    conditions = [engine.condition(lam) for lam in lams]
    for i in (0, 1, 0):
        exact_logits = exact.logits(x.double(), exact.condition(lams[i].double()))
        assert_close("logits", engine.logits(x, conditions[i]), exact_logits, tolerance(engine.net, x), by_image=True)
    try:
        engine.logits(images(8)[0], conditions[0])
    except (ValueError, RuntimeError):
        return
    assert not engine.net.conditional, "a condition of 5 images served 8"


def check_optimiser(make: Make, recipe: Recipe, optimiser_of: Callable) -> None:
    """Passes after the steps of a watched optimiser, which may change parameters in place without a new version."""
    engine = make(lively(recipe))
    optimiser = optimiser_of(engine.net)
    engine.watch(optimiser)
    for key in (network_key(recipe), None):  # which does not say what the parameters are after a step
        compare_eval(engine, *images(5), key=key)
        compare_training(engine, key=key)
        before = engine.net.stem.weight.detach().clone()
        with engine.training_memory():
            optimiser.step()
        assert (engine.net.stem.weight - before).norm() > 1e-3 * before.norm()  # so that old weights would be seen
    compare_eval(engine, *images(5))


# --- dropout


def check_dropout(make: Make, recipe: Recipe) -> None:
    """An engine may draw its masks otherwise than torch, but from torch's generator; as often; afresh in each pass; and
    its backward pass has the mask of the forward."""
    net, (x, y) = lively(recipe), images(len(TRAINING_LAM))
    engine = make(net)
    samples = [torch.stack(list(dropout_logits(engine, x, 40)))]
    samples += once(eager_dropout_logits, lively(recipe), x, 40, key=network_key(recipe))
    assert torch.equal(samples[0][:3], torch.stack(list(dropout_logits(engine, x, 3)))), "the seed decides the masks"
    assert not torch.equal(samples[0][0], samples[0][1]), "two passes have the same mask"
    means, deviations = zip(*((each.mean(0), each.std(0)) for each in samples), strict=True)
    standard_error = (deviations[0].square() + deviations[1].square()).div(len(samples[0])).sqrt()
    assert ((means[0] - means[1]).abs() < 5 * standard_error).all(), "another mean than with torch's dropout"
    ratio = deviations[0].mean() / deviations[1].mean()
    assert 0.85 < ratio < 1.15, f"the spread over masks is {ratio:.2f} times that of torch's dropout"

    torch.manual_seed(3)
    training_pass(engine, x, y, Pass(TRAINING_LAM))
    before_dropout = [block.conv1.weight for block in net.blocks]
    directions = [parameter.grad / parameter.grad.norm() for parameter in before_dropout]
    slope = sum(float(parameter.grad.norm()) for parameter in before_dropout)
    losses, size = [], 2e-3
    for sign in (1, -2):
        with torch.no_grad():
            for parameter, direction in zip(before_dropout, directions, strict=True):
                parameter.add_(direction, alpha=sign * size)
            torch.manual_seed(3)
            losses.append(F.cross_entropy(engine.logits(x, engine.condition(TRAINING_LAM)), y, reduction="sum"))
    measured = float(losses[0] - losses[1]) / (2 * size)
    assert abs(measured / slope - 1) < 0.03, f"the loss rises by {measured:.3f} along a gradient of {slope:.3f}"


def dropout_logits(engine: Engine, x: Tensor, passes: int) -> Iterator[Tensor]:
    torch.manual_seed(11)
    engine.net.train()
    with torch.no_grad():
        for _ in range(passes):
            yield engine.logits(x, engine.condition(TRAINING_LAM))


def eager_dropout_logits(net: ConditionalNetwork, x: Tensor, passes: int) -> tuple[Tensor]:
    return (torch.stack(list(dropout_logits(EagerEngine(net), x, passes))),)


# --- PGD


def check_pgd(make: Make, recipe: Recipe, arguments: Pass = Pass(EVAL_LAM), shape=(1, 8, 8), steps: int = 3) -> None:
    """Every step moves every pixel as the sign of the fp64 gradient says (see compare_step), and several steps at once
    are single steps one after the other."""
    net, (x, y) = lively(recipe, shape[0]).eval(), images(5, shape)
    exact, eager = exact_engine(recipe, shape[0]), EagerEngine(lively(recipe, shape[0]).eval())
    model, eager = arguments.model(make(net), False), arguments.model(eager, False)
    exact_model = Pass(arguments.lam, arguments.width, arguments.branch).model(exact, False)
    key = *network_key(recipe, shape[0]), *arguments.key(), shape
    bounds, size = ((x - 0.1).clamp(min=0), (x + 0.1).clamp(max=1)), 0.03
    first, now, clear_images = (x + 0.02).clamp(max=1), (x + 0.02).clamp(max=1), 0
    for _ in range(steps):
        after = take_steps(model, now.clone(), *bounds, y, size, 1, cross_entropy)
        clear_images += compare_step(now, after, *bounds, y, size, exact_model, eager, key)
        now = after
    assert 4 * clear_images >= steps * len(x), "most images lie at a kink of ReLU: choose other ones"
    assert torch.equal(take_steps(model, first, *bounds, y, size, steps, cross_entropy), now)


def compare_step(
    now: Tensor, after: Tensor, low: Tensor, high: Tensor, y, size: float, exact: ConditionedModel, eager, key=None
) -> int:
    """Returns how many images were compared. key: of the network, its arguments and y; see `once`.

    A pixel moves by exactly ±size and is then clamped. It may move otherwise than by the sign of the fp64 gradient only
    where the gradient is below the rounding of either path: in fp32 below tolerance() times the image's largest
    gradient, and no matter how large on an image with a pre-activation at ReLU's kink; in bf16 below twice the
    largest error of eager's gradient, and not at many more pixels than with eager's gradient.
    """
    key = key and (*key, now.numpy().tobytes())
    grad, kinks = once(exact_image_gradient, exact, now, y, key=key)
    moves = [(now + sign * size).clamp(low, high) for sign in (1, 0, -1)]
    assert torch.stack([after == move for move in moves]).any(0).all(), "a pixel moved otherwise than by a clamped step"
    against = after != torch.where(grad > 0, moves[0], torch.where(grad < 0, moves[2], moves[1]))
    largest = grad.abs().amax((1, 2, 3), keepdim=True)
    if eager.precision == "fp32":
        clear = kinks.clear_images(len(now), kink_margin(exact.engine.net, now))
        rounding = tolerance(exact.engine.net, now) * largest
        assert (grad.abs() > rounding).float().mean() > 0.99, "the bound leaves too few pixels"
    else:
        clear, eager_grad = torch.ones(len(now), dtype=torch.bool), image_gradient(eager, now, y)
        rounding = 2 * (eager_grad - grad).abs().amax((1, 2, 3), keepdim=True)
        usual = (eager_grad.sign() != grad.sign()).sum()
        assert against.sum() <= 1.5 * usual + 0.02 * now.numel(), f"{against.sum()} pixels differ, {usual} of eager's"
    wrong = against & (grad.abs() > rounding) & clear[:, None, None, None]
    assert not wrong.any(), f"{int(wrong.sum())} pixels moved against a gradient larger than rounding explains"
    return int(clear.sum())


def exact_image_gradient(exact: ConditionedModel, x: Tensor, y: Tensor) -> tuple[Tensor, Kinks]:
    with Kinks() as kinks:
        return image_gradient(exact, x.double(), y), kinks


def image_gradient(model: ConditionedModel, x: Tensor, y: Tensor) -> Tensor:
    x = x.detach().requires_grad_()
    return torch.autograd.grad(F.cross_entropy(model(x).to(x.dtype), y, reduction="sum"), x)[0]
