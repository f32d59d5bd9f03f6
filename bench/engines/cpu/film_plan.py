"""FiLM of all of a network's norms in one call (film.h), without autograd: γ and β lie where the norms' kernels take
them, and the gradients to them where the perceptrons' do."""

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor

from bench.engines.cpu import c_structs
from bench.engines.cpu.c_structs import LONG, Perceptron
from bench.engines.cpu.compiled_library import library


@dataclass(frozen=True)
class Place:
    """Addresses of a norm's γ and β, each (R, C), and of the gradients to them."""

    gamma: int
    beta: int
    to_gamma: int
    to_beta: int


class Films:
    """Of norms (bench.models.layers) at one width; `weights` of each perceptron: first, its bias, second, its bias."""

    def __init__(self, norms: list, width: float):
        self.norms = [norm for norm in norms if norm.film is not None]
        mlps = [(norm.film, mlp) for norm in self.norms for mlp in norm.film.perceptrons]
        self.mlps, self.width = [mlp for _, mlp in mlps], width
        self.weights = [mlp.weights(width) for mlp in self.mlps]
        self.array, self.rows, self.capacity, self.code = (Perceptron * len(mlps))(), 0, 0, None
        for one, (film, _), parameters in zip(self.array, mlps, self.weights, strict=True):
            first, first_bias, second, second_bias = parameters
            one.hidden, one.inputs = first.shape
            one.outputs, one.second_row = second.shape[0], second.stride(0)
            one.leaky, one.wide = film.kind == "authors", film.channels_at(width)
            c_structs.point(one, {"first": first, "first_bias": first_bias})
            c_structs.point(one, {"second": second, "second_bias": second_bias})

    def make_room(self, rows: int) -> dict[int, Place]:
        """Point to room for so many λ. Returns the places by the norms' `index`."""
        widths = [-(-one.outputs // one.wide) * one.wide for one in self.array]
        if rows > self.capacity:
            self.capacity = rows
            self.room = torch.empty(2 * rows * (sum(widths) + sum(one.hidden for one in self.array)))
        self.room.zero_()  # so that what no norm writes, a block's part beyond the outputs, has gradient 0
        self.rows, at = rows, self.room.data_ptr()
        for one, width in zip(self.array, widths, strict=True):
            one.rows, sizes = rows, (width, width, one.hidden, one.hidden)
            *starts, end = itertools.accumulate(sizes, initial=0)
            one.y, one.grad, one.middle, one.to_middle = (at + 4 * rows * start for start in starts)
            at += 4 * rows * end
        return dict(zip((norm.index for norm in self.norms), self.places(), strict=True))

    def places(self) -> list[Place]:
        each = len(self.array) // len(self.norms)
        if each == 2:
            pairs = zip(self.array[::2], self.array[1::2], strict=True)
            return [Place(gamma.y, beta.y, gamma.grad, beta.grad) for gamma, beta in pairs]
        blocks = [4 * self.rows * one.wide for one in self.array]
        pairs = zip(self.array, blocks, strict=True)
        return [Place(both.y, both.y + block, both.grad, both.grad + block) for both, block in pairs]

    def forward(self, code: Tensor) -> dict[int, Place] | None:
        """From codes (R, d). Returns the places where they are not those of the last call."""
        found = self.make_room(len(code)) if len(code) != self.rows else None
        self.code = code.contiguous()
        at = self.code.data_ptr()
        for one in self.array:
            one.code = at
        c_structs.call("perceptrons", library(torch.float32).perceptrons_forward, self.array, LONG(len(self.array)))
        return found

    def backward(self) -> None:
        """From the gradients at their places, which are used up, to those that the array's fields point to."""
        c_structs.call("perceptrons", library(torch.float32).perceptrons_backward, self.array, LONG(len(self.array)))
