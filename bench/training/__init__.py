"""Model-conditional training: the paper's Algorithm 1 and its baseline, PGD-AT.

Imports nothing, because a plan reads `budget` and `schedule`, which need no torch.
"""
