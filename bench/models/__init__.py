"""Conditional networks f(x, λ): the paper's method, Sec. 3."""

from bench.models.build import build, parse_arch

__all__ = ["build", "parse_arch"]
