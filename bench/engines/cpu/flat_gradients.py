"""All parameter gradients of a backward pass as views of one new tensor: one allocation instead of a hundred."""

import ctypes
from dataclasses import dataclass

import torch
from torch import Size, Tensor

ALIGNED = 16  # floats


@dataclass(frozen=True)
class Slot:
    """The shape, strides and offset of one gradient in the tensor."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int

    def row(self, i: int) -> "Slot":
        """The slot of row i."""
        return Slot(self.shape[1:], self.strides[1:], self.offset + i * self.strides[0])

    def view(self, whole: Tensor) -> Tensor:
        return whole.as_strided(self.shape, self.strides, self.offset)


class Slots:
    def __init__(self):
        self.fields, self.floats = [], 0

    def add(self, structure: ctypes.Structure, field: str, shape: tuple[int, ...], used: tuple[int, ...] = ()) -> Slot:
        """Add a slot to which a field of a C struct will point. Four dimensions are laid out channels_last. `used`: the
        shape of the gradient where `shape` is padded."""
        like = torch.empty(shape, device="meta")
        if len(shape) == 4:
            like = like.contiguous(memory_format=torch.channels_last)
        slot = Slot(tuple(used or shape), like.stride(), self.floats)
        self.fields.append((structure, field, 4 * self.floats))
        self.floats += -(-Size(shape).numel() // ALIGNED) * ALIGNED
        return slot

    def allocate(self) -> Tensor:
        """Allocate the tensor of one backward pass and point the fields into it."""
        whole = torch.empty(self.floats)
        at = whole.data_ptr()
        for structure, field, offset in self.fields:
            setattr(structure, field, at + offset)
        return whole
