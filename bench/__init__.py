"""The reproducibility benchmark suite for Once-for-All Adversarial Training (Wang et al., NeurIPS 2020)."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent  # of the checkout
