"""The files of one figure: images, CSV, and the JSON that the page is made from."""

import json
from pathlib import Path

import pandas as pd

from reports.figures import FIGURES, figure_cache
from reports.figures.spec import csv_table, curves_table
from reports.load import provenance
from reports.load.results import View
from reports.plots import style

FORMATS = ("png", "svg", "pdf")


def write_figure(view: View, out: Path) -> list[Path]:
    """The figure in three formats, its points as CSV, and the JSON from which the page is made again. Images that
    were drawn from the same numbers stay."""
    name, module = view.figure, FIGURES[view.figure]
    paths = [out / f"{name}.{kind}" for kind in (*FORMATS, "csv", "json")]
    drawn_from = figure_cache.digest(view)
    known = figure_cache.unchanged(out / f"{name}.json", paths[: len(FORMATS)], drawn_from)
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
