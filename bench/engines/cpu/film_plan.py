"""FiLM of all norm layers in one call of the C kernels (csrc/film_mlp.h), without autograd.

γ and β, and the gradients to them, lie where the kernels of the norm layers read and write them.
"""

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor

from bench.engines.cpu.autograd_film import mlp_weights, mlps_of
from bench.engines.cpu.c_structs import LONG, Perceptron, call
from bench.engines.cpu.compiled_library import library, padded
from bench.engines.cpu.parameter_pointers import point_to_parameters
from bench.models.dual_bn import ConditionalNorm
from bench.models.slimmable import slim

FLOAT = 4  # bytes


@dataclass(frozen=True)
class FilmAddresses:
    """Addresses of the γ and β of a norm layer, each (R, C), and of the gradients to them."""

    gamma: int
    beta: int
    to_gamma: int
    to_beta: int


class FilmPlan:
    """The FiLM layers of norm layers at one width. `weights`: (weight, bias, weight, bias) of each MLP. `pad`: whether
    the channels of γ and β are padded with zeros to whole vectors."""

    def __init__(self, norms: list[ConditionalNorm], width: float, pad: bool = False):
        self.norms = [norm for norm in norms if norm.film is not None]
        films_and_mlps = [(norm.film, mlp) for norm in self.norms for mlp in mlps_of(norm.film)]
        self.mlps, self.width = [mlp for _, mlp in films_and_mlps], width
        self.weights = [mlp_weights(mlp, width) for mlp in self.mlps]
        self.structs, self.rows, self.capacity, self.code = (Perceptron * len(self.mlps))(), 0, 0, None
        for struct, (film, _), (first, first_bias, second, second_bias) in zip(
            self.structs, films_and_mlps, self.weights, strict=True
        ):
            struct.hidden, struct.inputs = first.shape
            struct.outputs, struct.second_row = second.shape[0], second.stride(0)
            struct.leaky, struct.wide = film.kind == "authors", slim(film.channels, width)
            struct.wide_row = padded(struct.wide) if pad else struct.wide
            pointers = {"first": first, "first_bias": first_bias, "second": second, "second_bias": second_bias}
            point_to_parameters(struct, pointers)

    def allocate(self, rows: int) -> dict[int, FilmAddresses]:
        """Allocate γ, β and their gradients for R = `rows` λ. Returns the addresses by the norm layer's index."""
        widths = [-(-struct.outputs // struct.wide) * struct.wide_row for struct in self.structs]
        if rows > self.capacity:
            self.capacity = rows
            self.memory = torch.empty(2 * rows * (sum(widths) + sum(struct.hidden for struct in self.structs)))
        self.memory.zero_()  # outputs that no norm layer reads keep gradient 0
        self.rows, address = rows, self.memory.data_ptr()
        for struct, width in zip(self.structs, widths, strict=True):
            struct.rows, sizes = rows, (width, width, struct.hidden, struct.hidden)
            *starts, end = itertools.accumulate(sizes, initial=0)
            parts = (address + FLOAT * rows * start for start in starts)
            struct.y, struct.grad, struct.middle, struct.to_middle = parts
            address += FLOAT * rows * end
        return dict(zip((norm.index for norm in self.norms), self.addresses(), strict=True))

    def addresses(self) -> list[FilmAddresses]:
        if len(self.structs) == 2 * len(self.norms):
            pairs = zip(self.structs[::2], self.structs[1::2], strict=True)
            return [FilmAddresses(gamma.y, beta.y, gamma.grad, beta.grad) for gamma, beta in pairs]
        blocks = [FLOAT * self.rows * struct.wide_row for struct in self.structs]  # the authors' MLP: γ, then β
        pairs = zip(self.structs, blocks, strict=True)
        return [FilmAddresses(both.y, both.y + block, both.grad, both.grad + block) for both, block in pairs]

    def forward(self, code: Tensor) -> dict[int, FilmAddresses] | None:
        """Compute γ and β from codes (R, d). Returns their addresses where they differ from those of the last call."""
        addresses = self.allocate(len(code)) if len(code) != self.rows else None
        self.code = code.contiguous()
        address = self.code.data_ptr()
        for struct in self.structs:
            struct.code = address
        call("perceptrons", library(torch.float32).perceptrons_forward, self.structs, LONG(len(self.structs)))
        return addresses

    def backward(self) -> None:
        """Compute the gradients of the MLPs from those of γ and β, which are overwritten."""
        call("perceptrons", library(torch.float32).perceptrons_backward, self.structs, LONG(len(self.structs)))
