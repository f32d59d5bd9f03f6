"""Figures of the report: entries of accuracy_figures.yaml, every FigureSpec at the top level of a file in this folder,
and those of plugins. Nothing else lists them: search for `fig4:` there, for `name="…"` here.
"""

import importlib
import pkgutil
from pathlib import Path

from bench.spec import registry
from reports.figures.accuracy_figure import read_figures
from reports.figures.figure_spec import FigureSpec


def find_figures() -> dict[str, FigureSpec]:
    """Name → figure, in the order of the page."""
    modules = (importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__))
    specs = [value for module in modules for value in vars(module).values() if isinstance(value, FigureSpec)]
    specs += read_figures(Path(__file__).with_name("accuracy_figures.yaml"))
    specs += [registry.resolve(figure)() for figure in registry.FIGURES.values()]
    return {spec.name: spec for spec in sorted(specs, key=lambda spec: spec.position)}


FIGURES = find_figures()
