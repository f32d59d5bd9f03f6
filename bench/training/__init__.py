"""Model-conditional training: the paper's Algorithm 1 and its baseline, PGD-AT.

bench/spec/registry.py names the training methods and where their code is.
"""
