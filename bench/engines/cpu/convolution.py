"""Describe a convolution to the C kernels (csrc): which algorithm computes it, on which pixels and by which taps.

A convolution is one struct of csrc/fused_conv.h, or several where im2col treats classes of pixels apart. Directions:
forward; backward, to the gradient of the input; and to the gradient of the weight.
"""

import ctypes
import functools
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bench.engines.cpu.c_structs import GATHER, LONG, STRIDED, WINOGRAD, Gradient, Unit
from bench.engines.cpu.compiled_library import lanes, library


@dataclass(frozen=True)
class Geometry:
    """A square convolution with padding kernel // 2 on images (inputs, height, width). Where channels are padded with
    zeros, `used` are the (outputs, inputs) of the weight."""

    inputs: int
    outputs: int
    kernel: int
    stride: int
    height: int
    width: int
    used: tuple[int, int] | None = None

    def algorithm(self, backward: bool = False) -> int:
        """WINOGRAD or STRIDED for 3×3 kernels, GATHER (im2col) for all others, for channels that are no whole vectors,
        and where most of a tile of 4×4 output pixels would lie outside of the image."""
        if self.kernel != 3 or not (backward and self.stride == 1 or self.inputs % lanes() == 0):
            return GATHER
        if self.stride == 1:
            return WINOGRAD if max(self.height, self.width) > 2 else GATHER
        (height, width), tiles = self.out, -(-self.out[0] // 4) * -(-self.out[1] // 4)
        return STRIDED if self.stride == 2 and 81 * tiles < 0.8 * 9 * height * width else GATHER

    @property
    def out(self) -> tuple[int, int]:
        """Height and width of the output."""
        return -(-self.height // self.stride), -(-self.width // self.stride)


def supported(conv: nn.Conv2d, inputs: int, outputs: int) -> bool:
    square = conv.kernel_size[0] == conv.kernel_size[1] and conv.stride[0] == conv.stride[1]
    padded = conv.padding == (conv.kernel_size[0] // 2,) * 2
    plain = conv.dilation == (1, 1) and conv.groups == 1 and conv.bias is None
    whole_vectors = outputs % lanes() == 0 and (inputs % lanes() == 0 or inputs < lanes())
    return square and padded and plain and whole_vectors


@dataclass(frozen=True)
class Taps:
    """The kernel elements (`indices`) that an im2col struct uses, in runs of neighbouring pixels of one row.

    A run starts `down`, `right` of a pixel of the grid and has `length` pixels. `grid`: rows and columns of the output
    pixels; `first`: the first of these pixels.
    """

    indices: ctypes.Array
    down: ctypes.Array
    right: ctypes.Array
    length: ctypes.Array
    grid: tuple[int, int]
    first: tuple[int, int] = (0, 0)


@functools.cache
def taps(geometry: Geometry, backward: bool) -> list[Taps]:
    """The taps of each im2col struct. Backward: one for each class of input pixels (row and column mod stride). In an
    image of at most 2×2 pixels each pixel is a class, without the taps that reach beyond the image."""
    if geometry.kernel == 3 and geometry.stride == 1 and max(geometry.height, geometry.width) <= 2:
        return taps_by_pixel(geometry, backward)
    if not backward:
        return [whole_taps(geometry)]
    pad, stride, places = geometry.kernel // 2, geometry.stride, range(geometry.kernel)
    classes = []
    for top in range(min(stride, geometry.height)):
        for left in range(min(stride, geometry.width)):
            offsets = [
                ((top + pad - i) // stride, (left + pad - j) // stride, i * geometry.kernel + j)
                for i in places
                for j in places
                if (top + pad - i) % stride == 0 and (left + pad - j) % stride == 0
            ]
            grid = -(-(geometry.height - top) // stride), -(-(geometry.width - left) // stride)
            classes.append(taps_of(offsets, grid, (top, left)))
    return classes


@functools.cache
def whole_taps(geometry: Geometry) -> Taps:
    """All taps of the kernel, for all output pixels."""
    pad, places = geometry.kernel // 2, range(geometry.kernel)
    offsets = [(i - pad, j - pad, i * geometry.kernel + j) for i in places for j in places]
    return taps_of(offsets, geometry.out)


def taps_by_pixel(geometry: Geometry, backward: bool) -> list[Taps]:
    rows, columns, sign = range(geometry.height), range(geometry.width), -1 if backward else 1
    return [
        taps_of(
            [(i, j, (1 + sign * (i - top)) * 3 + 1 + sign * (j - left)) for i in rows for j in columns],
            (1, 1),
            (top, left),
        )
        for top in rows
        for left in columns
    ]


def taps_of(offsets: list[tuple[int, int, int]], grid: tuple[int, int], first: tuple[int, int] = (0, 0)) -> Taps:
    """Join the taps, (down, right, kernel index) each, into runs."""
    runs = []
    for down, right, _ in sorted(offsets):
        if runs and (down, right) == (runs[-1][0], runs[-1][1] + runs[-1][2]):
            runs[-1][2] += 1
        else:
            runs.append([down, right, 1])
    columns = [[index for _, _, index in sorted(offsets)], *([run[i] for run in runs] for i in range(3))]
    return Taps(*((LONG * len(column))(*column) for column in columns), grid, first)


def units(geometry: Geometry, backward: bool) -> list[Unit]:
    """Make the structs of a direction, with no pointers set: one, or one for each class of pixels."""
    source, target = (geometry.height, geometry.width, geometry.inputs), (*geometry.out, geometry.outputs)
    if backward:
        source, target = target, source
    if geometry.algorithm(backward) != GATHER:
        return [Unit(geometry.algorithm(backward), *source, *target)]
    steps = (geometry.stride, 1) if backward else (1, geometry.stride)
    return [with_taps(Unit(GATHER, *source, *target), part, *steps) for part in taps(geometry, backward)]


def joins(shortcut: Geometry, other: Geometry) -> bool:
    """Whether the input gradient of a strided 1×1 convolution, which reaches one pixel in four, can be added while that
    of `other` is computed."""
    return (shortcut.kernel, shortcut.stride) == (1, 2) and other.algorithm(True) == STRIDED


def reached_pixels(geometry: Geometry) -> Unit:
    """The input gradient of a strided 1×1 convolution at the pixels that it reaches alone."""
    (height, width), channels = geometry.out, (geometry.outputs, geometry.inputs)
    unit = Unit(GATHER, height, width, channels[0], height, width, channels[1])
    return with_taps(unit, taps(geometry, True)[0], 1, 1)


def has_weights(unit: Unit) -> bool:
    """Whether any tap reaches the pixels of this struct."""
    return unit.kind != GATHER or unit.taps > 0


def with_taps(unit: Unit, taps: Taps, out_step: int, in_step: int) -> Unit:
    unit.taps, unit.out_step, unit.in_step = len(taps.indices), out_step, in_step
    (unit.grid_height, unit.grid_width), (unit.out_i, unit.out_j) = taps.grid, taps.first
    unit.runs = len(taps.length)
    unit.down, unit.right, unit.length = map(ctypes.addressof, (taps.down, taps.right, taps.length))
    return unit


def weight_gradient_unit(geometry: Geometry) -> Unit:
    """The struct that relates input and output pixels for the weight gradient (csrc/weight_grad.h)."""
    unit = Unit(GATHER, geometry.height, geometry.width, geometry.inputs, *geometry.out, geometry.outputs)
    return unit if tile_stride(geometry) else with_taps(unit, whole_taps(geometry), 1, geometry.stride)


def tile_stride(geometry: Geometry) -> int:
    """The stride where the weight gradient is summed in Winograd's domain, 0 where it is summed over im2col rows."""
    whole = geometry.kernel == 3 and geometry.inputs % lanes() == 0
    return geometry.stride if whole and (geometry.stride == 1 or geometry.algorithm() != GATHER) else 0


def weight_gradient_scratch(geometry: Geometry, unit: Unit, images: int) -> int:
    """Number of floats that the sums of at most `images` images need."""
    stride = LONG(tile_stride(geometry))
    return library(torch.float32).room_to_weights(ctypes.byref(unit), stride, LONG(images))


def weight_gradient_call(geometry: Geometry, unit: Unit, scratch: Tensor) -> Gradient:
    return Gradient(ctypes.addressof(unit), None, tile_stride(geometry), scratch.data_ptr())
