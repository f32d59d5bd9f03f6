"""Conditional networks f(x, λ): the paper's method, Sec. 3."""

from bench.models.build import ARCHITECTURES, build, parse_arch

__all__ = ["ARCHITECTURES", "build", "parse_arch"]
