"""Attacks on a conditioned network. A new one is a function and a line in ATTACKS (docs/extending.md)."""

from bench.attacks.gradient import ATTACKS, STEPS, Logits, pgd

__all__ = ["ATTACKS", "STEPS", "Logits", "pgd"]
