"""Attacks on a conditioned network. A new one is a function, its name, and a line in ATTACKS (docs/extending.md).

What is here needs no torch; `named` makes the attack that a measurement asks for.
"""

from bench.spec.attacks import ATTACKS, Attack, credit, effort, objection
from bench.spec.autoattack_packages import Unavailable

__all__ = ["ATTACKS", "Attack", "Unavailable", "credit", "effort", "objection"]
