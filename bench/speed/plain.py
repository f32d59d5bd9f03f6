"""The same networks and steps written plainly: eager fp32, torch's default memory format, BN and FiLM layer by layer
also in the attack. This is what our step is compared with where the authors' code has no network to compare.

Tensors have the names that they have in bench.models, so that either loads the other's weights (tests/speed).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.models.resnet import STAGES


class FiLM(nn.Module):
    def __init__(self, dim: int, channels: int, kind: str):
        super().__init__()
        if kind == "authors":
            self.both = mlp(dim, 2 * channels)
        else:
            self.gamma, self.beta = mlp(dim, channels), mlp(dim, channels)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        if hasattr(self, "both"):
            gamma, beta = F.leaky_relu(self.both(code)).chunk(2, dim=1)
        else:
            gamma, beta = self.gamma(code), self.beta(code)
        return x * gamma[:, :, None, None] + beta[:, :, None, None]


def mlp(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, outputs), nn.LeakyReLU(), nn.Linear(outputs, outputs))


class Norm(nn.Module):
    """BN, or one for each branch, then FiLM. The first `zeros` samples have λ=0."""

    def __init__(self, channels: int, recipe, dim: int, authors_film: bool = True):
        super().__init__()
        self.bn_a = nn.BatchNorm2d(channels)
        self.bn_c = nn.BatchNorm2d(channels) if recipe.norm == "dual" else None
        film = recipe.method != "pgd_at" and (authors_film or recipe.protocol.film == "paper")
        self.film = FiLM(dim, channels, recipe.protocol.film) if film else None

    def forward(self, x: Tensor, code: Tensor | None, zeros: int) -> Tensor:
        if self.bn_c is None or zeros == 0:
            x = self.bn_a(x)
        elif zeros == len(x):
            x = self.bn_c(x)
        else:
            x = torch.cat([self.bn_c(x[:zeros]), self.bn_a(x[zeros:])])
        return x if self.film is None else self.film(x, code)


def conv(inputs: int, outputs: int, size: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)


class ResNetBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int, recipe, dim: int):
        super().__init__()
        self.conv1, self.norm1 = conv(inputs, outputs, 3, stride), Norm(outputs, recipe, dim)
        self.conv2, self.norm2 = conv(outputs, outputs, 3), Norm(outputs, recipe, dim)
        self.shortcut = conv(inputs, outputs, 1, stride) if stride != 1 or inputs != outputs else None
        if self.shortcut is not None:
            self.norm_shortcut = Norm(outputs, recipe, dim, authors_film=False)

    def forward(self, x: Tensor, *given) -> Tensor:
        h = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x), *given))), *given)
        return F.relu(h + (x if self.shortcut is None else self.norm_shortcut(self.shortcut(x), *given)))


class WideBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int, recipe, dim: int):
        super().__init__()
        self.norm1, self.conv1 = Norm(inputs, recipe, dim), conv(inputs, outputs, 3, stride)
        self.norm2, self.conv2 = Norm(outputs, recipe, dim), conv(outputs, outputs, 3)
        self.shortcut = conv(inputs, outputs, 1, stride) if inputs != outputs else None
        self.dropout = recipe.dropout

    def forward(self, x: Tensor, *given) -> Tensor:
        h = F.relu(self.norm1(x, *given))
        shortcut = x if self.shortcut is None else self.shortcut(h)
        h = F.dropout(F.relu(self.norm2(self.conv1(h), *given)), self.dropout, self.training)
        return self.conv2(h) + shortcut


class Network(nn.Module):
    """ResNet-34 or a WRN, as the recipe says. Called with images, codes (N, d) or None, and the number of zeros."""

    def __init__(self, recipe, in_channels: int, dim: int, classes: int = 10):
        super().__init__()
        wide = recipe.arch != "resnet34"
        stages = STAGES
        if wide:
            depth, width = (int(word) for word in recipe.arch.split("-")[1:])
            stages = [(16 * width * 2**i, (depth - 4) // 6, min(i, 1) + 1) for i in range(3)]
        inputs = 16 if wide else 64
        self.stem, self.norm_stem = conv(in_channels, inputs, 3), None if wide else Norm(inputs, recipe, dim)
        blocks = []
        for channels, count, stride in stages:
            for i in range(count):
                kind = WideBlock if wide else ResNetBlock
                blocks.append(kind(inputs, channels, stride if i == 0 else 1, recipe, dim))
                inputs = channels
        self.blocks = nn.ModuleList(blocks)
        self.norm_last = Norm(inputs, recipe, dim, authors_film=False) if wide else None
        self.head = nn.Linear(inputs, classes)

    def forward(self, x: Tensor, code: Tensor | None, zeros: int) -> Tensor:
        h = self.stem(x)
        if self.norm_stem is not None:
            h = F.relu(self.norm_stem(h, code, zeros))
        for block in self.blocks:
            h = block(h, code, zeros)
        if self.norm_last is not None:
            h = F.relu(self.norm_last(h, code, zeros))
        return self.head(h.mean(dim=(2, 3)))


def attack(net: Network, x: Tensor, y: Tensor, code: Tensor | None, zeros: int, recipe) -> Tensor:
    """PGD with BN in eval mode."""
    net.eval()
    adv = (x + torch.empty_like(x).uniform_(-recipe.epsilon, recipe.epsilon)).clamp(0, 1)
    for _ in range(recipe.attack_steps):
        adv = adv.detach().requires_grad_()
        gradient = torch.autograd.grad(F.cross_entropy(net(adv, code, zeros), y, reduction="sum"), adv)[0]
        adv = adv.detach() + recipe.attack_step() * gradient.sign()
        adv = adv.clamp(x - recipe.epsilon, x + recipe.epsilon).clamp(0, 1)
    return adv


def loss(net: Network, x: Tensor, y: Tensor, lam: Tensor, code: Tensor | None, zeros: int, recipe) -> Tensor:
    """OAT's (Algorithm 1) or PGD-AT's at λ=1, whose clean images enter the batch statistics alone."""
    if recipe.method == "pgd_at":
        adv = attack(net, x, y, None, 0, recipe)
        net.train()
        robust = F.cross_entropy(net(adv, None, 0), y)
        with torch.no_grad():
            net(x, None, 0)
        return robust
    net.train()
    clean = F.cross_entropy(net(x, code, zeros), y, reduction="none")
    adv = attack(net, x[zeros:], y[zeros:], code[zeros:], 0, recipe)
    net.train()
    robust = F.cross_entropy(net(adv, code[zeros:], 0), y[zeros:], reduction="none")
    return (((1 - lam) * clean).sum() + (lam[zeros:] * robust).sum()) / len(x)


def accuracy(net: Network, x: Tensor, y: Tensor, code: Tensor, zeros: int, recipe) -> tuple[int, int]:
    """Images right, clean and under the attack, at the one λ that `code` (N, d) stands for; `zeros` is N where λ=0."""
    adv = attack(net, x, y, code, zeros, recipe)
    with torch.no_grad():
        hits = [(net(images, code, zeros).argmax(1) == y).sum().item() for images in (x, adv)]
    return hits[0], hits[1]
