"""The networks to compare, each as the authors' module and as ours with the same weights."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.fftpack import dct
from torch import Tensor, nn

from bench.authors_checkpoint import convert
from bench.models import build
from bench.models.network import ConditionalNetwork
from bench.spec.lambda_sets import S1
from bench.spec.protocol_ledger import PROTOCOLS
from bench.spec.recipe import Recipe
from bench.speed.authors_steps import CLASSES, build_network
from tests.parity import reference

torch.set_num_threads(1)
WIDTHS = (0.5, 0.75, 1.0)
BATCH, ZEROS = 4, 2
ENCODINGS = {"resnet34": "ro-128", "wrn-16-8": "dct-128", "wrn-40-2": "none"}  # one each, so that all are compared


@dataclass(frozen=True)
class Case:
    """A network and its training method. `kind`: pgd-at, normal or dual (the BN of OAT)."""

    arch: str
    kind: str
    slim: bool = False

    def __str__(self) -> str:
        return f"{self.arch}{'-slimmable' * self.slim}-{self.kind}"

    @property
    def widths(self) -> tuple[float, ...]:
        return WIDTHS if self.slim else (1.0,)

    @property
    def zeros(self) -> int:
        """Number of λ=0 samples in a batch; 0 for PGD-AT."""
        return 0 if self.kind == "pgd-at" else ZEROS

    @property
    def size(self) -> int:
        return 96 if self.arch == "wrn-40-2" else 32  # their pooling window fixes it

    @property
    def recipe(self) -> Recipe:
        fields = {"dataset": "any", "data_hash": "any", "heldout": 1, "augment": "none", "arch": self.arch}
        fields |= {"epsilon": 8 / 255, "lr": 0.1, "epochs": 1, "batch": BATCH, "protocol": PROTOCOLS["authors-code"]}
        fields |= {"widths": WIDTHS if self.slim else ()}
        if self.kind == "pgd-at":
            return Recipe(**fields, method="pgd_at", lam=0.4)
        return Recipe(**fields, method="oat", lambdas=S1, norm=self.kind, encoding=ENCODINGS[self.arch])


CASES = [Case(arch, kind, slim) for arch, slim in CLASSES for kind in ("pgd-at", "normal", "dual")]


@dataclass
class Batch:
    """x (4, 3, H, H), y (4,), λ (4,) with its two zeros first, `code` (4, 1, d) as their script computes it."""

    x: Tensor
    y: Tensor
    lam: Tensor
    code: Tensor

    def to(self, dtype) -> "Batch":
        return Batch(self.x.to(dtype), self.y, self.lam.to(dtype), self.code.to(dtype))


def encoding_matrix(encoding: str) -> np.ndarray | None:
    """(d, d) matrix as in OAT.py, lines 104–118, except for the seed."""
    kind, _, dim = encoding.partition("-")
    if kind == "dct":
        return dct(np.eye(int(dim)), axis=0)
    if kind == "ro":
        return np.linalg.qr(np.random.default_rng(0).standard_normal((int(dim), int(dim))))[0]
    return None


def batch(case: Case, seed: int = 0) -> Batch:
    """Draw a batch of whole grey levels. The authors' own function draws and encodes λ."""
    rng = torch.Generator().manual_seed(seed)
    x = torch.randint(256, (BATCH, 3, case.size, case.size), generator=rng) / 255
    sampling = reference.load("utils.sample_lambda")
    np.random.seed(seed)
    with reference.on_the_cpu():
        matrix = encoding_matrix(case.recipe.encoding)
        lam, code, zeros = sampling.element_wise_sample_lambda("disc", list(S1), matrix, BATCH, ZEROS / BATCH)
    assert zeros == ZEROS
    lam = torch.full_like(lam, case.recipe.lam) if case.kind == "pgd-at" else lam
    return Batch(x, torch.randint(10, (BATCH,), generator=rng), lam, code)


def authors(case: Case, calm: bool) -> nn.Module:
    """Build their network with weights that make every part count."""
    torch.manual_seed(0)
    dim = 1 if case.recipe.encoding == "none" else int(case.recipe.encoding.split("-")[1])
    film = None if case.kind == "pgd-at" else {"use2BN": case.kind == "dual", "FiLM_in_channels": dim}
    return enliven(build_network(reference.root(), case.arch, film, case.slim), case, calm)


def forward(net: nn.Module, case: Case, x: Tensor, code: Tensor, zeros: int, width: float = 1.0) -> Tensor:
    """Compute their network's logits."""
    net.apply(lambda module: setattr(module, "width_mult", width))
    if case.kind == "pgd-at":
        return net(x)
    return net(x, code, zeros if case.kind == "dual" else None)


@torch.no_grad()
def enliven(net: nn.Module, case: Case, calm: bool) -> nn.Module:
    """Set no BN weight, bias or running statistic to a neutral value, make the branches differ, and put γ around 1:
    around 0, where their code starts, hardly anything reaches the logits, and a fault could not be seen.

    `calm` keeps activations away from the kinks of the ReLUs, where rounding decides the gradient: BN's outputs lie
    around +3 of their deviations, and a block adds little to its input.
    """
    rng, data = torch.Generator().manual_seed(1), batch(case, seed=1)
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.weight.uniform_(0.5, 1.5, generator=rng)
        norm.bias.normal_(0, 0.3, generator=rng)
        if calm:
            norm.bias.uniform_(3, 4, generator=rng).mul_(norm.weight)
        norm.momentum = 1.0  # the running statistics become those of the next batch
    last = ".conv2." if case.arch.startswith("wrn") else ".bn2."  # of a block's residual branch
    for name, parameter in net.named_parameters():
        if name.endswith("MLP.2.bias"):
            parameter[: len(parameter) // 2] += 1
        if calm and last in name:
            parameter *= 0.3
    for width in case.widths:
        forward(net.train(), case, data.x, data.code, ZEROS, width)
    for norm in norms:
        norm.running_var *= torch.empty_like(norm.running_var).uniform_(0.7, 1.4, generator=rng)
        norm.momentum = 0.1
    return net


def pair(case: Case, dtype: torch.dtype, calm: bool) -> tuple[nn.Module, ConditionalNetwork]:
    """Build the authors' network and ours with the same weights, both in torch's default memory format."""
    theirs, ours = authors(case, calm), build(case.recipe, 3, 10)
    codes = None
    if case.recipe.encoding.startswith("ro"):
        codes = torch.tensor(encoding_matrix(case.recipe.encoding)[: len(S1)], dtype=torch.float32)
    ours.load_state_dict(convert(theirs.state_dict(), case.recipe, 3, 10, codes))
    return theirs.to(dtype), ours.to(dtype).to(memory_format=torch.contiguous_format)
