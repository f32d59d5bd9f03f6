"""The training-mode network as two lists of calls (csrc/kernels.c): forward, and backward to all parameters.

A plan serves images of one shape, one width and one storage type; λ, branches and weights may change between passes.
It has the buffers of one pass: it is in use from the forward to the end of the backward.
"""

import ctypes
import weakref
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from bench.engines.cpu import c_structs, convolution
from bench.engines.cpu.autograd_film import mlp_weights
from bench.engines.cpu.c_structs import LONG, Call, Norm, point, run_calls
from bench.engines.cpu.compiled_library import library
from bench.engines.cpu.film_plan import FilmPlan
from bench.engines.cpu.flat_gradients import Slot, Slots
from bench.engines.cpu.inference_plan import classifier, pointwise
from bench.engines.cpu.layerwise import branches_at, branches_used, by_branches
from bench.engines.cpu.lowering import Step, Unsupported
from bench.engines.cpu.packed_weights import PackedWeights, PlanWeights, WeightUse
from bench.engines.cpu.parameter_pointers import ParameterPointers, point_to_parameters
from bench.engines.cpu.step_buffers import Buffer, ShapedStep, images, lay_out, shaped_steps
from bench.models.network import ConditionalNetwork


@dataclass
class PlannedCall:
    """A call and the buffers that the fields of a struct point to: of `struct`, or of the `unit` that it refers to."""

    kind: int
    struct: ctypes.Structure
    buffers: dict[str, Buffer]
    unit: ctypes.Structure | None = None


class TrainingPlan:
    """Raises Unsupported where the kernels cannot compute a step."""

    def __init__(
        self,
        net: ConditionalNetwork,
        steps: list[Step],
        width: float,
        packed: PackedWeights,
        pointers: ParameterPointers,
        shape: tuple[int, int, int],
        dtype: torch.dtype,
        capacity: int,
    ):
        self.dtype, self.capacity, self.width, self.pointers = dtype, capacity, width, pointers
        self.source, self.steps = shaped_steps(steps, shape, width)
        self.features = self.steps[-1].y
        self.user, self.weights = lambda: None, PlanWeights(packed)
        self.memory = []  # keeps alive what structs point to besides buffers
        self.to_features = Buffer(self.features.shape, keep=True)
        self.parameters_by_branches, self.counters_by_branches = {}, {}
        self.norms = {step: self.norm_struct(step) for step in self.steps if step.norm is not None}
        self.weight_gradients = self.plan_weight_gradients([step for step in self.steps if step.conv is not None])
        self.conv_results = {step: Buffer(step.y.shape, keep=True) for step in self.norms if step.conv is not None}
        for step in self.steps:
            step.y.buffer.keep = True
        self.forward = self.laid_out([planned for step in self.steps for planned in self.forward_calls(step)])
        self.backward = self.laid_out(self.backward_calls())
        self.net_head, self.films = net.head, FilmPlan([step.norm for step in self.norms], width, pad=True)
        self.means = torch.empty(capacity * self.features.shape[0])
        buffers = self.features.buffer, self.to_features
        self.head, self.head_backward = (classifier(net.head, self.features, buffer, None) for buffer in buffers)
        self.head.means = self.head_backward.means = self.means.data_ptr()
        self.slots = Slots()
        self.step_slots = {step: self.slots_of(step) for step in self.steps}
        self.film_slots = [
            self.perceptron_slots(*pair) for pair in zip(self.films.structs, self.films.weights, strict=True)
        ]
        sizes = (self.head.classes, self.head.channels)
        self.head_slots = [
            self.slots.add(self.head_backward, "to_weight", sizes, (sizes[0], self.features.channels)),
            self.slots.add(self.head_backward, "to_bias", sizes[:1]),
        ]

    def norm_struct(self, step: ShapedStep) -> Norm:
        if not by_branches(step.norm):
            raise Unsupported(f"norm layer {type(step.norm).__name__}")
        channels, height, width = step.y.shape
        scratch = {"mean": torch.empty(2, channels), "inverse": torch.empty(2, channels)}
        scratch |= {"sums": torch.empty(2 * self.capacity * channels)}
        self.memory.append(scratch)
        struct = Norm(0, height * width, channels, step.y.channels)
        struct.relu = step.relu
        c_structs.drop(struct, step.dropout)
        point(struct, scratch)
        for branch, bn in branches_at(step.norm, self.width).items():
            struct.momentum, struct.eps = bn.momentum, bn.eps
            tensors = {"weight": bn.weight, "bias": bn.bias}
            tensors |= {"running_mean": bn.running_mean, "running_var": bn.running_var}
            point_to_parameters(struct, {f"{name}_{branch}": tensor for name, tensor in tensors.items()})
        return struct

    def plan_weight_gradients(
        self, steps: list[ShapedStep]
    ) -> dict[ShapedStep, tuple[c_structs.Gradient, c_structs.Unit]]:
        """The weight gradients of all convolutions, which share scratch memory."""
        units = {step: convolution.weight_gradient_unit(step.geometry) for step in steps}
        sizes = [
            convolution.weight_gradient_scratch(step.geometry, unit, self.capacity) for step, unit in units.items()
        ]
        scratch = torch.empty(max(sizes))
        self.memory.append(scratch)
        return {
            step: (convolution.weight_gradient_call(step.geometry, unit, scratch), unit) for step, unit in units.items()
        }

    def forward_calls(self, step: ShapedStep) -> list[PlannedCall]:
        calls, x, y = [], step.x.buffer, self.conv_results.get(step, step.y.buffer)
        residual = step.residual.buffer if step.residual else None
        if step.norm is None or step.conv is not None:
            parts = convolution.units(step.geometry, False) if step.geometry else [pointwise(step.y.shape)]
            buffers = {"x": x, "y": y} | ({"after": residual} if residual and step.norm is None else {})
            calls += [PlannedCall(c_structs.UNIT, unit, buffers) for unit in parts]
            if step.conv is not None:
                self.weights.uses.append(WeightUse(step.conv, step.geometry, False, parts))
            x = y
        if step.norm is not None:
            buffers = {"x": x, "y": step.y.buffer} | ({"plus": residual} if residual else {})
            calls.append(PlannedCall(c_structs.NORM_FORWARD, self.norms[step], buffers))
        return calls

    def backward_calls(self) -> list[PlannedCall]:
        calls, pending = [], {self.features: [self.to_features]}  # pending: the buffers that sum to a value's gradient
        for step in reversed(self.steps):
            grad = sum_buffers(calls, pending.pop(step.y), step.y.shape)
            to_residual, to_norm_input = grad, Buffer(step.y.shape)
            if step.norm is not None:
                calls.append(
                    PlannedCall(c_structs.NORM_BACKWARD, self.norms[step], {"grad": grad, "to_x": to_norm_input})
                )
                if step.residual is not None and step.relu:
                    to_residual = calls[-1].buffers["to_plus"] = Buffer(step.y.shape)
                grad = to_norm_input
            elif step.relu:
                raise Unsupported("ReLU without a norm")
            if step.residual is not None:
                pending.setdefault(step.residual, []).append(to_residual)
            terms = pending.setdefault(step.x, [])
            if step.conv is None:
                terms.append(grad)
                continue
            struct, unit = self.weight_gradients[step]
            calls.append(PlannedCall(c_structs.TO_WEIGHTS, struct, {"x": step.x.buffer, "y": grad}, unit))
            if step.x is not self.source:
                buffers = {"x": grad, "y": Buffer(step.x.shape)} | ({"before": terms.pop()} if terms else {})
                parts = convolution.units(step.geometry, True)
                if "before" in buffers and not any(buffers["before"] in waiting for waiting in pending.values()):
                    buffers["y"] = buffers["before"]  # in place, which leaves pixels that no tap reaches as they are
                    parts = [unit for unit in parts if convolution.has_weights(unit)]
                calls += [PlannedCall(c_structs.UNIT, unit, buffers) for unit in parts]
                self.weights.uses.append(WeightUse(step.conv, step.geometry, True, parts))
                terms.append(buffers["y"])
        return calls

    def laid_out(self, planned: list[PlannedCall]) -> ctypes.Array:
        lay_out([(call.unit or call.struct, call.buffers) for call in planned], self.capacity, self.dtype)
        self.memory.append(planned)
        return (Call * len(planned))(*(Call(call.kind, ctypes.addressof(call.struct)) for call in planned))

    def slots_of(self, step: ShapedStep) -> dict[str, Slot]:
        """The gradients of a step's convolution and norm layer; those of both branches lie next to each other."""
        slots, channels = {}, step.y.shape[0]
        if step.conv is not None:
            g = step.geometry
            sizes, used = (
                (g.outputs, g.inputs, g.kernel, g.kernel),
                (step.y.channels, step.x.channels, g.kernel, g.kernel),
            )
            slots["conv"] = self.slots.add(self.weight_gradients[step][0], "found", sizes, used)
        if step.norm is not None:
            for name in ("weight", "bias"):
                pair = self.slots.add(self.norms[step], f"to_{name}", (2, channels), (2, step.y.channels))
                slots |= {f"{name}_{branch}": pair.row(i) for i, branch in enumerate("ca")}
        return slots

    def perceptron_slots(self, struct: c_structs.Perceptron, weights: tuple[Tensor, ...]) -> list[Slot]:
        names = "to_first", "to_first_bias", "to_second", "to_second_bias"
        return [self.slots.add(struct, name, weight.shape) for name, weight in zip(names, weights, strict=True)]

    def begin(self, cond, n: int) -> None:
        """Prepare a forward pass over n images: weights of today, λ and branches, dropout keys, BN counters."""
        self.weights.refresh()
        films = self.films.forward(cond.code) if self.films.norms else None
        self.row = cond.row_of_each(n)
        row = self.row.data_ptr()
        for step, norm in self.norms.items():
            norm.images, norm.row = n, row
            norm.zeros = cond.zeros if step.norm.bn_c is not None else 0
            if step.dropout:
                norm.key = c_structs.draw()
            if films and (addresses := films.get(step.norm.index)):
                norm.rows, norm.gamma, norm.beta = self.films.rows, addresses.gamma, addresses.beta
                norm.to_gamma, norm.to_beta = addresses.to_gamma, addresses.to_beta
        torch._foreach_add_(self.batch_counters(cond, n), 1)

    def batch_counters(self, cond, n: int) -> list[Tensor]:
        """num_batches_tracked of the BNs that n images go through."""
        branches = cond.zeros == 0, cond.zeros == n
        if branches not in self.counters_by_branches:
            bns = [bn for step in self.norms for bn in branches_used(step.norm, cond, n).values()]
            self.counters_by_branches[branches] = [bn.num_batches_tracked for bn in bns]
        return self.counters_by_branches[branches]

    def trained(self, cond, n: int) -> list[tuple[Tensor, Slot]]:
        """The parameters that get a gradient, and its slot."""
        pairs = []
        for step in self.steps:
            slots = self.step_slots[step]
            if step.conv is not None:
                pairs.append((step.conv.weight_at(cond.width, step.x.channels), slots["conv"]))
            if step.norm is not None:
                for branch, bn in branches_used(step.norm, cond, n).items():
                    pairs += [(bn.weight, slots[f"weight_{branch}"]), (bn.bias, slots[f"bias_{branch}"])]
        for mlp, slots in zip(self.films.mlps, self.film_slots, strict=True):
            pairs += zip(mlp_weights(mlp, cond.width), slots, strict=True)
        weight_and_bias = self.net_head.weights_at(1.0, self.features.channels)
        return pairs + list(zip(weight_and_bias, self.head_slots, strict=True))

    def parameters(self, cond, n: int) -> list[Tensor]:
        """The parameters that get a gradient, in the order in which `parameter_gradients` returns the gradients."""
        branches = cond.zeros == 0, cond.zeros == n
        if branches not in self.parameters_by_branches or self.width != 1:  # slices belong to one autograd graph
            self.parameters_by_branches[branches] = tuple(zip(*self.trained(cond, n), strict=True))
        self.trained_parameters, self.gradient_slots = self.parameters_by_branches[branches]
        self.versions = [parameter._version for parameter in self.trained_parameters]
        return self.trained_parameters

    def logits(self, x: Tensor, cond) -> Tensor:
        """(n, classes) fp32."""
        n, lib = x.shape[0], library(self.dtype)
        images(self.source.buffer, n).copy_(x)
        self.begin(cond, n)
        run_calls(lib, self.forward, n)
        logits = torch.empty(n, self.head.classes)
        self.head.logits = logits.data_ptr()
        c_structs.call("classifier", lib.classify, ctypes.byref(self.head), LONG(n))
        return logits

    def parameter_gradients(self, grad: Tensor) -> list[Tensor]:
        """Gradient (n, classes) of the logits → gradients of `parameters`. Raises RuntimeError where one changed."""
        if not self.pointers.current() or [p._version for p in self.trained_parameters] != self.versions:
            raise RuntimeError("a parameter has been modified by an inplace operation, or replaced, since its pass")
        n, lib, gradients = grad.shape[0], library(self.dtype), self.slots.allocate()
        grad = grad.float().contiguous()
        head = ctypes.byref(self.head_backward)
        self.head_backward.logits = grad.data_ptr()
        c_structs.call("classifier", lib.classify_to_weights, head, LONG(n))
        c_structs.call("classifier", lib.classify_back, head, LONG(n))
        run_calls(lib, self.backward, n)
        if self.films.norms:
            self.films.backward()
        return [slot.view(gradients) for slot in self.gradient_slots]


def sum_buffers(calls: list[PlannedCall], buffers: list[Buffer], shape: tuple[int, int, int]) -> Buffer:
    """The sum of buffers, by calls appended where there are several."""
    total, *others = buffers
    for other in others:
        result = Buffer(shape)
        calls.append(PlannedCall(c_structs.UNIT, pointwise(shape), {"x": total, "before": other, "y": result}))
        total = result
    return total


class User:
    """Lives as long as a plan may be asked for its backward pass."""


class TrainingLogits(torch.autograd.Function):
    """x (N, C, H, W) → (N, classes), with gradients to the parameters that are given."""

    @staticmethod
    def forward(ctx, x: Tensor, plan: TrainingPlan, cond, keep: bool, *_: Tensor) -> Tensor:
        ctx.plan, ctx.user = plan, User() if keep else None
        plan.user = weakref.ref(ctx.user) if keep else lambda: None
        return plan.logits(x, cond)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        plan = ctx.plan
        if plan.user() is not ctx.user:
            raise RuntimeError("the backward pass was asked for twice: another pass may use its buffers by now")
        plan.user = lambda: None
        return None, None, None, None, *plan.parameter_gradients(grad)
