"""Figures of the report: every FigureSpec at the top level of a file in this folder, and those of plugins.

A file is named for its figures, e.g. fig5_unseen_lambda.py, so that a figure is found by name; nothing else lists them.
"""

import importlib
import pkgutil

from bench.spec import registry
from reports.figures.figure_spec import FigureSpec


def find_figures() -> dict[str, FigureSpec]:
    """Name → figure, in the order of the page."""
    modules = (importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__))
    specs = [value for module in modules for value in vars(module).values() if isinstance(value, FigureSpec)]
    specs += [registry.resolve(figure)() for figure in registry.FIGURES.values()]
    return {spec.name: spec for spec in sorted(specs, key=lambda spec: spec.position)}


FIGURES = find_figures()
