"""All gradients of a way back in one new tensor, of which each parameter gets a view: one allocation in place of a
hundred."""

import ctypes
from dataclasses import dataclass

import torch
from torch import Size, Tensor

ALIGNED = 16  # floats


@dataclass(frozen=True)
class Slot:
    """A view."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int

    def row(self, i: int) -> "Slot":
        """One of a matrix's."""
        return Slot(self.shape[1:], self.strides[1:], self.offset + i * self.strides[0])

    def of(self, whole: Tensor) -> Tensor:
        return whole.as_strided(self.shape, self.strides, self.offset)


class Slots:
    def __init__(self):
        self.fields, self.floats = [], 0

    def add(self, structure: ctypes.Structure, field: str, shape: tuple[int, ...]) -> Slot:
        """A structure's field is to point to a slot; of four dimensions it is channels_last."""
        like = torch.empty(shape, device="meta")
        if len(shape) == 4:
            like = like.contiguous(memory_format=torch.channels_last)
        found = Slot(tuple(shape), like.stride(), self.floats)
        self.fields.append((structure, field, 4 * self.floats))
        self.floats += -(-Size(shape).numel() // ALIGNED) * ALIGNED
        return found

    def point(self) -> Tensor:
        """A new tensor, to which the fields point from now on."""
        whole = torch.empty(self.floats)
        at = whole.data_ptr()
        for structure, field, offset in self.fields:
            setattr(structure, field, at + offset)
        return whole
