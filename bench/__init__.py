"""The reproducibility benchmark suite for Once-for-All Adversarial Training (Wang et al., NeurIPS 2020)."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.trained_network import TrainedNetwork

__version__ = "0.1.0"  # of the package, too: pyproject.toml
ROOT = Path(__file__).resolve().parent.parent  # of the checkout


def load(network: str | Path, runs: Path | None = None, device: str = "cpu") -> "TrainedNetwork":
    """Load a trained network, by the first digits of its key (`python -m bench status` lists them) or its directory.

    `oat = bench.load("0dbc"); logits = oat(images, lam=0.3)`. runs: the runs directory; default: BENCH_RUNS, or `runs`.
    Raises BadInput (bench/errors.py) where there is no such network, or a file of it is damaged.
    """
    from bench.trained_network import load_network  # imports torch

    return load_network(network, runs, device)
