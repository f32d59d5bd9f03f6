"""Model-conditional training: the paper's Algorithm 1 and its baseline, PGD-AT."""

from bench.training import trades  # noqa: F401, adds its method
from bench.training.loop import TrainingFailed, train

__all__ = ["TrainingFailed", "train"]
