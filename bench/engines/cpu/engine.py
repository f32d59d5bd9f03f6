"""The CPU engine: plans of C kernel calls for whole passes of a network, layer-wise kernels where no plan fits."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import torch
from torch import Tensor

from bench.engines.cpu import layerwise, malloc
from bench.engines.cpu.bn_film_folding import Folding
from bench.engines.cpu.c_structs import stored
from bench.engines.cpu.compiled_library import vectors, why_missing
from bench.engines.cpu.encoded_condition import EncodedCondition
from bench.engines.cpu.fused_pgd import take_steps
from bench.engines.cpu.inference_plan import InferenceLogits, InferencePlan
from bench.engines.cpu.lowering import Unsupported, lower
from bench.engines.cpu.packed_weights import PackedWeights
from bench.engines.cpu.parameter_pointers import ParameterPointers
from bench.engines.cpu.training_plan import TrainingLogits, TrainingPlan
from bench.models.dual_bn import Condition
from bench.models.network import ConditionalNetwork, clean_branch, distinct, leading_zeros
from bench.models.slimmable import SlimLinear

CACHED_CODES = 16  # batches


def why_unavailable(device: torch.device) -> str | None:
    """Why this engine cannot compute on a device of this machine, in one line; None where it can."""
    return "it computes on CPUs alone" if device.type != "cpu" else why_missing()


class CpuEngine:
    """`Engine` in bench/engines/__init__.py documents the methods.

    Plans hold raw pointers to the network's parameters: every method first drops all plans where a module or tensor was
    replaced, moved or resized. Images and weights in another precision than fp32 go through the plain network.
    """

    name = f"cpu ({vectors()})"

    def __init__(self, net: ConditionalNetwork):
        self.net = net
        self.codes: dict[tuple, Tensor] = {}
        self.drop_plans()

    def drop_plans(self) -> None:
        self.pointers, self.packed = ParameterPointers(self.net), PackedWeights()
        try:
            self.steps = lower(self.net) if self.pointers.contiguous() else None
        except Unsupported:
            self.steps = None  # a backbone of other operators: the plain network computes all
        self.folding: dict[float, Folding] = {}
        self.plans: list[InferencePlan | TrainingPlan] = []
        self.unsupported: set[tuple] = set()

    def refresh(self) -> None:
        if not self.pointers.current():
            self.drop_plans()

    def condition(self, lam: Tensor, zeros=None, width=1.0, branch=None, training=None, rows=None) -> Condition:
        if self.steps is None or lam.device.type != "cpu":
            return self.net.condition(lam, zeros, width, branch, training)
        lams, rows = distinct(lam) if self.net.conditional else (lam, None)
        code = self.code(lams) if self.net.conditional else None
        if self.net.training if training is None else training:
            return EncodedCondition(width, rows, leading_zeros(lam, zeros), code, self.films)
        return Condition(False, width, rows, affine=self.fold(code, clean_branch(lams, branch), width))

    def code(self, lam: Tensor) -> Tensor:
        """(R,) λ → (R, d), cached for the last few batches."""
        book, grid = self.net.codebook, self.net.lambdas
        state = book.data_ptr(), book._version, grid.data_ptr(), grid._version
        key = (lam.dtype, state, *lam.tolist())
        if key not in self.codes:
            if len(self.codes) == CACHED_CODES:
                self.codes.clear()
            self.codes[key] = self.net.code(lam)
        return self.codes[key]

    def films(self, code: Tensor | None, width: float) -> list[tuple[Tensor, Tensor] | None]:
        if self.net.head.weight.dtype != torch.float32:
            return self.net.films(code, width)
        return layerwise.films(self.net, code, width)

    @torch.no_grad()
    def fold(self, code: Tensor | None, is_clean: Tensor, width: float) -> list[tuple[Tensor, Tensor]]:
        self.refresh()
        net = self.net
        if self.steps is None or net.head.weight.dtype != torch.float32:
            return net.fold(code, is_clean, width)
        if not all(map(layerwise.by_branches, net.norms)):
            with torch.autocast("cpu", enabled=False):
                films = self.films(code, width)
                return [norm.fold(film, is_clean, width) for norm, film in zip(net.norms, films, strict=True)]
        if width not in self.folding:
            self.folding[width] = Folding(net.norms, width)
        return self.folding[width].affine(code, is_clean)

    def logits(self, x: Tensor, cond: Condition) -> Tensor:
        if not self.takes(x, cond):
            return self.net(x, cond.with_films() if isinstance(cond, EncodedCondition) else cond)
        if plan := self.inference_plan(x, cond):
            return InferenceLogits.apply(x, plan, cond)
        if plan := self.training_plan(x, cond):
            keep = torch.is_grad_enabled()
            parameters = plan.parameters(cond, len(x)) if keep else ()
            return TrainingLogits.apply(x, plan, cond, keep, *parameters)
        cond = cond.with_films() if isinstance(cond, EncodedCondition) else cond
        return layerwise.logits(self.net, self.steps, self.packed, x, cond)

    def pgd(self, x, low, high, y, step, steps, cond) -> Tensor | None:
        plan = self.inference_plan(x, cond) if self.takes(x, cond) else None
        if plan is None or y.dtype != torch.int64 or y.device != x.device:
            return None
        return take_steps(plan, cond, x, low, high, y, step, steps)

    def watch(self, optimiser: torch.optim.Optimizer) -> None:
        """A fused optimiser updates in place without a new version of the parameters: count one up after each step."""
        parameters = [p for group in optimiser.param_groups for p in group["params"]]
        optimiser.register_step_post_hook(lambda *_: torch.autograd.graph.increment_version(parameters))

    def training_memory(self) -> AbstractContextManager:
        return malloc.keep_freed_memory()

    def takes(self, x: Tensor, cond: Condition) -> bool:
        """Whether the kernels take these images. Raises ValueError where the condition is for another number of them,
        beyond which the kernels would read."""
        if cond.rows is not None and len(cond.rows) != len(x):
            raise ValueError(f"a condition made for {len(cond.rows)} images is asked to serve {len(x)}")
        self.refresh()
        float32 = x.dtype == self.net.head.weight.dtype == torch.float32
        return float32 and x.device.type == self.net.head.weight.device.type == "cpu" and self.steps is not None

    def inference_plan(self, x: Tensor, cond: Condition) -> InferencePlan | None:
        if cond.training:
            return None
        return self.plan(
            InferencePlan, x, cond, (self.steps, self.net.head, cond.width, self.packed), lambda plan: True
        )

    def training_plan(self, x: Tensor, cond: Condition) -> TrainingPlan | None:
        """A plan that no pass uses; None where the image needs a gradient, or γ and β come from elsewhere."""
        if not isinstance(cond, EncodedCondition) or x.requires_grad or torch.is_grad_enabled() > cond.graph:
            return None
        arguments = (self.net, self.steps, cond.width, self.packed, self.pointers)
        return self.plan(TrainingPlan, x, cond, arguments, lambda plan: plan.user() is None)

    def plan(self, kind: type, x: Tensor, cond: Condition, arguments: tuple, free: Callable[..., bool]):
        """A free plan with room for these images, but not for twice as many; None where the kernels support none. One
        for such images that does not fit is dropped."""
        key, capacity = (kind, tuple(x.shape[1:]), cond.width, stored(x)), -(-len(x) // 8) * 8
        weights_at = getattr(type(self.net.head), "weights_at", SlimLinear.weights_at)
        if key in self.unsupported or weights_at is not SlimLinear.weights_at:  # a classifier of other weights
            return None
        for plan in self.plans:
            if plan.key == key and capacity <= plan.capacity < 2 * capacity and free(plan):
                return plan
        self.plans = [plan for plan in self.plans if plan.key != key or not free(plan)]
        try:
            plan = kind(*arguments, key[1], key[3], capacity)
        except Unsupported:
            self.unsupported.add(key)
            return None
        plan.key = key
        self.plans.append(plan)
        return plan
