"""λ as a vector: the encodings of Sec. 3.1 and App. E.

A codebook holds one row per trained λ. It is a buffer of the network, so the weights file carries it.
"""

import functools

import numpy as np
import torch
from torch import Tensor

from bench.spec.architectures import code_dim


def codebook(encoding: str, lambdas: tuple[float, ...], seed: int = 0, dct_kind: str = "orthonormal") -> Tensor:
    """(|S|, d) codes, row n for the n-th λ: λ itself, one-hot, or the n-th column of a DCT-II or random orthogonal
    matrix. Of the un-normalised DCT-II matrix it is the n-th row, as in the authors' code (ledger row 15)."""
    d = code_dim(encoding, len(lambdas))
    if encoding == "none":
        rows = np.array(lambdas)[:, None]
    elif encoding == "onehot":
        rows = np.eye(d)
    elif encoding.startswith("dct"):
        from scipy.fft import dct  # here: half a second that few need, and a node may have torch alone

        matrix = dct(np.eye(d), axis=0, norm="ortho").T if dct_kind == "orthonormal" else dct(np.eye(d), axis=0)
        rows = matrix[: len(lambdas)]
    else:
        rows = random_orthogonal(d, seed).T[: len(lambdas)]
    return torch.tensor(rows, dtype=torch.float32)


@functools.lru_cache(maxsize=4)
def random_orthogonal(d: int, seed: int) -> np.ndarray:
    """(d, d), from a normal matrix. Kept, as a plan builds many networks: numpy's threads wait actively after a QR."""
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((d, d)))[0]


def encode(lam: Tensor, lambdas: Tensor, book: Tensor, unseen: str = "interpolate") -> Tensor:
    """(N,) λ → (N, d) codes. A λ outside the trained set lies linearly between its two neighbours' codes, or takes the
    nearest one's (ledger row 7); beyond the ends of the set it takes the end's."""
    lam = lam.clamp(lambdas[0], lambdas[-1])
    hi = torch.searchsorted(lambdas, lam).clamp(max=len(lambdas) - 1)
    lo = (hi - 1).clamp(min=0)
    weight = ((lam - lambdas[lo]) / (lambdas[hi] - lambdas[lo]).clamp(min=1e-12)).clamp(0, 1)
    if unseen == "nearest":
        weight = weight.round()
    weight = weight[:, None].to(book.dtype)
    return (1 - weight) * book[lo] + weight * book[hi]
