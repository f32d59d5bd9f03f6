"""MixedNUTS: mix an accurate network g and a robust network h after a nonlinear transform of h's logits.

Bai et al., TMLR 2024 (arXiv 2402.02263): f = log((1-α)·onehot(argmax g) + α·softmax(M(h))), with
M(h) = s·sign(z)·|z|^p, z = GELU(LayerNorm(h) + c). M makes the margin of h large where h is right, also under attack,
and small where h is wrong on clean images. s, p and c are searched on held-out training images as in the paper: a part
β of the images that h classifies correctly under attack shall keep a margin with which they outvote g, and as few as
possible of those that h misclassifies clean; α follows from that margin. The paper takes β = 0.985. Here β is the dial:
a usable α lies close to 1, where an even grid of α has hardly a value.

f has no gradient through g. The surrogate of the paper's adaptive attack has one: softmax(g) for the one-hot vector,
and 9 parts of softmax(h) to 1 part of softmax(M(h)).
"""

import functools
import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.attacks.attack_options import attack_of
from bench.data import Dataset
from bench.engines import Engine
from bench.measures.accuracy import by_batch
from bench.measures.blends.output_mixing import Mixture, parts_of
from bench.spec.measurement import Measurement

# The grid of the authors' code for CIFAR-10: 8 values of each.
SCALES = torch.logspace(-1.301, 0.699, 8).tolist()  # 0.05 to 5
POWERS = torch.linspace(1, 4, 8).tolist()
BIASES = torch.linspace(-1.1, 0, 8).tolist()
BYPASS = 0.9  # part of h without M in the surrogate
LEAST = 1e-12  # added to probabilities: log 0 has no gradient

Transform = tuple[float, float, float]  # s, p, c


def mixednuts(ends: Sequence[Engine], data: Dataset, measurement: Measurement) -> Mixture:
    """The mixture of PGD-AT λ=0 and λ=1 with M searched on the held-out images. ends: their engines."""
    parts = parts_of(ends, data, measurement)
    attack, rng = attack_of(measurement), torch.Generator().manual_seed(measurement.seed)

    def outputs(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        adv = attack(parts[1], x, y, rng)
        with torch.no_grad():
            return parts[1](x).float(), parts[1](adv).float()

    batches = zip(*by_batch(outputs, data.heldout, rng), strict=True)
    clean, attacked = (torch.cat(batch) for batch in batches)
    labels = data.heldout.labels
    right, wrong = attacked[attacked.argmax(1) == labels], clean[clean.argmax(1) != labels]

    @functools.cache
    def fitted(beta: float) -> tuple[Transform, float]:
        return search(right, wrong, beta)

    def mix(accurate: Tensor, robust: Tensor, beta: float) -> Tensor:
        transform, alpha = fitted(beta)
        hard = F.one_hot(accurate.argmax(1), accurate.shape[1])
        return ((1 - alpha) * hard + alpha * transformed(robust, transform).softmax(1) + LEAST).log()

    def surrogate(accurate: Tensor, robust: Tensor, beta: float) -> Tensor:
        transform, alpha = fitted(beta)
        smooth = BYPASS * robust.softmax(1) + (1 - BYPASS) * transformed(robust, transform).softmax(1)
        return ((1 - alpha) * accurate.softmax(1) + alpha * smooth + LEAST).log()

    return Mixture(parts, mix, (surrogate,))


def transformed(logits: Tensor, transform: Transform) -> Tensor:
    """M(h) of logits (N, classes)."""
    scale, power, bias = transform
    normed = (logits - logits.mean(1, keepdim=True)) / (logits.var(1, keepdim=True) + 1e-8).sqrt()
    clamped = F.gelu(normed + bias)
    return scale * clamped.sign() * clamped.abs().clamp(min=LEAST) ** power


def search(robust: Tensor, misled: Tensor, beta: float) -> tuple[Transform, float]:
    """The transform (s, p, c) that leaves the fewest of the logits `misled` above the margin that a part β of the
    logits `robust` reach, of equal ones that with the smallest such margin, and the α at which that margin outvotes g.
    Both: (N, classes). Without images of either kind margins tell nothing: the first of the grid, and α = β."""
    if not len(robust) or not len(misled):
        return (SCALES[0], POWERS[0], BIASES[0]), beta

    def objective(transform: Transform) -> tuple[float, float]:
        needed = margins(transformed(robust, transform)).quantile(1 - beta)
        return float((margins(transformed(misled, transform)) >= needed).double().mean()), float(needed)

    transform = min(itertools.product(SCALES, POWERS, BIASES), key=objective)
    return transform, 1 / (1 + objective(transform)[1])


def margins(logits: Tensor) -> Tensor:
    """(N,) difference of the two largest probabilities."""
    first, second = logits.double().softmax(1).topk(2, dim=1).values.T
    return first - second
