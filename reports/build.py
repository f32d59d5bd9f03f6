"""`python -m bench report`: plans and results in, figures, CSV files and a page out."""

import difflib
import json
from pathlib import Path

import pandas as pd

from reports import claims, drawn, html, provenance, results, style
from reports.figures import FIGURES, SUITES
from reports.results import View

FORMATS = ("png", "svg", "pdf")
CSV_COLUMNS = ["method", "dataset", "scale", "seed", "lambda", "width", "attack", "sa", "ra", "n", "key"]


class ReportError(Exception):
    """One line: what is wrong, and the remedy."""


def build(figures: list[str] | None, runs: Path, out: Path, scale: str | None = None) -> list[Path]:
    """Write the figures (None: all known ones that a plan mentions), index.html and README.md. Returns all files.

    scale None: that of the newest plan that mentions the figure. The same runs give the same bytes.
    """
    runs, out = Path(runs), Path(out)
    names = [check_known(name) for name in figures] if figures else list(FIGURES)
    plans, notes = results.read_plans(runs)
    if not plans:
        raise ReportError(f"no plan under {runs / 'plans'}: {remedy(names[0] if figures else 'fig4')}")
    names = [name for name in names if figures or results.mentions(plans, name)]
    if not names:
        raise ReportError(f"no plan under {runs / 'plans'} mentions {' or '.join(FIGURES)}: {remedy('fig4')}")
    scales = {name: choose_scale(plans, name, scale) for name in names if figures or has_scale(plans, name, scale)}
    if not scales:
        raise ReportError(f"no plan at scale {scale}; there are {', '.join(sorted({p['scale'] for p in plans}))}")
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for name, chosen in scales.items():
        view = results.view(plans, runs, name, chosen, FIGURES[name].KEEP)
        view.notes.extend(notes)
        written += write_figure(view, out)
    return [*written, *claims.write(plans, runs, out, scales), *html.write_pages(out)]


def check_known(name: str) -> str:
    if name in FIGURES:
        return name
    close = difflib.get_close_matches(name, FIGURES, 1)
    hint = f"; did you mean {close[0]}?" if close else ""
    raise ReportError(f"unknown figure {name}: known are {', '.join(FIGURES)}{hint}")


def remedy(name: str) -> str:
    suite = SUITES.get(name, "frontiers")
    return f"run `python -m bench run suites/{suite}.yaml` first, or name another directory with --runs"


def has_scale(plans: list[dict], name: str, scale: str | None) -> bool:
    return scale is None or any(plan["scale"] == scale for plan in results.mentions(plans, name))


def choose_scale(plans: list[dict], name: str, scale: str | None) -> str:
    found = results.mentions(plans, name)
    if not found:
        raise ReportError(f"no plan mentions {name}: {remedy(name)}")
    if not has_scale(plans, name, scale):
        there = ", ".join(sorted({plan["scale"] for plan in found}))
        raise ReportError(
            f"no plan mentions {name} at scale {scale}: take --scale {there}, or run it at that scale first"
        )
    return scale or found[-1]["scale"]


def write_figure(view: View, out: Path) -> list[Path]:
    """The figure in three formats, its points as CSV, and the JSON from which the page is made again. Images that
    were drawn from the same numbers stay."""
    name, module = view.figure, FIGURES[view.figure]
    paths = [out / f"{name}.{kind}" for kind in (*FORMATS, "csv", "json")]
    drawn_from = drawn.digest(view)
    known = drawn.unchanged(out / f"{name}.json", paths[: len(FORMATS)], drawn_from)
    wide = known.get("wide", False) if known else draw(view, paths)
    table(view).to_csv(out / f"{name}.csv", index=False, lineterminator="\n")
    page = {"figure": name, "title": module.TITLE, "claim": module.CLAIM, "caption": module.caption(view)}
    tables = {"summary": module.summary(view), "curves": curves(view)}
    page |= {name: [table for table in found if table["rows"]] for name, found in tables.items()}
    page |= provenance.describe(view, out)
    page |= {"wide": True} if wide else {}
    page["drawn_from"] = drawn_from
    (out / f"{name}.json").write_text(json.dumps(page, ensure_ascii=False, indent=1) + "\n", "utf-8")
    return paths


def draw(view: View, paths: list[Path]) -> bool:
    """Draw into `paths`, in the order of FORMATS. Whether one panel is wider than a column."""
    with style.paper():
        figure = FIGURES[view.figure].draw(view)
        for path, kind in zip(paths, FORMATS, strict=False):
            figure.savefig(path, format=kind, metadata=style.NO_DATES[kind])
    return len(view.panels) == 1 and figure.get_figwidth() > style.SINGLE_WIDTH


def hook(view: View, name: str):
    """A figure module's own function of that name, if it has one; what it imports under that name is a module."""
    own = getattr(FIGURES[view.figure], name, None)
    return own if callable(own) else None


def table(view: View) -> pd.DataFrame:
    """The figure's CSV: its own, or every plotted point of an SA–RA figure."""
    own = hook(view, "table")
    return own(view) if own else csv_table(view.points)


def curves(view: View) -> list[dict]:
    """What the figure's curves go through, as tables for the page: its own, or SA / RA."""
    own = hook(view, "curves")
    return own(view) if own else curves_table(view)


def csv_table(points: pd.DataFrame) -> pd.DataFrame:
    """Every plotted point, sorted: a row per seed and λ, SA and RA in percent."""
    table = points.drop(columns="method").rename(columns={"label": "method", "lam": "lambda"})[CSV_COLUMNS]
    table = table.drop_duplicates().sort_values(CSV_COLUMNS, ignore_index=True)
    return table.round({"sa": 4, "ra": 4})


def curves_table(view: View) -> list[dict]:
    """What the curves go through, as text: a table per panel, a row per method, "SA / RA" per λ (mean over seeds)."""
    tables = []
    for panel in view.panels:
        points = panel.points
        lambdas, labels = sorted(points["lam"].unique()), points["label"].unique()
        means = points.groupby(["label", "lam"])[["sa", "ra"]].mean()
        rows = [{"method": label, "cells": [cell(means, label, lam) for lam in lambdas]} for label in labels]
        head = {"heading": panel.title, "below": panel.subtitle, "lambdas": [f"{lam:g}" for lam in lambdas]}
        tables.append(head | {"rows": rows})
    return tables


def cell(means: pd.DataFrame, label: str, lam: float) -> str:
    if (label, lam) not in means.index:
        return "–"
    sa, ra = means.loc[(label, lam)]
    return f"{sa:.1f} / {ra:.1f}"
