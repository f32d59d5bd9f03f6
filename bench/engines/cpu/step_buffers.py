"""The steps of a network for images of one shape, and the memory in which their values lie."""

import ctypes
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from bench.engines.cpu import convolution
from bench.engines.cpu.compiled_library import lanes, padded
from bench.engines.cpu.lowering import INPUT, Step, Unsupported
from bench.models.dual_bn import ConditionalNorm
from bench.models.slimmable import SlimConv2d, slim


@dataclass(eq=False)
class Buffer:
    """Memory for a value or its gradient, initially 0. `keep`: no other value may reuse the memory."""

    shape: tuple[int, int, int]
    keep: bool = False
    tensor: Tensor | None = None


@dataclass(eq=False)
class Value:
    """Images that one step writes and others read. `shape`: channels, height and width in memory, where all channels
    beyond the first `channels` are 0."""

    channels: int
    shape: tuple[int, int, int]
    buffer: Buffer


@dataclass(eq=False)
class ShapedStep:
    """A lowering.Step between values of known shape. `geometry` is that of its convolution."""

    x: Value
    y: Value
    conv: SlimConv2d | None
    norm: ConditionalNorm | None
    residual: Value | None
    relu: bool
    dropout: float
    geometry: convolution.Geometry | None


def shaped_steps(steps: list[Step], shape: tuple[int, int, int], width: float) -> tuple[Value, list[ShapedStep]]:
    """Infer the shapes of all values from that of the images. Returns the images' value and the steps. Raises
    Unsupported for a number of channels or a convolution that the kernels cannot take."""
    values = {INPUT: Value(shape[0], shape, Buffer(shape, keep=True))}
    shaped = []
    for index, step in enumerate(steps):
        x, geometry = values[step.x], None
        channels, out_shape = x.channels, x.shape
        residual = None if step.residual is None else values[step.residual]
        if step.conv is not None:
            channels = slim(step.conv.out_channels, width)
            geometry = padded_geometry(step.conv, x, channels)
            out_shape = (geometry.outputs, *geometry.out)
        if out_shape[0] % lanes() or residual and (residual.channels, residual.shape) != (channels, out_shape):
            raise Unsupported("a norm of the network's input, or a sum of values of different shapes")
        values[index] = y = Value(channels, out_shape, Buffer(out_shape))
        shaped.append(ShapedStep(x, y, step.conv, step.norm, residual, step.relu, step.dropout, geometry))
    return values[INPUT], shaped


def padded_geometry(conv: SlimConv2d, x: Value, channels: int) -> convolution.Geometry:
    """The geometry of a layer that makes `channels` channels of x, padded to whole vectors."""
    inputs, outputs, used = x.shape[0], padded(channels), (channels, x.channels)
    if not convolution.supported(conv, inputs, outputs):
        raise Unsupported(f"a convolution of {inputs} input channels, or of a shape that the kernels lack")
    used = None if used == (outputs, inputs) else used
    return convolution.Geometry(inputs, outputs, conv.kernel_size[0], conv.stride[0], *x.shape[1:], used)


def lay_out(calls: Iterable[tuple[ctypes.Structure, dict[str, Buffer]]], capacity: int, dtype: torch.dtype) -> None:
    """Allocate the buffers for `capacity` images and point the fields of the structures, in the order of the calls, to
    them. A buffer that is read for the last time is reused, first by the result that it is added to."""
    calls = list(calls)
    last_use = {buffer: i for i, (_, buffers) in enumerate(calls) for buffer in buffers.values()}
    free: dict[int, list[Tensor]] = {}
    for i, (structure, buffers) in enumerate(calls):
        finished = {buffer for buffer in buffers.values() if last_use[buffer] == i and not buffer.keep}
        added, result = buffers.get("before"), buffers.get("y")
        if added in finished and added.shape == result.shape and result.tensor is None and not result.keep:
            result.tensor = added.tensor
            finished.remove(added)
        for name, buffer in buffers.items():
            channels, height, width = buffer.shape
            numel = capacity * channels * height * width
            if buffer.tensor is None:
                reusable = [] if buffer.keep else free.get(numel, [])
                buffer.tensor = reusable.pop() if reusable else torch.zeros(numel, dtype=dtype)
            setattr(structure, name, buffer.tensor.data_ptr())
        for buffer in finished:
            free.setdefault(len(buffer.tensor), []).append(buffer.tensor)


def images(buffer: Buffer, n: int) -> Tensor:
    """View the first n images of a buffer as (n, C, H, W)."""
    channels, height, width = buffer.shape
    return buffer.tensor[: n * channels * height * width].view(n, height, width, channels).permute(0, 3, 1, 2)
