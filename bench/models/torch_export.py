"""A network as one program of images and λ, by torch.export."""

import copy
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from bench.models.dual_bn import Condition
from bench.models.network import ConditionalNetwork


class AtWidth(nn.Module):
    """f(x, λ) in eval mode at one width: (N, C, H, W) images in [0,1] and (N,) λ → (N, classes) logits.

    Unlike `net(x, λ)` it looks at no value of λ and has no autocast, so that one graph fits all. PGD-AT ignores
    `lam`.
    """

    def __init__(self, net: ConditionalNetwork, width: float = 1.0):
        super().__init__()
        self.net, self.width = net.eval(), width

    def forward(self, images: Tensor, lam: Tensor) -> Tensor:
        code = self.net.code(lam) if self.net.conditional else None
        films = [norm.film and norm.film(code, self.width) for norm in self.net.norms]
        affine = [norm.fold(film, lam == 0, self.width) for norm, film in zip(self.net.norms, films, strict=True)]
        return self.net(images, self.net.with_lambda(Condition(False, self.width, affine=affine), lam))


def export(net: ConditionalNetwork, shape: tuple[int, int, int], width: float = 1.0) -> torch.export.ExportedProgram:
    """Trace a copy of the network at a width, for any number N of images of `shape` (C, H, W). Its tensors are
    contiguous: torch.export.save takes others for parts of larger ones."""
    net = copy.deepcopy(net)
    for tensor in (*net.parameters(), *net.buffers()):
        tensor.data = tensor.data.contiguous()
    device = next(net.parameters()).device
    examples = torch.zeros(2, *shape, device=device), torch.zeros(2, device=device)
    batch = torch.export.Dim("batch")
    return torch.export.export(AtWidth(net, width), examples, dynamic_shapes=({0: batch}, {0: batch}))


def save(program: torch.export.ExportedProgram, path: Path, recipe: str) -> None:
    """Write the program with its weights. recipe: JSON, stored as the file's extra file `recipe.json`."""
    torch.export.save(program, path, extra_files={"recipe.json": recipe})


def load(path: Path) -> Callable[[Tensor, Tensor], Tensor]:
    """(images, lam) → logits."""
    return torch.export.load(path).module()
