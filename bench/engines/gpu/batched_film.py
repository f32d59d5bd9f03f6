"""FiLM of all norm layers at once: MLPs of equal shape are one batched matrix product.

ResNet-34 has 72 MLPs of four shapes, so that 12 launches do the work of 216.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.models.dual_bn import ConditionalNorm
from bench.models.film import MLP
from bench.models.slimmable import slim


def batched_films(norms: list[ConditionalNorm], code: Tensor, width: float) -> list[tuple[Tensor, Tensor] | None]:
    """Codes of λ (R, d) → (γ, β) of each norm layer, each (αC, R); None for a layer without FiLM.

    The transpose of what ConditionalNetwork.films computes: so the gradient to a weight has the weight's layout, and
    autograd need not copy it.
    """
    mlps = [mlp for norm in norms if norm.film is not None for mlp in mlps_of(norm)]
    outputs = iter(mlp_outputs(mlps, code, width))
    films = []
    for norm in norms:
        if norm.film is None:
            films.append(None)
        elif norm.film.kind == "authors":
            both, channels = F.leaky_relu(next(outputs)), slim(norm.film.channels, width)
            films.append((both[:channels], both[channels : 2 * channels]))
        else:
            films.append((next(outputs), next(outputs)))
    return films


def mlps_of(norm: ConditionalNorm) -> list[MLP]:
    """The MLPs of a norm layer: γ's and β's, or the authors' one for both."""
    film = norm.film
    return [film.both] if film.kind == "authors" else [film.gamma, film.beta]


def mlp_outputs(mlps: list[MLP], code: Tensor, width: float) -> list[Tensor]:
    """The (outputs, R) of each MLP on codes (R, d) at a width factor."""
    groups: dict[tuple, list[int]] = {}
    weights = []
    for index, (first, _, second) in enumerate(mlps):
        weight, bias = first.weights_at(width, code.shape[1])
        weights.append((weight, bias, *second.weights_at(width, len(weight))))
        groups.setdefault(tuple(tensor.shape for tensor in weights[-1]), []).append(index)
    outputs: dict[int, Tensor] = {}
    for members in groups.values():
        columns = zip(*(weights[index] for index in members), strict=True)
        weight, bias, second_weight, second_bias = (torch.stack(tensors) for tensors in columns)
        hidden = torch.baddbmm(bias[:, :, None], weight, code.mT.expand(len(members), -1, -1))
        result = torch.baddbmm(second_bias[:, :, None], second_weight, F.leaky_relu(hidden))
        outputs |= dict(zip(members, result.unbind(), strict=True))
    return [outputs[index] for index in range(len(mlps))]
