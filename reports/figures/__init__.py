"""Figures of the report: entries of figures.yaml, each under its name, and figures of plugins."""

import importlib
from pathlib import Path

import yaml

from bench.spec import registry
from reports.figures.figure_spec import FigureSpec


def find_figures() -> dict[str, FigureSpec]:
    """Name → figure, in the order of the page."""
    entries = yaml.safe_load(Path(__file__).with_name("figures.yaml").read_text("utf-8"))
    specs = [figure_of(name, **fields) for name, fields in entries.items()]
    specs += [registry.resolve(figure)() for figure in registry.FIGURES.values()]
    return {spec.name: spec for spec in sorted(specs, key=lambda spec: spec.position)}


def figure_of(name: str, code: str = "accuracy_figure", **fields) -> FigureSpec:
    """Specification of an entry. code: file of this folder whose `figure` takes the other fields."""
    return importlib.import_module(f"{__name__}.{code}").figure(name=name, **fields)


FIGURES = find_figures()
