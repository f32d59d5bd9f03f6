"""Figure `modern`: Figure 7's networks under stronger attacks than the paper's, RA against λ, a line per attack."""

import pandas as pd

from reports.figures.spec import FigureSpec
from reports.load import formatting
from reports.load.panels import View
from reports.plots import attack_curves, captions, facets
from reports.plots.attack_curves import method_curve, planned_methods
from reports.plots.facets import Facet

ATTACKS = tuple(attack_curves.LOOKS)  # PGD-7 first
WITHOUT_FAB = "adversarial-robustness-toolbox"  # its AutoAttack has no FAB


def by_attack(view: View) -> list[list[Facet]]:
    return facets.by_value(view, "attack", {attack: formatting.attack(attack) for attack in ATTACKS})


def caption(view: View) -> str:
    table = facets.all_curves(sum(by_attack(view), []))
    return captions.join(
        "Robust accuracy of the networks of Figure 7 under each attack; dashed: the paper's PGD-7 on the same images.",
        autoattack_text(view),
        captions.setting(view),
        captions.intervals(table),
        captions.gaps(view, table),
        captions.omitted(view),
    )


def autoattack_text(view: View) -> str:
    if not (view.points.attack == "autoattack").any():
        return ""
    packages = sorted(view.points.package.dropna().unique())
    text = f"AutoAttack (standard version) by {formatting.listing(packages)}"
    fab = ", with DeepFool in FAB's place (docs/attacks.md)" if any(WITHOUT_FAB in name for name in packages) else ""
    return f"{text}{fab}."


def summary(view: View) -> list[dict]:
    """A table per data set: RA by λ, a row per method and attack, and the loss against PGD-7."""
    tables = []
    for row in by_attack(view):
        rows = []
        for method in planned_methods(row):
            pgd7 = method_curve(row[0], method).set_index("lam").ra
            for facet in row:
                ra = method_curve(facet, method).set_index("lam").ra
                texts = {f"RA at λ = {lam:g}, %": ra_text(ra[lam], pgd7.get(lam), facet is row[0]) for lam in ra.index}
                rows.append({"Method": method, "Attack": facet.heading} | texts)
        filled = pd.DataFrame(rows).fillna("–").to_dict("records")  # methods may be measured at different λ
        heading = f"{row[0].panel.title}: RA, and in brackets the loss against PGD-7"
        tables.append({"heading": heading, "below": row[0].panel.subtitle, "rows": filled})
    return tables


def ra_text(ra: float, pgd7: float | None, is_pgd7: bool) -> str:
    """Write RA with its difference from RA under PGD-7."""
    if pd.isna(ra):
        return "–"
    return f"{ra:.1f}" if is_pgd7 or pgd7 is None or pd.isna(pgd7) else f"{ra:.1f} ({ra - pgd7:+.1f})"


MODERN = FigureSpec(
    name="modern",
    position=7.5,  # beside Figure 7, whose networks it attacks
    title="Today's attacks: robust accuracy beyond PGD-7",
    claim="Has no such figure: it attacks by PGD-7, PGD-20, MI-FGSM and FGSM alone. AutoAttack has since become the "
    "yardstick of robust accuracy; more steps, restarts and the margin loss are the lesser answer to the same doubt.",
    keep={"attack": list(ATTACKS), "width": [1.0]},
    draw=lambda view: attack_curves.draw(by_attack(view)),
    caption=caption,
    summary=summary,
    curves=lambda view: facets.curve_tables(sum(by_attack(view), [])),
    suite="extra/modern",
)
