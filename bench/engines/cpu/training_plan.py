"""A network in training mode as two lists of calls (units.c): forward, and backward to all its parameters.

The lists hold for images of one shape, one width and storage type; λ, branches and weights may change between passes.
A `Pass` has the buffers of one pass: it is taken when that begins, and free again after its way back.
"""

import ctypes
import weakref
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from bench.engines.cpu import c_structs, convolution
from bench.engines.cpu.c_structs import LONG, Call, Norm, point, run_calls
from bench.engines.cpu.compiled_library import library
from bench.engines.cpu.convolution import Weighted
from bench.engines.cpu.film_plan import Films
from bench.engines.cpu.gradient_slots import Slot, Slots
from bench.engines.cpu.inference_plan import classifier, pointwise
from bench.engines.cpu.lowering import Buffer, Recording, Step, Unsupported, images, lay_out
from bench.engines.cpu.weights import Weights


@dataclass
class Placed:
    """A call, and the structure whose fields point to these buffers: its own, or the unit that it speaks of."""

    kind: int
    what: ctypes.Structure
    buffers: dict[str, Buffer]
    unit: ctypes.Structure | None = None


class Pass:
    """Raises Unsupported where the network asks for what the kernels have not."""

    def __init__(self, net: nn.Module, cond, shape: tuple[int, int, int], dtype: torch.dtype, capacity: int):
        recorded = Recording(net, cond, shape)
        self.steps, self.source, self.end = recorded.steps, recorded.source, recorded.end
        self.dtype, self.capacity, self.width = dtype, capacity, cond.width
        self.taker, self.weights = lambda: None, Weights([])
        self.room = []  # what structures point to besides buffers
        self.grad = Buffer(self.end.shape, keep=True)
        self.known, self.counted = {}, {}  # by whether there are no λ=0 and no others
        self.norms = {step: self.norm_of(step) for step in self.steps if step.norm is not None}
        self.gradients = self.gradients_of([step for step in self.steps if step.conv is not None])
        self.before = {step: Buffer(step.y.shape, keep=True) for step in self.norms if step.conv is not None}
        for step in self.steps:
            step.y.buffer.keep = True
        self.forward = self.laid_out([placed for step in self.steps for placed in self.forward_calls(step)])
        self.backward = self.laid_out(self.backward_calls())
        self.net_head, self.films = net.head, Films([step.norm for step in self.norms], cond.width)
        self.means = torch.empty(capacity * self.end.shape[0])
        self.head, self.head_back = (classifier(net.head, buffer, None) for buffer in (self.end.buffer, self.grad))
        self.head.means = self.head_back.means = self.means.data_ptr()
        self.slots = Slots()
        self.parts = {step: self.parts_of(step) for step in self.steps}
        self.film_parts = [
            self.perceptron_parts(*pair) for pair in zip(self.films.array, self.films.weights, strict=True)
        ]
        shape = (self.head.classes, self.head.channels)
        self.head_parts = [
            self.slots.add(self.head_back, "to_weight", shape),
            self.slots.add(self.head_back, "to_bias", shape[:1]),
        ]

    def norm_of(self, step: Step) -> Norm:
        if not step.norm.alone:
            raise Unsupported("another kind of norm")
        channels, height, width = step.y.shape
        room = {"mean": torch.empty(2, channels), "inverse": torch.empty(2, channels)}
        room |= {"sums": torch.empty(2 * self.capacity * channels)}
        self.room.append(room)
        found = Norm(0, height * width, channels)
        found.relu = step.relu
        c_structs.drop(found, step.share)
        point(found, room)
        for branch, bn in step.norm.pair(self.width).items():
            found.momentum, found.eps = bn.momentum, bn.eps
            given = {"weight": bn.weight, "bias": bn.bias}
            given |= {"running_mean": bn.running_mean, "running_var": bn.running_var}
            point(found, {f"{name}_{branch}": value for name, value in given.items()})
        return found

    def gradients_of(self, steps: list[Step]) -> dict[Step, tuple[c_structs.Gradient, c_structs.Unit]]:
        """The ways to the weights of all convolutions, which share their room."""
        units = {step: convolution.unit_to_weights(step.geometry) for step in steps}
        floats = [convolution.room_to_weights(step.geometry, unit, self.capacity) for step, unit in units.items()]
        room = torch.empty(max(floats))
        self.room.append(room)
        return {step: (convolution.to_weights(step.geometry, unit, room), unit) for step, unit in units.items()}

    def forward_calls(self, step: Step) -> list[Placed]:
        found, x, y = [], step.x.buffer, self.before.get(step, step.y.buffer)
        plus = step.plus.buffer if step.plus else None
        if step.norm is None or step.conv is not None:
            parts = convolution.units(step.geometry, False) if step.geometry else [pointwise(step.y.shape)]
            buffers = {"x": x, "y": y} | ({"after": plus} if plus and step.norm is None else {})
            found += [Placed(c_structs.UNIT, unit, buffers) for unit in parts]
            if step.conv is not None:
                self.weights.taken.append(Weighted(step.conv, step.geometry, False, parts))
            x = y
        if step.norm is not None:
            buffers = {"x": x, "y": step.y.buffer} | ({"plus": plus} if plus else {})
            found.append(Placed(c_structs.NORM_FORWARD, self.norms[step], buffers))
        return found

    def backward_calls(self) -> list[Placed]:
        found, pending = [], {self.end: [self.grad]}  # pending: the buffers that add up to a value's gradient
        for step in reversed(self.steps):
            grad = added(found, pending.pop(step.y), step.y.shape)
            to_plus, made = grad, Buffer(step.y.shape)
            if step.norm is not None:
                found.append(Placed(c_structs.NORM_BACKWARD, self.norms[step], {"grad": grad, "to_x": made}))
                if step.plus is not None and step.relu:
                    to_plus = found[-1].buffers["to_plus"] = Buffer(step.y.shape)
                grad = made
            elif step.relu:
                raise Unsupported("ReLU without a norm")
            if step.plus is not None:
                pending.setdefault(step.plus, []).append(to_plus)
            others = pending.setdefault(step.x, [])
            if step.conv is None:
                others.append(grad)
                continue
            call, unit = self.gradients[step]
            found.append(Placed(c_structs.TO_WEIGHTS, call, {"x": step.x.buffer, "y": grad}, unit))
            if step.x is not self.source:
                buffers = {"x": grad, "y": Buffer(step.x.shape)} | ({"before": others.pop()} if others else {})
                parts = convolution.units(step.geometry, True)
                if "before" in buffers and not any(buffers["before"] in waiting for waiting in pending.values()):
                    buffers["y"] = buffers["before"]  # in place: so pixels that no tap reaches are right already
                    parts = [unit for unit in parts if convolution.weighted(unit)]
                found += [Placed(c_structs.UNIT, unit, buffers) for unit in parts]
                self.weights.taken.append(Weighted(step.conv, step.geometry, True, parts))
                others.append(buffers["y"])
        return found

    def laid_out(self, placed: list[Placed]) -> ctypes.Array:
        lay_out([(one.unit or one.what, one.buffers) for one in placed], self.capacity, self.dtype)
        self.room.append(placed)
        return (Call * len(placed))(*(Call(one.kind, ctypes.addressof(one.what)) for one in placed))

    def parts_of(self, step: Step) -> dict[str, Slot]:
        """Of the gradients to a convolution's and a norm's parameters; both branches' are next to one another."""
        found, channels = {}, step.y.shape[0]
        if step.conv is not None:
            g = step.geometry
            found["conv"] = self.slots.add(self.gradients[step][0], "found", (g.outputs, g.inputs, g.kernel, g.kernel))
        if step.norm is not None:
            for name in ("weight", "bias"):
                pair = self.slots.add(self.norms[step], f"to_{name}", (2, channels))
                found |= {f"{name}_{branch}": pair.row(i) for i, branch in enumerate("ca")}
        return found

    def perceptron_parts(self, one: c_structs.Perceptron, weights: tuple[Tensor, ...]) -> list[Slot]:
        names = "to_first", "to_first_bias", "to_second", "to_second_bias"
        return [self.slots.add(one, name, weight.shape) for name, weight in zip(names, weights, strict=True)]

    def begin(self, cond, n: int) -> None:
        """Weights as they are now, the branches and λ of a pass over n images, and draws of what it drops."""
        self.weights.refresh()
        places = self.films.forward(cond.code) if self.films.norms else None
        self.row = cond.row_of_each(n)
        row = self.row.data_ptr()
        for step, norm in self.norms.items():
            norm.images, norm.row = n, row
            norm.zeros = cond.zeros if step.norm.bn_c is not None else 0
            if step.share:
                norm.key = c_structs.draw()
            if places and (place := places.get(step.norm.index)):
                norm.rows, norm.gamma, norm.beta = self.films.rows, place.gamma, place.beta
                norm.to_gamma, norm.to_beta = place.to_gamma, place.to_beta
        torch._foreach_add_(self.counters(cond, n), 1)

    def counters(self, cond, n: int) -> list[Tensor]:
        """Those of the BNs that n images go through."""
        branches = cond.zeros == 0, cond.zeros == n
        if branches not in self.counted:
            used = [step.norm.branches(cond, n).values() for step in self.norms]
            self.counted[branches] = [bn.num_batches_tracked for bns in used for bn in bns]
        return self.counted[branches]

    def trained(self, cond, n: int) -> list[tuple[Tensor, Slot]]:
        """What gets a gradient, and where that will be."""
        found = []
        for step in self.steps:
            parts = self.parts[step]
            if step.conv is not None:
                found.append((step.conv.part(cond.width, step.geometry.inputs), parts["conv"]))
            if step.norm is not None:
                for branch, bn in step.norm.branches(cond, n).items():
                    found += [(bn.weight, parts[f"weight_{branch}"]), (bn.bias, parts[f"bias_{branch}"])]
        for mlp, parts in zip(self.films.mlps, self.film_parts, strict=True):
            found += zip(mlp.weights(cond.width), parts, strict=True)
        head = self.net_head
        return found + list(zip((head.part(self.end.shape[0]), head.bias), self.head_parts, strict=True))

    def parameters(self, cond, n: int) -> list[Tensor]:
        """What gets a gradient, in the order in which `way_back` gives them."""
        branches = cond.zeros == 0, cond.zeros == n
        if branches not in self.known or self.width != 1:  # a sub-network's are slices, made anew for each graph
            self.known[branches] = tuple(zip(*self.trained(cond, n), strict=True))
        parameters, self.wanted = self.known[branches]
        self.versions = [parameter._version for parameter in parameters]
        self.given = parameters
        return parameters

    def way_there(self, x: Tensor, cond) -> Tensor:
        """(n, classes) logits."""
        n, lib = x.shape[0], library(self.dtype)
        images(self.source.buffer, n).copy_(x)
        self.begin(cond, n)
        run_calls(lib, self.forward, n)
        logits = torch.empty(n, self.head.classes)
        self.head.logits = logits.data_ptr()
        c_structs.call("classifier", lib.classify, ctypes.byref(self.head), LONG(n))
        return logits

    def way_back(self, grad: Tensor) -> list[Tensor]:
        """From the gradient (n, classes) to the logits to those of `parameters`."""
        if [parameter._version for parameter in self.given] != self.versions:
            raise RuntimeError("a parameter has been modified by an inplace operation since its pass")
        n, lib, found = grad.shape[0], library(self.dtype), self.slots.point()
        grad = grad.float().contiguous()
        head = ctypes.byref(self.head_back)
        self.head_back.logits = grad.data_ptr()
        c_structs.call("classifier", lib.classify_to_weights, head, LONG(n))
        c_structs.call("classifier", lib.classify_back, head, LONG(n))
        run_calls(lib, self.backward, n)
        if self.films.norms:
            self.films.backward()
        return [slot.of(found) for slot in self.wanted]


def added(found: list[Placed], buffers: list[Buffer], shape: tuple[int, int, int]) -> Buffer:
    """Their sum, by calls appended to `found` where they are several."""
    total, *others = buffers
    for other in others:
        made = Buffer(shape)
        found.append(Placed(c_structs.UNIT, pointwise(shape), {"x": total, "before": other, "y": made}))
        total = made
    return total


class Taker:
    """Lives as long as a pass may still be asked for its way back."""


class TrainingLogits(torch.autograd.Function):
    """x (N, C, H, W) → (N, classes), with gradients to the network's parameters."""

    @staticmethod
    def forward(ctx, x: Tensor, taken: Pass, cond, keep: bool, *_: Tensor) -> Tensor:
        ctx.taken, ctx.taker = taken, Taker() if keep else None
        taken.taker = weakref.ref(ctx.taker) if keep else lambda: None
        return taken.way_there(x, cond)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        taken = ctx.taken
        if taken.taker() is not ctx.taker:
            raise RuntimeError("a training pass's way back was asked for twice: its buffers may serve another by now")
        taken.taker = lambda: None
        return None, None, None, None, *taken.way_back(grad)
