"""Figure `protocol`: the effect of each row of the protocol ledger, as a forest plot with SA left and RA right."""

from functools import partial

import pandas as pd

from reports.figures.accuracy_figure import PGD7
from reports.figures.figure_spec import FigureSpec
from reports.load import formatting
from reports.load.panels import PANEL_COLUMNS, View
from reports.plots import captions, facets, forest
from reports.plots.facets import Facet
from reports.plots.forest import METRICS
from reports.statistics import estimates, protocol_ablation

CSV_COLUMNS = [*PANEL_COLUMNS, "row", "baseline", "changed", "place", "lambdas", "metric", "difference", "low", "high"]
CSV_COLUMNS += ["interval", "p", "p_holm", "values", "baseline_values", "keys"]


def caption(view: View) -> str:
    columns = facets.by_panel(view)
    table = pd.concat([protocol_ablation.comparisons(facet.panel) for facet in columns])
    finished = table.dropna(subset="difference")
    return captions.join(
        "Networks with one thing changed minus their baseline at equal λ, in percentage points: right of 0 is more "
        "accurate. The baseline is the default unless it is named.",
        bars_text(finished),
        scale_text(table),
        multiplicity_text(finished),
        captions.setting(view),
        f"{view.missing_text}; the rows use the finished seeds." if view.missing_text else "",
        captions.omitted(view),
        *(other_attack_text(facet, view) for facet in columns),
    )


def bars_text(finished: pd.DataFrame) -> str:
    images = "about the choice of test images and not about training randomness"
    texts = {
        "t over": "Student's t over seeds, of a difference taken within each seed",
        estimates.PAIRED: f"of one seed, over the test images, both networks on each, {images}",
        estimates.EXACT: "none if a row leaves training alone and no seed's counts differ",
    }
    kinds = {"t over" if kind.startswith("t over") else kind for kind in finished.kind}
    drawn = [text for kind, text in texts.items() if kind in kinds]
    return f"Bars: 95 % intervals, {'; '.join(drawn)}. Long bars are cut at the frame." if drawn else ""


def scale_text(table: pd.DataFrame) -> str:
    """Name the axes that are logarithmic beyond a limit."""
    limits = {METRICS[metric]: forest.linear_limit(table[table.metric == metric]) for metric in METRICS}
    beyond = [f"Δ{name} beyond ±{size} pp" for name, size in limits.items() if size]
    return f"Logarithmic: {formatting.listing(beyond)}." if beyond else ""


def multiplicity_text(finished: pd.DataFrame) -> str:
    """Compare the number of intervals that exclude 0 with that expected by chance."""
    if not len(finished):
        return ""
    return (
        f"Filled: the interval excludes 0. Of {formatting.counted(len(finished), 'comparison')}, about "
        f"{0.05 * len(finished):.0f} would by chance alone if no row mattered; {int((finished.p < 0.05).sum())} do. "
        f"Star: also after Holm's correction for all of them ({int((finished.p_holm < 0.05).sum())})."
    )


def other_attack_text(facet: Facet, view: View) -> str:
    """Name the rows whose RA was measured with another step or ε than the baseline's."""
    panel, (attack,) = facet.panel, PGD7["attack"]
    names = [
        row["row"]
        for row in protocol_ablation.ledger_rows(panel.trials)
        if protocol_ablation.attacked_otherwise(panel, row, view.runs, attack)
    ]
    if not names:
        return ""
    return f"RA is measured with another step or ε than the baseline's for {formatting.listing(names)}."


def summary(view: View) -> list[dict]:
    """A table per data set: per ledger row and place the differences, and whether their intervals exclude 0."""
    tables = []
    for facet in facets.by_panel(view):
        table = protocol_ablation.comparisons(facet.panel)
        rows = [comparison_row(group) for _, group in table.groupby(["row", "place"], sort=False)]
        number = formatting.counted(int(table.p.notna().sum()), "comparison")
        tables.append({"heading": f"{facet.heading}: {number}", "below": facet.below, "rows": rows})
    return tables


def comparison_row(group: pd.DataFrame) -> dict:
    """Text of one ledger row at one place. group: its comparisons, one per metric."""
    first = group.iloc[0]
    texts = {"Ledger row": first.row, "Baseline": first.baseline or "–", "at": first.place}
    if first.place == "mean over λ":
        texts["at"] = f"mean over λ = {formatting.listing(f'{lam:g}' for lam in first.lambdas)}"
    for metric, name in METRICS.items():
        row = group[group.metric == metric].iloc[0]
        finished = pd.notna(row.difference)
        interval = f"{row.difference:+.1f} [{row.low:+.1f}, {row.high:+.1f}]"
        texts[f"Δ{name}, pp"] = interval if finished else "not finished"
        texts[f"{name}: excludes 0"] = protocol_ablation.excludes_zero(row.p, row.p_holm)
    return texts | {"Interval": " / ".join(dict.fromkeys(group.kind.dropna())) or "–"}


def csv(view: View) -> pd.DataFrame:
    """Every drawn difference, and the values per seed that it comes from, SA and RA in percent."""
    tables = []
    for panel in facets.drawn_panels(view):
        place = {name: getattr(panel, name) for name in ("dataset", "arch", "experiment")}
        place |= {"scale": view.scale, "variant": formatting.overrides(panel.overrides)}
        tables.append(protocol_ablation.comparisons(panel).assign(**place))
    table = pd.concat(tables, ignore_index=True)
    table = table.rename(columns={"kind": "interval", "other_values": "baseline_values"})
    for column in ("lambdas", "values", "baseline_values"):
        table[column] = table[column].map(numbers_text)
    table["keys"] = table["keys"].map(" ".join)
    table["changed"] = [" ".join(sorted(changed)) for changed in table.changed]
    return table[CSV_COLUMNS].round({"difference": 4, "low": 4, "high": 4, "p": 6, "p_holm": 6})


def numbers_text(numbers: list[float]) -> str:
    return " ".join(f"{number:.6g}" for number in numbers)


figure = partial(
    FigureSpec,
    draw=lambda view: forest.draw(facets.by_panel(view)),
    caption=caption,
    summary=summary,
    csv=csv,
    curves=lambda view: facets.curve_tables(facets.by_panel(view)),
)
