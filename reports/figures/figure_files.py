"""Write the files of one figure: images, CSV, and the JSON that the page is made from."""

from collections.abc import Sequence
from pathlib import Path

from bench.damaged_files import set_aside, write_sealed
from bench.errors import BadInput, unknown
from reports.figures import figure_cache
from reports.figures.figure_spec import FigureSpec
from reports.load import provenance
from reports.load.panels import View
from reports.plots import style
from reports.plots.style_options import PAPER, Look

FORMATS = ("png", "svg", "pdf")


def parse_formats(text: str) -> tuple[str, ...]:
    """png,svg → ("png", "svg"), in the order of FORMATS. Raises BadInput."""
    names = text.split(",")
    for name in names:
        if name not in FORMATS:
            raise BadInput(f"--formats {text}: {unknown('format', name, FORMATS)}")
    return tuple(name for name in FORMATS if name in names)


def write_figure(
    spec: FigureSpec, view: View, out: Path, formats: Sequence[str] | None = None, look: Look = PAPER
) -> list[Path]:
    """Write a figure in these formats (None: all), its points as CSV, and its JSON.

    Images drawn from the same data are kept; images of an earlier report in other formats are deleted.
    """
    formats = formats or FORMATS
    images = {suffix: out / f"{spec.name}.{suffix}" for suffix in formats}
    drawn_from = figure_cache.digest(view, look)
    unchanged = figure_cache.read_unchanged(out / f"{spec.name}.json", list(images.values()), drawn_from)
    tall = unchanged.get("tall", False) if unchanged else draw(spec, view, images, look)
    for suffix in set(FORMATS) - set(formats):
        (out / f"{spec.name}.{suffix}").unlink(missing_ok=True)
    spec.csv(view).to_csv(out / f"{spec.name}.csv", index=False, lineterminator="\n")
    page = {"figure": spec.name, "title": spec.title, "claim": spec.claim, "caption": spec.caption(view)}
    tables = {"summary": spec.summary(view), "curves": spec.curves(view)}
    page |= {name: [table for table in group if table["rows"]] for name, group in tables.items()}
    page |= provenance.describe(view, out)
    page |= {"tall": True} if tall else {}
    page |= {"dial": dial} if (dial := spec.dial(view)) else {}
    page |= {"formats": list(formats), "drawn_from": drawn_from}
    if (out / f"{spec.name}.json").is_dir():
        set_aside(out / f"{spec.name}.json")
    write_sealed(out / f"{spec.name}.json", page)
    return [*images.values(), out / f"{spec.name}.csv", out / f"{spec.name}.json"]


def draw(spec: FigureSpec, view: View, images: dict[str, Path], look: Look = PAPER) -> bool:
    """Draw into the files, by format. Returns whether the figure is taller than wide."""
    with style.paper(look):
        figure = spec.draw(view)
        for suffix, path in images.items():
            figure.savefig(path, format=suffix, metadata=style.METADATA[suffix])
    return figure.get_figheight() > figure.get_figwidth()
