"""The reproducibility benchmark suite for Once-for-All Adversarial Training (Wang et al., NeurIPS 2020)."""
