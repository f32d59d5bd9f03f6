"""Raw pointers to the parameters and buffers of a network: the one module in which plans take them.

A pointer stays right while the tensor is updated in place. `current` compares, before every use, all that could make
a pointer wrong: a module or tensor that was replaced, and memory that was moved, resized or laid out otherwise.
"""

import ctypes
import operator

from torch import Tensor, nn


class ParameterPointers:
    """The modules, parameters and buffers of a network as they are when this object is made."""

    def __init__(self, net: nn.Module):
        modules = list(net.modules())
        self.children = [module._modules for module in modules]
        self.child_counts = list(map(len, self.children))
        self.module_slots = [(children, name) for children in self.children for name in children]
        self.modules = [children[name] for children, name in self.module_slots]
        self.tensor_slots = [(d, name) for m in modules for d in (m._parameters, m._buffers) for name in d]
        self.slot_values = [slots[name] for slots, name in self.tensor_slots]  # None for an absent bias
        self.tensors = [tensor for tensor in self.slot_values if tensor is not None]
        self.vectors = [tensor for tensor in self.tensors if tensor.dim() <= 1]
        self.matrices = [tensor for tensor in self.tensors if tensor.dim() > 1]
        self.layout = self.read_layout()

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
        modules = [children.get(name) for children, name in self.module_slots]
        tensors = [slots.get(name) for slots, name in self.tensor_slots]
        return (
            all(map(operator.is_, modules, self.modules))
            and all(map(operator.is_, tensors, self.slot_values))
            and list(map(len, self.children)) == self.child_counts
            and self.read_layout() == self.layout
        )


def point_to_parameters(structure: ctypes.Structure, parameters: dict[str, Tensor]) -> None:
    """Set the fields of a C struct to the addresses of parameters or buffers."""
    for field, tensor in parameters.items():
        setattr(structure, field, tensor.data_ptr())
