"""The eval-mode network as two lists of C structs (csrc/fused_conv.h): forward, and backward to the image.

Scale, shift, sums and ReLU are part of the convolutions, which apply them to a result before it is stored. A plan
serves images of one shape, one width and one storage type; λ and the weights may change between runs.
"""

import ctypes
import itertools
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from bench.engines.cpu import convolution
from bench.engines.cpu.c_structs import LONG, POINTWISE, Head, Unit, point, run_units
from bench.engines.cpu.compiled_library import library, padded
from bench.engines.cpu.lowering import Step
from bench.engines.cpu.packed_weights import PackedWeights, PlanWeights, WeightUse
from bench.engines.cpu.parameter_pointers import point_to_parameters
from bench.engines.cpu.step_buffers import Buffer, ShapedStep, Value, images, lay_out, shaped_steps
from bench.models.dual_bn import Condition


@dataclass
class PlannedUnit:
    """A struct and the buffers that its fields point to. `step`: the step whose weights it uses, if any; `norm`: the
    index of its norm layer in Condition.affine. Weights, scale and shift are set before each run."""

    unit: Unit
    buffers: dict[str, Buffer]
    norm: int | None = None
    shift: bool = True
    step: ShapedStep | None = None


class InferencePlan:
    """Raises Unsupported where the kernels cannot compute a step."""

    def __init__(
        self,
        steps: list[Step],
        head: nn.Linear,
        width: float,
        packed: PackedWeights,
        shape: tuple[int, int, int],
        dtype: torch.dtype,
        capacity: int,
    ):
        self.dtype, self.capacity, self.runs, self.head = dtype, capacity, 0, head
        self.pointed_to: dict[bool, tuple[Condition, list]] = {}  # by direction: a condition, its padded affine
        self.source, self.steps = shaped_steps(steps, shape, width)
        self.features = self.steps[-1].y
        for step in self.steps:
            step.y.buffer.keep = step.relu or step.y is self.features
        self.forward = self.plan_forward()
        self.to_features, self.to_image, self.backward = self.plan_backward()
        self.forward_structs, self.backward_structs = map(self.laid_out, (self.forward, self.backward))
        parts = {False: self.forward, True: self.backward}
        self.weights = {back: PlanWeights(packed, weight_uses(units, back)) for back, units in parts.items()}

    def plan_forward(self) -> list[PlannedUnit]:
        units, fused = [], set()
        for step in self.steps:
            if step not in fused:
                users = [other for other in self.steps if step.y in (other.x, other.residual)]
                norm_step = next((other for other in users if fuses(step, other)), None)
                fused.add(norm_step)
                units += self.forward_units(step, norm_step, used_elsewhere=len(users) > 1)
        return units

    def forward_units(self, step: ShapedStep, norm_step: ShapedStep | None, used_elsewhere: bool) -> list[PlannedUnit]:
        """The units of a step and of the norm that follows it, if that is fused; `used_elsewhere`: whether other steps
        read the value between the two, which is then stored too."""
        last = norm_step or step
        buffers = {"x": step.x.buffer, "y": last.y.buffer}
        if step.residual is not None:
            buffers["before" if norm_step else "after"] = step.residual.buffer
        if norm_step and used_elsewhere:
            buffers["raw"] = step.y.buffer
        parts = convolution.units(step.geometry, False) if step.geometry else [pointwise(step.y.shape)]
        for unit in parts:
            unit.relu = last.relu
        return [PlannedUnit(unit, buffers, norm_index(last), True, step if step.conv else None) for unit in parts]

    def plan_backward(self) -> tuple[Buffer, Buffer, list[PlannedUnit]]:
        """Returns the buffers of the gradients to the features and to the image, and the units between them."""
        units, to_features = [], Buffer(self.features.shape, keep=True)
        pending = {
            self.features: [to_features]
        }  # the terms of a value's gradient: buffers, or (step, gradient of conv)
        for step in reversed(self.steps):
            terms = pending.pop(step.y)
            mask = step.y.buffer if step.relu else None
            before_norm, after_norm = self.sum_terms(units, terms, step.y.shape, mask, norm_index(step), step.residual)
            if step.residual is not None:
                pending.setdefault(step.residual, []).append(before_norm)
            pending.setdefault(step.x, []).append((step, after_norm) if step.conv else after_norm)
        to_image, _ = self.sum_terms(units, pending.pop(self.source), self.source.shape, None, None, None)
        to_image.keep = True
        return to_features, to_image, units

    @staticmethod
    def sum_terms(units, terms, shape, mask, norm, residual) -> tuple[Buffer, Buffer]:
        """Append the units that sum `terms`, the gradient of a step's result, and take it back through the step's ReLU
        and norm. Returns the gradients before (valid only with a residual) and after the norm."""
        buffers = [term for term in terms if isinstance(term, Buffer)]
        convs = [term for term in terms if not isinstance(term, Buffer)]
        convs.sort(key=lambda conv: conv[0].geometry.kernel)  # a shortcut, which reaches few pixels, first

        def append(last: bool, conv=None, following_conv=None) -> Buffer:
            result = Buffer(shape)
            fields = {"y": result}
            if conv is None:
                fields["x"] = buffers.pop(0)
            if buffers:
                fields["before"] = buffers.pop(0)
            scale = None
            if last:
                fields |= {"mask": mask} if mask else {}
                scale = norm
                if norm is not None and residual is not None:
                    fields["raw"] = Buffer(shape)
            if conv is None:
                units.append(PlannedUnit(pointwise(shape), fields, scale, False))
            else:
                step, grad = conv
                parts = convolution.units(step.geometry, True)
                alone = not last and "before" not in fields
                if alone and following_conv and convolution.joins(step.geometry, following_conv[0].geometry):
                    result.shape, parts = (shape[0], *step.geometry.out), [convolution.reached_pixels(step.geometry)]
                elif alone:  # pixels that no tap reaches stay 0 in a buffer that is not reused
                    parts, result.keep = [unit for unit in parts if convolution.has_weights(unit)], True
                for unit in parts:
                    unit.sparse = "before" in fields and fields["before"].shape != shape
                units.extend(PlannedUnit(unit, fields | {"x": grad}, scale, False, step) for unit in parts)
            buffers.insert(0, result)
            return fields.get("raw", result)

        before_norm = buffers[0] if buffers else None
        plain = mask is None and norm is None
        while len(buffers) > (1 if convs or plain else 2):
            before_norm = append(False)
        for conv, following_conv in itertools.zip_longest(convs, convs[1:]):
            before_norm = append(following_conv is None, conv, following_conv)
        if not convs and not plain:
            before_norm = append(True)
        return before_norm, buffers[0]

    def laid_out(self, units: list[PlannedUnit]) -> ctypes.Array:
        lay_out([(planned.unit, planned.buffers) for planned in units], self.capacity, self.dtype)
        structs = (Unit * len(units))(*(planned.unit for planned in units))
        for planned, struct in zip(units, structs, strict=True):
            planned.unit = struct
        return structs

    def point(self, backward: bool, cond: Condition) -> None:
        """Point to the weights of today, and to the scales and shifts of the condition."""
        self.weights[backward].refresh()
        if backward in self.pointed_to and self.pointed_to[backward][0] is cond:
            return
        affine = [(pad_channels(scale), pad_channels(shift)) for scale, shift in cond.affine]
        self.pointed_to[backward] = cond, affine
        row = None if cond.rows is None else cond.rows.data_ptr()
        for planned in self.backward if backward else self.forward:
            if planned.norm is not None:
                (scale, shift), unit = affine[planned.norm], planned.unit
                unit.scale, unit.shift = scale.data_ptr(), shift.data_ptr() if planned.shift else None
                unit.row = row if scale.shape[0] > 1 else None

    def run(self, backward: bool, n: int) -> None:
        """Run a direction on the first n images, after `point`."""
        run_units(library(self.dtype), self.backward_structs if backward else self.forward_structs, n)

    def classifier(self, buffer: Buffer, logits: Tensor) -> Head:
        return classifier(self.head, self.features, buffer, logits)

    def logits(self, x: Tensor, cond: Condition) -> Tensor:
        """(n, classes) fp32."""
        self.runs += 1
        n = x.shape[0]
        images(self.source.buffer, n).copy_(x)
        self.point(False, cond)
        self.run(False, n)
        logits = torch.empty(n, self.head.out_features)
        library(self.dtype).classify(ctypes.byref(self.classifier(self.features.buffer, logits)), LONG(n))
        return logits

    def image_gradient(self, grad: Tensor, cond: Condition) -> Tensor:
        """Gradient (n, classes) of the logits of the last run → (n, C, H, W) fp32 gradient of its images."""
        n, grad = grad.shape[0], grad.float().contiguous()
        library(self.dtype).classify_back(ctypes.byref(self.classifier(self.to_features, grad)), LONG(n))
        self.point(True, cond)
        self.run(True, n)
        return images(self.to_image, n).to(torch.float32, copy=True)  # the next run overwrites the buffer


def weight_uses(units: list[PlannedUnit], backward: bool) -> list[WeightUse]:
    by_step: dict[ShapedStep, list[Unit]] = {}
    for planned in units:
        if planned.step is not None:
            by_step.setdefault(planned.step, []).append(planned.unit)
    return [WeightUse(step.conv, step.geometry, backward, structs) for step, structs in by_step.items()]


def pad_channels(values: Tensor) -> Tensor:
    """(R, C) → (R, C padded with zeros to whole vectors)."""
    padding = padded(values.shape[1]) - values.shape[1]
    return F.pad(values, (0, padding)) if padding else values


def classifier(head: nn.Linear, features: Value, buffer: Buffer, logits: Tensor | None) -> Head:
    """The struct between the features, or the gradient to them, in `buffer` and (n, classes) logits."""
    channels, height, width = buffer.shape
    struct = Head(height * width, channels, head.out_features, head.weight.stride(0), features.channels)
    point_to_parameters(struct, {"weight": head.weight, "bias": head.bias})
    point(struct, {"maps": buffer.tensor, "logits": logits})
    return struct


def fuses(step: ShapedStep, other: ShapedStep) -> bool:
    """Whether `other`, which reads the result of `step`, is a norm that the units of `step` can apply before they store
    it, as where a pre-activation block begins."""
    bare = step.conv is not None and step.norm is None and not step.relu
    return bare and other.x is step.y and other.conv is None and other.norm is not None and other.residual is None


def norm_index(step: ShapedStep) -> int | None:
    return None if step.norm is None else step.norm.index


def pointwise(shape: tuple[int, int, int]) -> Unit:
    channels, height, width = shape
    return Unit(POINTWISE, height, width, channels, height, width, channels)


class InferenceLogits(torch.autograd.Function):
    """x (N, C, H, W) → (N, classes), with a gradient to x alone."""

    @staticmethod
    def forward(ctx, x: Tensor, plan: InferencePlan, cond: Condition) -> Tensor:
        logits = plan.logits(x, cond)
        ctx.plan, ctx.cond, ctx.run, ctx.x = plan, cond, plan.runs, x
        return logits

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        plan = ctx.plan
        if plan.runs != ctx.run:  # another run has overwritten the buffers
            plan.logits(ctx.x, ctx.cond)
            ctx.run = plan.runs
        return plan.image_gradient(grad, ctx.cond), None, None
