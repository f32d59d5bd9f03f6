"""A network in eval mode as two lists of units (unit.h): forward, and backward to the image. Nothing between the
convolutions is left of it: scale, shift, sums and ReLU are what a convolution does to its result before it stores it.

The lists hold for images of one shape, one width and storage type; λ and the weights may change between runs.
"""

import ctypes
import itertools
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from bench.engines.cpu import convolution
from bench.engines.cpu.c_structs import LONG, POINTWISE, Head, Unit, point, run_units
from bench.engines.cpu.compiled_library import library
from bench.engines.cpu.convolution import Weighted
from bench.engines.cpu.lowering import Buffer, Recording, Step, Unsupported, images, lay_out
from bench.engines.cpu.weights import Weights


@dataclass
class Planned:
    """A unit and the buffers that its fields point to; its weights and norm are pointed to before each run."""

    unit: Unit
    buffers: dict[str, Buffer]
    norm: int | None = None  # its place in Condition.affine
    shift: bool = True
    step: Step | None = None  # whose weights, if any


class Tape:
    """Raises Unsupported where the network asks for what the kernels have not."""

    def __init__(self, net: nn.Module, cond, shape: tuple[int, int, int], dtype: torch.dtype, capacity: int):
        self.dtype, self.capacity, self.runs, self.head = dtype, capacity, 0, net.head
        self.pointed = {}  # by direction: the condition
        recorded = Recording(net, cond, shape)
        self.steps, self.source, self.end = recorded.steps, recorded.source, recorded.end
        if any(step.share for step in self.steps):
            raise Unsupported("dropout")
        for step in self.steps:
            step.y.buffer.keep = step.relu or step.y is self.end
        self.forward = self.plan_forward()
        self.grad, self.to_image, self.backward = self.plan_backward()
        self.forward_list, self.backward_list = (self.laid_out(units) for units in (self.forward, self.backward))
        self.weights = {False: self.weights_of(self.forward, False), True: self.weights_of(self.backward, True)}

    def plan_forward(self) -> list[Planned]:
        units, done = [], set()
        for step in self.steps:
            if step not in done:
                others = [other for other in self.steps if step.y in (other.x, other.plus)]
                after = next((other for other in others if follows(step, other)), None)
                done.add(after)
                units += self.forward_units(step, after, kept=len(others) > 1)
        return units

    def forward_units(self, step: Step, after: Step | None, kept: bool) -> list[Planned]:
        """Those of a step, and of the norm `after` it, if any; whether others too take what lies between the two."""
        last = after or step
        buffers = {"x": step.x.buffer, "y": last.y.buffer}
        if step.plus is not None:
            buffers["before" if after else "after"] = step.plus.buffer
        if after and kept:
            buffers["raw"] = step.y.buffer
        parts = convolution.units(step.geometry, False) if step.geometry else [pointwise(step.y.shape)]
        for unit in parts:
            unit.relu = last.relu
        conv = step if step.conv else None
        return [Planned(unit, buffers, index(last), True, conv) for unit in parts]

    def plan_backward(self) -> tuple[Buffer, Buffer, list[Planned]]:
        """The buffers of the gradients to the features and to the image, and the units from the one to the other."""
        units, grad = [], Buffer(self.end.shape, keep=True)
        pending = {self.end: [grad]}  # what adds up to a value's gradient: buffers, or (step, gradient to its conv)
        for step in reversed(self.steps):
            parts = pending.pop(step.y)
            mask = step.y.buffer if step.relu else None
            raw, scaled = self.complete(units, parts, step.y.shape, mask, index(step), step.plus)
            if step.plus is not None:
                pending.setdefault(step.plus, []).append(raw)
            pending.setdefault(step.x, []).append((step, scaled) if step.conv else scaled)
        to_image, _ = self.complete(units, pending.pop(self.source), self.source.shape, None, None, None)
        to_image.keep = True
        return grad, to_image, units

    @staticmethod
    def complete(units, parts, shape, mask, norm, wanted) -> tuple[Buffer, Buffer]:
        """Append the units that add up `parts`, the gradient to a unit's result, and take it back through its ReLU and
        norm. Returns the gradients before (right only where `wanted`) and after the norm."""
        buffers = [part for part in parts if isinstance(part, Buffer)]
        convs = [part for part in parts if not isinstance(part, Buffer)]
        convs.sort(key=lambda conv: conv[0].geometry.kernel)  # a shortcut's, which reaches few pixels, first

        def append(last: bool, conv=None, then=None) -> Buffer:
            made = Buffer(shape)
            found = {"y": made}
            if conv is None:
                found["x"] = buffers.pop(0)
            if buffers:
                found["before"] = buffers.pop(0)
            scale = None
            if last:
                found |= {"mask": mask} if mask else {}
                scale = norm
                if norm is not None and wanted is not None:
                    found["raw"] = Buffer(shape)
            if conv is None:
                units.append(Planned(pointwise(shape), found, scale, False))
            else:
                step, grad = conv
                parts = convolution.units(step.geometry, True)
                alone = not last and "before" not in found
                if alone and then and convolution.joins(step.geometry, then[0].geometry):
                    made.shape, parts = (shape[0], *step.geometry.out), [convolution.reached(step.geometry)]
                elif alone:  # where no tap reaches, a buffer of its own stays at 0
                    parts, made.keep = [unit for unit in parts if convolution.weighted(unit)], True
                for unit in parts:
                    unit.sparse = "before" in found and found["before"].shape != shape
                units.extend(Planned(unit, found | {"x": grad}, scale, False, step) for unit in parts)
            buffers.insert(0, made)
            return found.get("raw", made)

        raw = buffers[0] if buffers else None
        plain = mask is None and norm is None
        while len(buffers) > (1 if convs or plain else 2):
            raw = append(False)
        for conv, then in itertools.zip_longest(convs, convs[1:]):
            raw = append(then is None, conv, then)
        if not convs and not plain:
            raw = append(True)
        return raw, buffers[0]

    def laid_out(self, units: list[Planned]) -> ctypes.Array:
        lay_out([(planned.unit, planned.buffers) for planned in units], self.capacity, self.dtype)
        array = (Unit * len(units))(*(planned.unit for planned in units))
        for planned, unit in zip(units, array, strict=True):
            planned.unit = unit
        return array

    def weights_of(self, units: list[Planned], backward: bool) -> Weights:
        found = {}
        for planned in units:
            if planned.step is not None:
                found.setdefault(planned.step, []).append(planned.unit)
        return Weights([Weighted(step.conv, step.geometry, backward, parts) for step, parts in found.items()])

    def point(self, backward: bool, cond) -> None:
        """To the weights as they are now, and to what the images are conditioned on."""
        self.weights[backward].refresh()
        if self.pointed.get(backward) is cond:
            return
        self.pointed[backward] = cond
        row = None if cond.rows is None else cond.rows.data_ptr()
        for planned in self.backward if backward else self.forward:
            if planned.norm is not None:
                (scale, shift), unit = cond.affine[planned.norm], planned.unit
                unit.scale, unit.shift = scale.data_ptr(), shift.data_ptr() if planned.shift else None
                unit.row = row if scale.shape[0] > 1 else None

    def run(self, backward: bool, n: int) -> None:
        """What `point` has pointed to."""
        run_units(library(self.dtype), self.backward_list if backward else self.forward_list, n)

    def classifier(self, buffer: Buffer, logits: Tensor) -> Head:
        return classifier(self.head, buffer, logits)

    def logits_of(self, x: Tensor, cond) -> Tensor:
        """(n, classes) fp32."""
        self.runs += 1
        n = x.shape[0]
        images(self.source.buffer, n).copy_(x)
        self.point(False, cond)
        self.run(False, n)
        logits = torch.empty(n, self.head.out_features)
        library(self.dtype).classify(ctypes.byref(self.classifier(self.end.buffer, logits)), LONG(n))
        return logits

    def gradient_of(self, grad: Tensor, cond) -> Tensor:
        """(n, C, H, W) fp32 to the images of the last run, from the gradient (n, classes) to their logits."""
        n, grad = grad.shape[0], grad.float().contiguous()
        library(self.dtype).classify_back(ctypes.byref(self.classifier(self.grad, grad)), LONG(n))
        self.point(True, cond)
        self.run(True, n)
        return images(self.to_image, n).to(torch.float32, copy=True)  # the next run takes the buffer


def classifier(head: nn.Linear, buffer: Buffer, logits: Tensor) -> Head:
    """Between features' maps, or the gradient to them, and logits (N, classes)."""
    channels, height, width = buffer.shape
    found = Head(height * width, channels, head.out_features, head.weight.stride(0))
    point(found, {"weight": head.weight, "bias": head.bias, "maps": buffer.tensor, "logits": logits})
    return found


def follows(step: Step, other: Step) -> bool:
    """Whether `other`, which takes what `step` makes, is a norm that the step's own units can do before they store it,
    as where a block begins with its norm."""
    bare = step.conv is not None and step.norm is None and not step.relu
    return bare and other.x is step.y and other.conv is None and other.norm is not None and other.plus is None


def index(step: Step) -> int | None:
    """The place of a step's norm in Condition.affine."""
    return None if step.norm is None else step.norm.index


def pointwise(shape: tuple[int, int, int]) -> Unit:
    channels, height, width = shape
    return Unit(POINTWISE, height, width, channels, height, width, channels)


class Logits(torch.autograd.Function):
    """x (N, C, H, W) → (N, classes), with a gradient to x alone."""

    @staticmethod
    def forward(ctx, x: Tensor, tape: Tape, cond) -> Tensor:
        found = tape.logits_of(x, cond)
        ctx.tape, ctx.cond, ctx.run, ctx.x = tape, cond, tape.runs, x
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        tape = ctx.tape
        if tape.runs != ctx.run:  # another pass has used the buffers since
            tape.logits_of(ctx.x, ctx.cond)
            ctx.run = tape.runs
        return tape.gradient_of(grad, ctx.cond), None, None


class Lists(dict):
    """A network's tapes and training passes; a copy of the network makes its own."""

    def __deepcopy__(self, _) -> "Lists":
        return Lists()

    def __reduce__(self):
        return Lists, ()
