"""Model-conditional training: the paper's Algorithm 1 and its baseline, PGD-AT."""

from bench.training.loop import TrainingFailed, train

__all__ = ["TrainingFailed", "train"]
