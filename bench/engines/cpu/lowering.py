"""A network as the steps it takes: `net.features` is called once with a `Value` in place of images, and
`bench.models.unit` and `dropout` record what they are asked."""

import ctypes
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bench.engines.cpu import convolution
from bench.engines.cpu.compiled_library import lanes


class Unsupported(Exception):
    """The kernels have no unit for what the network asks."""


@dataclass(eq=False)
class Buffer:
    """Memory for a value or its gradient, at first 0; `keep` where none else may have it."""

    shape: tuple[int, int, int]
    keep: bool = False
    tensor: Tensor | None = None


@dataclass(eq=False)
class Value:
    """Images (channels, height, width) that one step makes and others take."""

    recording: "Recording"
    shape: tuple[int, int, int]
    buffer: Buffer


@dataclass(eq=False)
class Step:
    """y = ReLU(norm(conv(x)) + plus), any part absent, of which a `share` is dropped."""

    x: Value
    y: Value
    conv: nn.Conv2d | None = None
    norm: nn.Module | None = None
    plus: Value | None = None
    relu: bool = False
    share: float = 0.0
    geometry: convolution.Shape | None = None


class Recording:
    """`steps` from the `source` to the `end`. Raises Unsupported where a network asks for what the kernels lack."""

    def __init__(self, net: nn.Module, cond, shape: tuple[int, int, int]):
        self.steps = []
        self.source = Value(self, shape, Buffer(shape, keep=True))
        self.end = net.features(self.source, cond)

    def unit(self, x: Value, width: float, conv, norm, plus: Value | None, relu: bool) -> Value:
        """What `bench.models.unit` calls with a Value."""
        shape, geometry = x.shape, None
        outputs = x.shape[0] if conv is None else conv.outputs(width)
        if outputs % lanes() or conv is not None and not convolution.supported(conv, x.shape[0], outputs):
            raise Unsupported(f"{x.shape[0]} channels in, {outputs} out")
        if conv is not None:
            geometry = convolution.shape_of(conv, *x.shape, outputs)
            shape = (outputs, *geometry.out)
        return self.append(Step(x, Value(self, shape, Buffer(shape)), conv, norm, plus, relu, geometry=geometry))

    def dropout(self, x: Value, share: float) -> Value:
        """What `bench.models.dropout` calls: the norm that made x does it, so that none may have taken x before."""
        step = self.steps[-1]
        if step.y is not x or step.norm is None or not step.relu or step.share:
            raise Unsupported("dropout elsewhere than after a norm with ReLU")
        step.share = share
        return x

    def append(self, step: Step) -> Value:
        self.steps.append(step)
        return step.y


def lay_out(placed: Iterable[tuple[ctypes.Structure, dict[str, Buffer]]], capacity: int, dtype: torch.dtype) -> None:
    """Give buffers memory for so many images, and point the structures' fields, in the order of their calls, to it.
    What is read for the last time is used again, unless it is to be kept: by the result, if it is added to that."""
    placed = list(placed)
    last = {buffer: i for i, (_, buffers) in enumerate(placed) for buffer in buffers.values()}
    free: dict[int, list[Tensor]] = {}
    for i, (structure, buffers) in enumerate(placed):
        done = {buffer for buffer in buffers.values() if last[buffer] == i and not buffer.keep}
        added, result = buffers.get("before"), buffers.get("y")
        if added in done and added.shape == result.shape and result.tensor is None and not result.keep:
            result.tensor = added.tensor
            done.remove(added)
        for name, buffer in buffers.items():
            channels, height, width = buffer.shape
            numbers = capacity * channels * height * width
            if buffer.tensor is None:
                left = [] if buffer.keep else free.get(numbers, [])
                buffer.tensor = left.pop() if left else torch.zeros(numbers, dtype=dtype)
            setattr(structure, name, buffer.tensor.data_ptr())
        for buffer in done:
            free.setdefault(len(buffer.tensor), []).append(buffer.tensor)


def images(buffer: Buffer, n: int) -> Tensor:
    """The first n of a buffer's images, (n, C, H, W)."""
    channels, height, width = buffer.shape
    return buffer.tensor[: n * channels * height * width].view(n, height, width, channels).permute(0, 3, 1, 2)
