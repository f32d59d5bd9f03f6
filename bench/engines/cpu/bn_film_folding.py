"""Fold BN and FiLM of all norm layers into scales and shifts, in two calls of the C kernels (csrc/fold_bn_film.h)."""

import itertools

import torch
from torch import Tensor

from bench.engines.cpu.c_structs import LONG, Fold, call
from bench.engines.cpu.compiled_library import library
from bench.engines.cpu.film_plan import FLOAT, FilmPlan
from bench.engines.cpu.layerwise import branches_at
from bench.engines.cpu.parameter_pointers import point_to_parameters
from bench.models.dual_bn import ConditionalNorm


class Folding:
    """The norm layers of a network at one width. All are (dual) BN by branch (layerwise.by_branches)."""

    def __init__(self, norms: list[ConditionalNorm], width: float):
        self.films, self.norms = FilmPlan(norms, width), norms
        self.structs, self.dual = (Fold * len(norms))(), [norm.bn_c is not None for norm in norms]
        for struct, norm in zip(self.structs, norms, strict=True):
            for branch, bn in branches_at(norm, width).items():
                struct.channels, struct.eps = bn.num_features, bn.eps
                tensors = {"weight": bn.weight, "bias": bn.bias, "mean": bn.running_mean, "var": bn.running_var}
                point_to_parameters(struct, {f"{name}_{branch}": tensor for name, tensor in tensors.items()})

    def affine(self, code: Tensor | None, is_clean: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Codes (R, d) and (R,) bool → (scale, shift) of each norm layer, each (R or 1, C)."""
        films = self.films.forward(code) if self.films.norms else None
        for struct, norm in zip(self.structs, self.norms, strict=True):
            if films and (addresses := films.get(norm.index)):
                struct.gamma, struct.beta = addresses.gamma, addresses.beta
        for struct, dual in zip(self.structs, self.dual, strict=True):
            struct.rows = len(is_clean) if struct.gamma or dual else 1
            struct.through_c = is_clean.data_ptr() if dual else None
        sizes = [struct.rows * struct.channels for struct in self.structs for _ in range(2)]
        memory = torch.empty(sum(sizes))
        starts = (memory.data_ptr() + FLOAT * start for start in itertools.accumulate(sizes, initial=0))
        for struct in self.structs:
            struct.scale, struct.shift = next(starts), next(starts)
        call("scale and shift", library(torch.float32).fold, self.structs, LONG(len(self.structs)))
        parts = iter(memory.split(sizes))
        return [tuple(next(parts).view(-1, struct.channels) for _ in range(2)) for struct in self.structs]
