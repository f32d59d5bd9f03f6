"""Write the files of one figure: images, CSV, and the JSON that the page is made from."""

import json
from pathlib import Path

from reports.figures import figure_cache
from reports.figures.spec import FigureSpec
from reports.load import provenance
from reports.load.panels import View
from reports.plots import style

FORMATS = ("png", "svg", "pdf")


def write_figure(spec: FigureSpec, view: View, out: Path) -> list[Path]:
    """Write a figure in three formats, its points as CSV, and its JSON. Images drawn from the same data are kept."""
    paths = [out / f"{spec.name}.{suffix}" for suffix in (*FORMATS, "csv", "json")]
    drawn_from = figure_cache.digest(view)
    unchanged = figure_cache.read_unchanged(out / f"{spec.name}.json", paths[: len(FORMATS)], drawn_from)
    wide = unchanged.get("wide", False) if unchanged else draw(spec, view, paths)
    spec.csv(view).to_csv(out / f"{spec.name}.csv", index=False, lineterminator="\n")
    page = {"figure": spec.name, "title": spec.title, "claim": spec.claim, "caption": spec.caption(view)}
    tables = {"summary": spec.summary(view), "curves": spec.curves(view)}
    page |= {name: [table for table in group if table["rows"]] for name, group in tables.items()}
    page |= provenance.describe(view, out)
    page |= {"wide": True} if wide else {}
    page["drawn_from"] = drawn_from
    (out / f"{spec.name}.json").write_text(json.dumps(page, ensure_ascii=False, indent=1) + "\n", "utf-8")
    return paths


def draw(spec: FigureSpec, view: View, paths: list[Path]) -> bool:
    """Draw into `paths`, in the order of FORMATS. Returns whether a single panel is wider than a column."""
    with style.paper():
        figure = spec.draw(view)
        for path, suffix in zip(paths, FORMATS, strict=False):
            figure.savefig(path, format=suffix, metadata=style.METADATA[suffix])
    return len(view.panels) == 1 and figure.get_figwidth() > style.SINGLE_WIDTH
