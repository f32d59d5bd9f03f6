"""A convolution as units (unit.h): which kernel does it, its weights in panels, and training's autograd function."""

import ctypes
import functools
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from bench.engines.cpu.c_structs import GATHER, LONG, POINTER, STRIDED, WINOGRAD, Gradient, Unit, images_last, stored
from bench.engines.cpu.compiled_library import lanes, library


@dataclass(frozen=True)
class Shape:
    """A square convolution's geometry with padding kernel // 2, and the sizes of its input."""

    inputs: int
    outputs: int
    kernel: int
    stride: int
    height: int
    width: int

    def kind(self, backward: bool = False) -> int:
        """Which of unit.h's kinds is the way to the output, or back to the input. Winograd's tiles have 4×4 pixels of
        the output: where most would lie outside, and where channels are not whole vectors, rows are gathered."""
        if self.kernel != 3 or not (backward and self.stride == 1 or self.inputs % lanes() == 0):
            return GATHER
        if self.stride == 1:
            return WINOGRAD if max(self.height, self.width) > 2 else GATHER
        (height, width), tiles = self.out, -(-self.out[0] // 4) * -(-self.out[1] // 4)
        return STRIDED if self.stride == 2 and 81 * tiles < 0.8 * 9 * height * width else GATHER

    @property
    def out(self) -> tuple[int, int]:
        return -(-self.height // self.stride), -(-self.width // self.stride)


def shape_of(conv: nn.Conv2d, channels: int, height: int, width: int, outputs: int) -> Shape:
    """Of a convolution of images (channels, height, width). `outputs`: as many as a sub-network uses."""
    return Shape(channels, outputs, conv.kernel_size[0], conv.stride[0], height, width)


def supported(conv: nn.Conv2d, inputs: int, outputs: int) -> bool:
    square = conv.kernel_size[0] == conv.kernel_size[1] and conv.stride[0] == conv.stride[1]
    padded = conv.padding == (conv.kernel_size[0] // 2,) * 2
    plain = conv.dilation == (1, 1) and conv.groups == 1 and conv.bias is None
    whole = outputs % lanes() == 0 and (inputs % lanes() == 0 or inputs < lanes())
    return square and padded and plain and whole


@dataclass(frozen=True)
class Taps:
    """Which of a kernel's places a gathering unit uses, in runs of neighbours: where a run lies from a grid's pixel."""

    which: ctypes.Array
    down: ctypes.Array
    right: ctypes.Array
    length: ctypes.Array
    grid: tuple[int, int]
    first: tuple[int, int] = (0, 0)


@functools.cache
def taps(shape: Shape, backward: bool) -> list[Taps]:
    """Those of each gathering unit: on the way back one for each class of the input's pixels, (row mod stride, column
    mod stride). In an image of few pixels each is a class of its own, without the taps that reach beyond the image."""
    if shape.kernel == 3 and shape.stride == 1 and max(shape.height, shape.width) <= 2:
        return taps_by_pixel(shape, backward)
    if not backward:
        return [whole_taps(shape)]
    pad, stride, places = shape.kernel // 2, shape.stride, range(shape.kernel)
    found = []
    for top in range(min(stride, shape.height)):
        for left in range(min(stride, shape.width)):
            reach = [
                ((top + pad - i) // stride, (left + pad - j) // stride, i * shape.kernel + j)
                for i in places
                for j in places
                if (top + pad - i) % stride == 0 and (left + pad - j) % stride == 0
            ]
            grid = -(-(shape.height - top) // stride), -(-(shape.width - left) // stride)
            found.append(taps_of(reach, grid, (top, left)))
    return found


@functools.cache
def whole_taps(shape: Shape) -> Taps:
    """All of the kernel's, for the output."""
    pad, places = shape.kernel // 2, range(shape.kernel)
    return taps_of([(i - pad, j - pad, i * shape.kernel + j) for i in places for j in places], shape.out)


def taps_by_pixel(shape: Shape, backward: bool) -> list[Taps]:
    rows, columns, way = range(shape.height), range(shape.width), -1 if backward else 1
    return [
        taps_of(
            [(i, j, (1 + way * (i - top)) * 3 + 1 + way * (j - left)) for i in rows for j in columns],
            (1, 1),
            (top, left),
        )
        for top in rows
        for left in columns
    ]


def taps_of(reach: list[tuple[int, int, int]], grid: tuple[int, int], first: tuple[int, int] = (0, 0)) -> Taps:
    """From (down, right, which) of each tap."""
    runs = []
    for down, right, _ in sorted(reach):
        if runs and (down, right) == (runs[-1][0], runs[-1][1] + runs[-1][2]):
            runs[-1][2] += 1
        else:
            runs.append([down, right, 1])
    columns = [[which for _, _, which in sorted(reach)], *([run[i] for run in runs] for i in range(3))]
    return Taps(*((LONG * len(column))(*column) for column in columns), grid, first)


def units(shape: Shape, backward: bool) -> list[Unit]:
    """From the input to the output, or from the gradient to the output to that to the input; pointing to nothing yet.
    One, or one for each class of pixels."""
    sides = (shape.height, shape.width, shape.inputs), (*shape.out, shape.outputs)
    if backward:
        sides = sides[::-1]
    if shape.kind(backward) != GATHER:
        return [Unit(shape.kind(backward), *sides[0], *sides[1])]
    steps = (shape.stride, 1) if backward else (1, shape.stride)
    return [gathering(Unit(GATHER, *sides[0], *sides[1]), one, *steps) for one in taps(shape, backward)]


def joins(shortcut: Shape, other: Shape) -> bool:
    """Whether the way back of a strided 1×1 convolution, which reaches few pixels, can be added on that of `other`."""
    return (shortcut.kernel, shortcut.stride) == (1, 2) and other.kind(True) == STRIDED


def reached(shape: Shape) -> Unit:
    """The way back of such a one, to the pixels that it reaches alone."""
    (height, width), sides = shape.out, (shape.outputs, shape.inputs)
    unit = Unit(GATHER, height, width, sides[0], height, width, sides[1])
    return gathering(unit, taps(shape, True)[0], 1, 1)


def weighted(unit: Unit) -> bool:
    """Whether it has weights: no tap reaches some classes of pixels."""
    return unit.kind != GATHER or unit.taps > 0


def gathering(unit: Unit, taps: Taps, out_step: int, in_step: int) -> Unit:
    unit.taps, unit.out_step, unit.in_step = len(taps.which), out_step, in_step
    (unit.grid_height, unit.grid_width), (unit.out_i, unit.out_j) = taps.grid, taps.first
    unit.runs = len(taps.length)
    unit.down, unit.right, unit.length = map(ctypes.addressof, (taps.down, taps.right, taps.length))
    return unit


def panels(weight: nn.Parameter, shape: Shape, backward: bool) -> list[Tensor]:
    """A weight as the units take it, one tensor for each; kept with the parameter, filled anew where they are when that
    changes."""
    kept = weight.__dict__.setdefault("panels", {})
    key, now = (shape, backward), state(weight)
    found = kept.get(key)
    if found is None or found[0] != now:
        room = found[1] if found else room_for(shape, backward)
        slim = weight.detach()[: shape.outputs, : shape.inputs].contiguous(memory_format=torch.channels_last)
        fill(room, slim.float(), shape, backward)
        kept[key] = found = (now, room)
    return found[1]


@dataclass
class Weighted:
    """Units that take a convolution's weights, forward or on the way back."""

    conv: nn.Conv2d
    shape: Shape
    backward: bool
    units: list[Unit]
    parts: list[Tensor] | None = None

    def refresh(self) -> None:
        """Give them the weights as they are now."""
        parts = panels(self.conv.weight, self.shape, self.backward)
        if parts is not self.parts:
            self.parts, taking = parts, filter(weighted, self.units)
            for unit, part in zip(taking, (part for part in parts if len(part)), strict=True):
                unit.weights = part.data_ptr()


def state(weight: nn.Parameter) -> tuple[int, int]:
    """What changes when a weight does."""
    return weight.data_ptr(), weight._version


def room_for(shape: Shape, backward: bool) -> list[Tensor]:
    depth, columns = (shape.outputs, shape.inputs) if backward else (shape.inputs, shape.outputs)
    columns = -(-columns // lanes()) * lanes()
    if shape.kind(backward) != GATHER:
        return [torch.empty(36 * depth * columns)]
    return [torch.empty(len(one.which) * depth * columns) for one in taps(shape, backward)]


def fill(room: list[Tensor], weight: Tensor, shape: Shape, backward: bool) -> None:
    lib, sides = library(torch.float32), (LONG(shape.outputs), LONG(shape.inputs))
    w = POINTER(weight.data_ptr())
    if shape.kind(backward) != GATHER:
        lib.winograd_weights(w, POINTER(room[0].data_ptr()), *sides, LONG(shape.stride), LONG(backward))
        return
    for one, part in zip(taps(shape, backward), room, strict=True):
        count, kernel = LONG(len(one.which)), LONG(shape.kernel**2)
        lib.gather_weights(w, POINTER(part.data_ptr()), *sides, kernel, one.which, count, LONG(backward))


def convolve(x: Tensor, shape: Shape, weight: nn.Parameter, backward: bool = False) -> Tensor:
    """(N, outputs, H', W') of images x as they are stored; or, from a gradient x to those, that to the input."""
    size = (shape.inputs, shape.height, shape.width) if backward else (shape.outputs, *shape.out)
    y = torch.empty((x.shape[0], *size), dtype=x.dtype, memory_format=torch.channels_last)
    parts = units(shape, backward)
    for unit, part in zip(parts, panels(weight, shape, backward), strict=True):
        unit.x, unit.y, unit.weights = x.data_ptr(), y.data_ptr(), part.data_ptr()
    library(x.dtype).run((Unit * len(parts))(*parts), LONG(len(parts)), LONG(x.shape[0]))
    return y


class Convolution(torch.autograd.Function):
    """x (N, C, H, W), a weight as far as a sub-network uses it, its parameter → (N, outputs, H', W')."""

    @staticmethod
    def forward(ctx, x: Tensor, used: Tensor, weight: nn.Parameter, stride: int) -> Tensor:
        x = images_last(x, stored(x))
        ctx.shape = Shape(x.shape[1], used.shape[0], used.shape[2], stride, *x.shape[2:])
        ctx.weight = weight
        ctx.save_for_backward(x)
        return convolve(x, ctx.shape, weight)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        (x,), grad = ctx.saved_tensors, images_last(grad, ctx.saved_tensors[0].dtype)
        to_x = convolve(grad, ctx.shape, ctx.weight, backward=True) if ctx.needs_input_grad[0] else None
        return to_x, gradient(x, grad, ctx.shape) if ctx.needs_input_grad[1] else None, None, None


def gradient(x: Tensor, grad: Tensor, shape: Shape) -> Tensor:
    """(outputs, inputs, kernel, kernel) fp32 to the weights, from the input and the gradient to the output."""
    found, unit = weights_like(shape), unit_to_weights(shape)
    room = torch.empty(room_to_weights(shape, unit, x.shape[0]))
    unit.x, unit.y = x.data_ptr(), grad.data_ptr()
    call = to_weights(shape, unit, room)
    call.found = found.data_ptr()
    library(x.dtype).to_weights(ctypes.byref(call), LONG(x.shape[0]))
    return found


def weights_like(shape: Shape) -> Tensor:
    """Without values."""
    sizes = (shape.outputs, shape.inputs, shape.kernel, shape.kernel)
    return torch.empty(sizes, memory_format=torch.channels_last)


def unit_to_weights(shape: Shape) -> Unit:
    unit = Unit(GATHER, shape.height, shape.width, shape.inputs, *shape.out, shape.outputs)
    return unit if by_tiles(shape) else gathering(unit, whole_taps(shape), 1, shape.stride)


def by_tiles(shape: Shape) -> int:
    """Its stride where the sums are made in Winograd's domain or strided.h's, 0 where rows are gathered."""
    whole = shape.kernel == 3 and shape.inputs % lanes() == 0
    return shape.stride if whole and (shape.stride == 1 or shape.kind() != GATHER) else 0


def room_to_weights(shape: Shape, unit: Unit, images: int) -> int:
    """Floats for the sums of so many images, or fewer."""
    return library(torch.float32).room_to_weights(ctypes.byref(unit), LONG(by_tiles(shape)), LONG(images))


def to_weights(shape: Shape, unit: Unit, room: Tensor) -> Gradient:
    return Gradient(ctypes.addressof(unit), None, by_tiles(shape), room.data_ptr())
