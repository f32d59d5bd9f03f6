"""Compare whole attacks and training steps: run them with an engine, then again with every call of the engine answered
from the record, after the fp64 reference has computed the same call on the recorded images."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from bench.engines import Engine
from bench.engines.conditioned_model import ConditionedModel
from bench.engines.eager import EagerEngine
from tests.engines.conformance import compare_step
from tests.engines.rounding import Kinks, assert_close, kink_margin, tolerance


@dataclass
class Call:
    """A call of `logits` (its result, the gradient to it and the gradient to x, if asked for) or, where there are
    `iterates`, of `pgd`."""

    x: Tensor
    logits: Tensor | None = None
    gradients: dict[str, Tensor] = field(default_factory=dict)
    iterates: list[Tensor] | None = None


class RecordingEngine:
    """An engine whose calls are noted."""

    def __init__(self, engine: Engine):
        self.engine, self.net, self.calls = engine, engine.net, []

    def condition(self, *arguments, **options):
        return self.engine.condition(*arguments, **options)

    def logits(self, x: Tensor, cond) -> Tensor:
        logits = self.engine.logits(x, cond)
        call = Call(x.detach().clone(), logits.detach().clone())
        self.calls.append(call)
        if x.requires_grad and logits.requires_grad:
            logits.register_hook(lambda grad: call.gradients.update(logits=grad.clone()))
            x.register_hook(lambda grad: call.gradients.update(x=grad.clone()))
        return logits

    def pgd(self, x, low, high, y, step, steps, cond) -> Tensor | None:
        """Take the steps one by one."""
        iterates = [x.clone()]
        for _ in range(steps):
            after = self.engine.pgd(iterates[-1].clone(), low, high, y, step, 1, cond)
            if after is None:
                return None
            iterates.append(after)
        self.calls.append(Call(x.clone(), iterates=iterates))
        return iterates[-1].clone()


class Answer(torch.autograd.Function):
    """Recorded logits, with the recorded gradient to x."""

    @staticmethod
    def forward(ctx, x: Tensor, call: Call) -> Tensor:
        ctx.call = call
        return call.logits.clone()

    @staticmethod
    def backward(ctx, grad: Tensor):
        return ctx.call.gradients["x"], None


class ReplayingEngine:
    """Answers from the record, after a comparison with the reference. A training-mode pass over images that take no
    gradient is answered by the reference, so that its parameters get their gradients. `at_kink`: whether a comparison
    was left out, or may fail, since the reference met a pre-activation at ReLU's kink."""

    def __init__(self, exact: EagerEngine, calls: list[Call]):
        self.exact, self.net, self.calls = exact, exact.net, list(calls)
        self.at_kink, self.compared, self.all = False, 0, 0

    def condition(self, lam: Tensor, *arguments, **options):
        return self.exact.condition(lam.double(), *arguments, **options)

    def next_call(self, x: Tensor, kind: str) -> Call:
        assert self.calls, f"the engine was not asked for this {kind}"
        call = self.calls.pop(0)
        assert (call.iterates is None) == (kind == "logits") and torch.equal(call.x, x)
        return call

    def logits(self, x: Tensor, cond) -> Tensor:
        call = self.next_call(x, "logits")
        exact_x = call.x.double().requires_grad_(x.requires_grad)
        bound, margin = tolerance(self.net, x), kink_margin(self.net, x)
        with Kinks() as kinks:
            logits = self.exact.logits(exact_x, cond)
        assert_close("logits", call.logits, logits.detach(), bound, by_image=not cond.training)
        if not x.requires_grad:
            self.at_kink |= cond.training and kinks.distance() <= margin
            return logits if logits.requires_grad else call.logits.clone()
        (exact_grad,) = torch.autograd.grad(logits, exact_x, call.gradients["logits"].double())
        clear = kinks.clear_images(len(x), margin)
        if cond.training:
            clear[:] = kinks.distance() > margin
        assert_close("gradient to x", call.gradients["x"][clear], exact_grad[clear], bound, by_image=not cond.training)
        self.count(clear)
        return Answer.apply(x, call)

    def pgd(self, x, low, high, y, step, steps, cond) -> Tensor | None:
        if not self.calls or self.calls[0].iterates is None:
            return None
        call = self.next_call(x, "pgd")
        exact = ConditionedModel(self.exact, cond)
        for now, after in zip(call.iterates, call.iterates[1:], strict=False):
            clear = compare_step(now, after, low, high, y, step, exact, exact)
            self.compared, self.all = self.compared + clear, self.all + len(x)
        return call.iterates[-1].clone()

    def count(self, clear: Tensor) -> None:
        self.compared, self.all = self.compared + int(clear.sum()), self.all + len(clear)


def replay(engine: Engine, exact: EagerEngine, run: Callable[[Engine], object]) -> tuple[object, object, bool]:
    """Run with the engine, then with the reference. Returns both results and whether the reference met a kink."""
    recording = RecordingEngine(engine)
    result = run(recording)
    replaying = ReplayingEngine(exact, recording.calls)
    exact_result = run(replaying)
    assert not replaying.calls, "the engine was asked for more than the reference"
    assert 2 * replaying.compared >= replaying.all, "most images lie at a kink of ReLU: choose other ones"
    return result, exact_result, replaying.at_kink
