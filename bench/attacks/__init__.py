"""Attacks on a conditioned network. A new one is a function and a line in ATTACKS (docs/extending.md)."""

from bench.attacks.autoattack import Unavailable
from bench.attacks.gradient import Logits, pgd
from bench.attacks.named import ATTACKS, Attack, attack_of, credit, effort, objection

__all__ = ["ATTACKS", "Attack", "Logits", "Unavailable", "attack_of", "credit", "effort", "objection", "pgd"]
