"""Raw pointers to the parameters and buffers of a network: the one module in which plans take them.

A pointer stays right while the tensor is updated in place. `current` compares, before every use, all that could make
a pointer wrong: a module or tensor that was replaced, and memory that was moved, resized or laid out otherwise.
"""

import ctypes
import itertools
import operator

from torch import Tensor, nn


class ParameterPointers:
    """The modules, parameters and buffers of a network as they are when this object is made."""

    def __init__(self, net: nn.Module):
        modules = list(net.modules())
        tables = [table for m in modules for table in (m._parameters, m._buffers) if table]
        self.tables = [module._modules for module in modules] + tables
        self.entries = self.read_entries()
        self.tensors = [entry for entry in self.entries if isinstance(entry, Tensor)]
        self.vectors = [tensor for tensor in self.tensors if tensor.dim() <= 1]
        self.matrices = [tensor for tensor in self.tensors if tensor.dim() > 1]
        self.layout = self.read_layout()

    def read_entries(self) -> list[nn.Module | Tensor | None]:
        """All modules, parameters and buffers; None for an absent bias."""
        return list(itertools.chain.from_iterable(map(dict.values, self.tables)))

    def contiguous(self) -> bool:
        """Whether the vectors, and the weights of linear layers, lie in memory as the kernels read them. Convolution
        weights are repacked."""
        weights = [matrix for matrix in self.matrices if matrix.dim() == 2 and isinstance(matrix, nn.Parameter)]
        return all(map(Tensor.is_contiguous, self.vectors + weights))

    def read_layout(self) -> list[list]:
        """The addresses, sizes and strides of all tensors, by the cheapest calls that tell two layouts apart."""
        return [
            list(map(Tensor.data_ptr, self.tensors)),
            list(map(Tensor.numel, self.vectors)),
            list(map(Tensor.is_contiguous, self.vectors)),
            list(map(Tensor.size, self.matrices)),
            list(map(Tensor.stride, self.matrices)),
        ]

    def current(self) -> bool:
        """Whether every pointer that was taken since this object was made is still right."""
        entries = self.read_entries()
        same = len(entries) == len(self.entries) and all(map(operator.is_, entries, self.entries))
        return same and self.read_layout() == self.layout


def point_to_parameters(structure: ctypes.Structure, parameters: dict[str, Tensor]) -> None:
    """Set the fields of a C struct to the addresses of parameters or buffers."""
    for field, tensor in parameters.items():
        setattr(structure, field, tensor.data_ptr())
