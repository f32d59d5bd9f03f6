"""Convolution weights in the layouts of the C kernels: Winograd-transformed, or rearranged by tap for im2col."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.engines.cpu.c_structs import GATHER, LONG, POINTER, Unit
from bench.engines.cpu.compiled_library import library, padded
from bench.engines.cpu.convolution import Geometry, has_weights, taps
from bench.models.slimmable import SlimConv2d


class PackedWeights:
    """Packs the weight of each convolution of a network when it is first used, and again, in place, after it
    changed."""

    def __init__(self):
        self.packed: dict[tuple, tuple[tuple, list[Tensor]]] = {}

    def of(self, conv: SlimConv2d, geometry: Geometry, backward: bool) -> list[Tensor]:
        """One tensor for each struct of convolution.units."""
        key, state = (conv, geometry, backward), weight_state(conv)
        packed_state, tensors = self.packed.get(key, (None, None))
        if packed_state != state:
            tensors = tensors or allocate(geometry, backward)
            outputs, inputs = geometry.used or (geometry.outputs, geometry.inputs)
            weight = conv.weight.detach()[:outputs, :inputs]
            if geometry.used:
                weight = F.pad(weight, (0, 0, 0, 0, 0, geometry.inputs - inputs, 0, geometry.outputs - outputs))
            pack(tensors, weight.contiguous(memory_format=torch.channels_last).float(), geometry, backward)
            self.packed[key] = state, tensors
        return tensors


def weight_state(conv: SlimConv2d) -> tuple[int, int]:
    """A value that changes whenever the weight does."""
    return conv.weight.data_ptr(), conv.weight._version


def allocate(geometry: Geometry, backward: bool) -> list[Tensor]:
    depth, columns = (geometry.inputs, geometry.outputs)[:: -1 if backward else 1]
    columns = padded(columns)
    if geometry.algorithm(backward) != GATHER:
        return [torch.empty(36 * depth * columns)]
    return [torch.empty(len(part.indices) * depth * columns) for part in taps(geometry, backward)]


def pack(tensors: list[Tensor], weight: Tensor, geometry: Geometry, backward: bool) -> None:
    lib, channels = library(torch.float32), (LONG(geometry.outputs), LONG(geometry.inputs))
    source = POINTER(weight.data_ptr())
    if geometry.algorithm(backward) != GATHER:
        target = POINTER(tensors[0].data_ptr())
        lib.winograd_weights(source, target, *channels, LONG(geometry.stride), LONG(backward))
        return
    for part, tensor in zip(taps(geometry, backward), tensors, strict=True):
        count, kernel = LONG(len(part.indices)), LONG(geometry.kernel**2)
        lib.gather_weights(source, POINTER(tensor.data_ptr()), *channels, kernel, part.indices, count, LONG(backward))


@dataclass
class WeightUse:
    """The structs of one convolution in a plan, which point to its packed weight."""

    conv: SlimConv2d
    geometry: Geometry
    backward: bool
    units: list[Unit]
    tensors: list[Tensor] | None = None


class PlanWeights:
    """Keeps the structs of a plan pointed to the packed weights of today, looked at once per pass.

    The engine drops a plan whose weights were replaced or moved before every use (parameter_pointers): of the weights
    that the plan was made for, the versions tell whether they changed.
    """

    def __init__(self, packed: PackedWeights, uses: list[WeightUse] | None = None):
        self.packed, self.uses, self.versions = packed, uses or [], None
        self.weights: list[Tensor] = []

    def refresh(self) -> None:
        if self.versions is None:
            self.weights = [use.conv.weight for use in self.uses]
        versions = [weight._version for weight in self.weights]
        if versions == self.versions:
            return
        self.versions = versions
        for use in self.uses:
            tensors = self.packed.of(use.conv, use.geometry, use.backward)
            if tensors is not use.tensors:
                use.tensors = tensors
                with_weights = filter(has_weights, use.units)
                for unit, tensor in zip(with_weights, (t for t in tensors if len(t)), strict=True):
                    unit.weights = tensor.data_ptr()
