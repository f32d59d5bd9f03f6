"""FiLM (Perez et al., AAAI 2018) as OAT uses it (Sec. 3.1): γ and β of a norm layer, computed from the code of λ."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.models.slimmable import SlimLinear, slim


class MLP(nn.Sequential):
    """Linear, Leaky ReLU, linear. At width α both linear layers use the first α of their output units."""

    def __init__(self, inputs: int, hidden: int, outputs: int):
        super().__init__(SlimLinear(inputs, hidden), nn.LeakyReLU(), SlimLinear(hidden, outputs))

    def forward(self, x: Tensor, width: float = 1.0) -> Tensor:
        first, activation, second = self
        return second(activation(first(x, width)), width)


class FiLM(nn.Module):
    """Codes of λ (R, d) → (γ, β), each (R, αC), by two MLPs of two C-dimensional layers (Sec. 3.1).

    `kind="authors"` (ledger row 3): one MLP of hidden width 2C for γ and β together, with a Leaky ReLU on its output.
    `init="one"` (ledger row 16) adds 1 to the bias of γ: a γ near 0 would start by erasing the features.
    """

    def __init__(self, code_dim: int, channels: int, kind: str = "paper", init: str = "one"):
        super().__init__()
        self.channels, self.kind = channels, kind
        if kind == "authors":
            self.both = MLP(code_dim, 2 * channels, 2 * channels)
        else:
            self.gamma, self.beta = MLP(code_dim, channels, channels), MLP(code_dim, channels, channels)
        if init == "one":
            last = self.both[2] if kind == "authors" else self.gamma[2]
            with torch.no_grad():
                last.bias[:channels] += 1

    def forward(self, code: Tensor, width: float = 1.0) -> tuple[Tensor, Tensor]:
        if self.kind != "authors":
            return self.gamma(code, width), self.beta(code, width)
        return self.split(F.leaky_relu(self.both(code, width)), width)

    def split(self, both: Tensor, width: float) -> tuple[Tensor, Tensor]:
        """Cut the output of the authors' one MLP into γ and β. At some widths the MLP has one unit more than 2αC."""
        channels = slim(self.channels, width)
        return both[:, :channels].contiguous(), both[:, channels : 2 * channels].contiguous()
