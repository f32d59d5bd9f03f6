"""BN with FiLM of all of a network's norms in eval mode as scales and shifts (fold.h), in two calls."""

import itertools

import torch
from torch import Tensor

from bench.engines.cpu import c_structs
from bench.engines.cpu.c_structs import LONG, Fold
from bench.engines.cpu.compiled_library import library
from bench.engines.cpu.film_plan import Films


class Folding:
    """Of norms (bench.models.layers) that are BN by branch and FiLM alone, at one width."""

    def __init__(self, norms: list, width: float):
        self.films, self.norms = Films(norms, width), norms
        self.array, self.dual = (Fold * len(norms))(), [norm.bn_c is not None for norm in norms]
        for one, norm in zip(self.array, norms, strict=True):
            for branch, bn in norm.pair(width).items():
                one.channels, one.eps = bn.num_features, bn.eps
                given = {"weight": bn.weight, "bias": bn.bias, "mean": bn.running_mean, "var": bn.running_var}
                c_structs.point(one, {f"{name}_{branch}": value for name, value in given.items()})

    def affine(self, code: Tensor | None, through_c: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Codes (R, d) and (R,) booleans → (scale, shift) of each norm, each (R, C), or (1, C) without λ."""
        places = self.films.forward(code) if self.films.norms else None
        for one, norm in zip(self.array, self.norms, strict=True):
            if places and (place := places.get(norm.index)):
                one.gamma, one.beta = place.gamma, place.beta
        for one, dual in zip(self.array, self.dual, strict=True):
            one.rows = len(through_c) if one.gamma or dual else 1
            one.through_c = through_c.data_ptr() if dual else None
        sizes = [one.rows * one.channels for one in self.array for _ in range(2)]
        found = torch.empty(sum(sizes))
        starts = (found.data_ptr() + 4 * start for start in itertools.accumulate(sizes, initial=0))
        for one in self.array:
            one.scale, one.shift = next(starts), next(starts)
        c_structs.call("scale and shift", library(torch.float32).fold, self.array, LONG(len(self.array)))
        parts = iter(found.split(sizes))
        return [tuple(next(parts).view(-1, one.channels) for _ in range(2)) for one in self.array]
