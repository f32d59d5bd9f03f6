"""Figures `modern` and `modern-widths`: networks under stronger attacks than the paper's, RA against λ, a line per
attack. Their tables and CSV files also have the minimum over all attacks made on a network, image by image."""

from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd

from bench.measures.best_known import ACROSS, attacks_by_point, best_known
from bench.trial_dir import read_results
from reports.figures.figure_spec import CSV_COLUMNS, FigureSpec, csv_of
from reports.load import formatting
from reports.load.panels import View
from reports.plots import attack_curves, captions, facets
from reports.plots.attack_curves import method_curve, planned_methods
from reports.plots.facets import Facet

WITHOUT_FAB = "adversarial-robustness-toolbox"  # of earlier versions of this suite: its AutoAttack has no FAB
BEST_KNOWN = "best-known"  # in place of an attack
IDENTITY = ["key", "label", "lam", "width", "epsilon"]  # of a point
BEST = "best known, the minimum over all attacks image by image"


def figure(*, keep: dict[str, list], networks: str, **fields) -> FigureSpec:
    """Specification of a figure of attacks, PGD-7 first. networks: that are attacked, for the caption."""
    rows = partial(rows_of, keep=keep)

    def caption(view: View) -> str:
        return captions.join(
            f"Robust accuracy of the networks of {networks} under each attack; dashed: the paper's PGD-7 on the same "
            "images.",
            autoattack_text(view),
            captions.of_curves(sum(rows(view), []), view),
        )

    return FigureSpec(
        draw=lambda view: attack_curves.draw(rows(view), view),
        caption=caption,
        summary=lambda view: [table_of(row, view) for row in rows(view)],
        csv=csv,
        curves=lambda view: facets.curve_tables(sum(rows(view), [])),
        keep=keep,
        **fields,
    )


def rows_of(view: View, keep: dict[str, list]) -> list[list[Facet]]:
    """A row per width and data set, with a facet per attack."""
    rows = []
    for width in keep["width"]:
        narrow = replace(view, panels=[panel.only(width=width) for panel in view.panels])
        at_width = f"; width {width:g}" if len(keep["width"]) > 1 else ""
        of_width = facets.by_kept(narrow, {"attack": keep["attack"]})
        rows += [[replace(facet, below=facet.below + at_width) for facet in row] for row in of_width]
    return rows


def autoattack_text(view: View) -> str:
    if not (view.points.attack == "autoattack").any():
        return ""
    packages = sorted(view.points.package.dropna().unique())
    text = "AutoAttack (standard version)" + (f" by {formatting.listing(packages)}" if packages else "")
    fab = ", with DeepFool in FAB's place (docs/attacks.md)" if any(WITHOUT_FAB in name for name in packages) else ""
    return f"{text}{fab}."


def table_of(row: list[Facet], view: View) -> dict:
    """RA by λ of a row of facets: a row per method and attack with the loss against PGD-7, and the best known RA."""
    rows, points = [], pd.concat([facet.panel.points for facet in row])
    best = best_known_points(points, view.runs)
    for method in planned_methods(row):
        pgd7 = method_curve(row[0], method).set_index("lam").ra
        for facet in row:
            ra = method_curve(facet, method).set_index("lam").ra
            rows.append({"Method": method, "Attack": facet.heading} | ra_texts(ra, pgd7, facet is row[0]))
        best_of_method = best[best.label == method]
        if len(best_of_method):
            ra = best_of_method.groupby("lam").ra.mean().sort_index(ascending=False)
            decided = {"Decided by": decided_text(best_of_method)}
            rows.append({"Method": method, "Attack": BEST} | ra_texts(ra, pgd7, False) | decided)
    filled = pd.DataFrame(rows).fillna("–").to_dict("records")  # methods may be measured at different λ
    heading = f"{row[0].panel.title}: RA, and in brackets the loss against PGD-7"
    below = row[0].below.removeprefix(row[0].panel.title).strip("; ")
    return {"heading": heading, "below": below, "rows": filled}


def best_known_points(points: pd.DataFrame, runs: Path) -> pd.DataFrame:
    """A row per point of `points` (reports.load.panels.POINT_COLUMNS), on the same images, with `attack` BEST_KNOWN and
    `decided_by`: attack → images that it fools and no stronger one does."""
    rows = []
    for key, of_network in points.drop_duplicates(IDENTITY).groupby("key", sort=False):
        attacks = attacks_by_point(read_results(runs / "trials" / key, key))
        for point in of_network.to_dict("records"):
            best = best_known(attacks[point["lam"], point["width"], point["epsilon"]], point["n"])
            counts = {"robust_correct": best.robust_correct, "ra": best.ra, "robust_hits": best.robust_hits}
            rows.append(point | counts | {"attack": BEST_KNOWN, "package": None, "decided_by": best.decided_by})
    return pd.DataFrame(rows, columns=[*points.columns, "decided_by"])


def decided_text(points: pd.DataFrame) -> str:
    """Share of the fooled images that each attack decided, of best_known_points: AutoAttack 97 %, PGD-50 3 %."""
    counts = sum(map(Counter, points.decided_by), Counter())
    names = {name: formatting.attack(name.removesuffix(ACROSS)) + ACROSS * name.endswith(ACROSS) for name in counts}
    shares = [f"{names[name]} {100 * count / counts.total():.0f} %" for name, count in counts.most_common()]
    return ", ".join(shares) or "no image is fooled"


def ra_texts(ra: pd.Series, pgd7: pd.Series, is_pgd7: bool) -> dict[str, str]:
    return {f"RA at λ = {lam:g}, %": ra_text(ra[lam], pgd7.get(lam), is_pgd7) for lam in ra.index}


def ra_text(ra: float, pgd7: float | None, is_pgd7: bool) -> str:
    """Write RA with its difference from RA under PGD-7."""
    if pd.isna(ra):
        return "–"
    return f"{ra:.1f}" if is_pgd7 or pgd7 is None or pd.isna(pgd7) else f"{ra:.1f} ({ra - pgd7:+.1f})"


def csv(view: View) -> pd.DataFrame:
    """The plotted points and, as another attack, the best known RA with what decided: `autoattack:21 cw50-r10:1`."""
    best = best_known_points(view.points, view.runs)
    decided = [" ".join(f"{name.replace(' ', '-')}:{count}" for name, count in row.items()) for row in best.decided_by]
    table = pd.concat([view.points.assign(decided_by=""), best.assign(decided_by=decided)])
    return csv_of(table, [*CSV_COLUMNS, "decided_by"])
