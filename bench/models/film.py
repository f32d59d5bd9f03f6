"""FiLM (Sec. 3.1): γ and β of a norm layer from the code of λ."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.engines import cpu
from bench.engines.cpu.film_mlps import perceptrons
from bench.models.slimmable import SlimLinear, slim


class FiLM(nn.Module):
    """γ and β of (N, αC) from a code of (N, d): two MLPs of two C-dimensional layers with a Leaky ReLU (Sec. 3.1).

    `authors`: one MLP of hidden width 2C for both, with a Leaky ReLU on γ and β too (ledger row 3). At width α both
    layers are the first α of their units, as in the authors' slimmable FiLM.
    """

    def __init__(self, dim: int, channels: int, kind: str = "paper", init: str = "one"):
        super().__init__()
        self.channels, self.kind = channels, kind
        if kind == "authors":
            self.both = MLP(dim, 2 * channels, 2 * channels)
        else:
            self.gamma, self.beta = MLP(dim, channels, channels), MLP(dim, channels, channels)
        if init == "one":  # Perez et al., AAAI 2018, predict γ - 1: a γ around 0 would start by erasing the features
            last = self.both[2] if kind == "authors" else self.gamma[2]
            with torch.no_grad():
                last.bias[:channels] += 1

    def forward(self, code: Tensor, width: float = 1.0) -> tuple[Tensor, Tensor]:
        return films([self], code, width)[0]

    @property
    def perceptrons(self) -> list["MLP"]:
        return [self.both] if self.kind == "authors" else [self.gamma, self.beta]

    def channels_at(self, width: float) -> int:
        """Of γ, and of β."""
        return slim(self.channels, width)

    def split(self, outputs: list[Tensor], width: float = 1.0) -> tuple[Tensor, Tensor]:
        """γ and β from what the perceptrons gave."""
        if self.kind != "authors":
            return tuple(outputs)
        (both,), channels = outputs, self.channels_at(width)
        # at some widths the MLP has a unit more
        return both[:, :channels].contiguous(), both[:, channels : 2 * channels].contiguous()


def films(layers: list[FiLM | None], code: Tensor | None, width: float = 1.0) -> list[tuple[Tensor, Tensor] | None]:
    """(γ, β), each (R, αC), of all FiLM layers of a network, from a code of (R, d); None where there is no layer."""
    present = [film for film in layers if film is not None]
    if not present:
        return [None] * len(layers)
    mlps, leaky = [mlp for film in present for mlp in film.perceptrons], present[0].kind == "authors"
    if cpu.usable(code) and code.dtype == torch.float32:
        outputs = list(perceptrons(code, [mlp.weights(width) for mlp in mlps], leaky))
    else:
        outputs = [F.leaky_relu(mlp(code, width)) if leaky else mlp(code, width) for mlp in mlps]
    each = len(present[0].perceptrons)
    return [None if film is None else film.split([outputs.pop(0) for _ in range(each)], width) for film in layers]


class MLP(nn.Sequential):
    """Linear, Leaky ReLU, linear; at width α the first α of the hidden and output units."""

    def __init__(self, inputs: int, hidden: int, outputs: int):
        super().__init__(SlimLinear(inputs, hidden), nn.LeakyReLU(), SlimLinear(hidden, outputs))

    def forward(self, x: Tensor, width: float = 1.0) -> Tensor:
        first, activation, second = self
        return second(activation(first(x, width)), width)

    def weights(self, width: float = 1.0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(first, its bias, second, its bias) as far as they are used."""
        first, _, second = self
        if width == 1:
            return first.weight, first.bias, second.weight, second.bias
        hidden, outputs = slim(first.out_features, width), slim(second.out_features, width)
        return first.weight[:hidden], first.bias[:hidden], second.weight[:outputs, :hidden], second.bias[:outputs]
