"""A training-mode Condition with the codes of λ: the training plan computes FiLM from these itself."""

from collections.abc import Callable

import torch
from torch import Tensor

from bench.models.dual_bn import Condition


class EncodedCondition(Condition):
    """`code`: (R, d), or None for a network without λ. `films` is None until `with_films` is called."""

    def __init__(self, width: float, rows: Tensor | None, zeros: int, code: Tensor | None, films: Callable):
        super().__init__(True, width, rows, None, zeros)
        self.code, self.compute_films = code, films
        self.graph = torch.is_grad_enabled()  # whether FiLM gets a gradient, as when ConditionalNetwork.condition runs

    def with_films(self) -> "EncodedCondition":
        """Compute (γ, β) of all norm layers, in fp32, for layers that run one by one."""
        if self.films is None:
            with torch.set_grad_enabled(self.graph), torch.autocast("cpu", enabled=False):
                self.films = self.compute_films(self.code, self.width)
        return self

    def row_of_each(self, n: int) -> Tensor:
        """(n,) index of each image's λ among the R codes."""
        if self.rows is not None:
            return self.rows
        several = self.code is not None and len(self.code) > 1
        return torch.arange(n) if several else torch.zeros(n, dtype=torch.int64)
