"""Figures `masking` and `masking-widths`: signs of gradient masking for every network (docs/masking.md)."""

from reports.figures.figure_spec import FigureSpec, probe_figure
from reports.load import formatting
from reports.load.panels import PANEL_COLUMNS, Panel, View
from reports.plots import captions, masking_signs
from reports.statistics.gradient_masking import LEVEL, SIGNS, Sign, signs

COLUMNS = ["method", *PANEL_COLUMNS, "seed", "net_lam", "lambda", "epsilon", "sign", "images", "n", "allowed", "p"]
COLUMNS += ["fails", "key"]


def network_rows(panel: Panel) -> list[dict]:
    by_row: dict[tuple, list[Sign]] = {}
    for sign in signs(panel.probes):
        by_row.setdefault((sign.row["key"], sign.row["width"], sign.row["lam"]), []).append(sign)
    names = panel.trials.set_index("key").name.to_dict()
    surrogates = {row["surrogate"] for row in panel.probes}
    return [network_row(names.get(key, key), group, key in surrogates) for (key, *_), group in by_row.items()]


def network_row(name: str, group: list[Sign], is_surrogate: bool) -> dict:
    """A network at one λ as text. group: its signs. is_surrogate: the others' examples are crafted on this network."""
    row, failed = group[0].row, [sign.name for sign in group if sign.fails]
    at_width = f", width {row['width']:g}" if row["width"] != 1 else ""
    texts = {"Network": name.split(" · ")[0] + f", seed {row['seed']}{at_width}", "λ": f"{row['lam']:g}"}
    texts["RA after 7 / 20 / 50 steps"] = " / ".join(share_text(count, row) for _, count in row["steps"])
    texts["5 starts"] = share_text(row["restarts"][-1][1], row)
    reached = [f"{share_text(count, row)} at {epsilon / row['epsilon']:.3g}ε" for epsilon, count in row["epsilons"]]
    texts["RA at larger ε"] = ", ".join(reached) or "0 at ε"
    by_name = {sign.name: sign for sign in group}
    for sign, column in {"Square": "Square finds", "margin loss": "margin finds", "transfer": "transfer finds"}.items():
        absent = "is the surrogate" if is_surrogate else "no PGD-AT network here"
        texts[column] = share_text(by_name[sign].count, row) if sign in by_name else absent
    shares = share_text(row["zero_gradients"], row), share_text(row["saturated"], row)
    texts["no gradient (CE = 0)"] = "{} ({})".format(*shares)
    return texts | {"Fails": ", ".join(failed) or f"none of {len(group)}"}


def share_text(count: int, row: dict) -> str:
    return f"{100 * count / row['n']:.0f}" if row["n"] <= 100 else f"{100 * count / row['n']:.1f}"


def caption(view: View) -> str:
    every_sign = [sign for panel in view.panels for sign in signs(panel.probes)]
    networks = len({sign.row["key"] for sign in every_sign})
    failed = len({sign.row["key"] for sign in every_sign if sign.fails})
    images = formatting.listing(sorted({f"{sign.n:,}" for sign in every_sign}))
    epsilons = formatting.listing(sorted({formatting.epsilon(sign.row["epsilon"]) for sign in every_sign}))
    allowed = sorted({f"{100 * share:g} %" for share in SIGNS.values()}, key=len)
    places = "λ and widths" if len({sign.row["width"] for sign in every_sign}) > 1 else "λ"
    return captions.join(
        f"{failed} of {formatting.counted(networks, 'network')} {'fails' if failed == 1 else 'fail'} a sign.",
        f"A cell is the largest share over a method's networks and {places}, of {images} test images. A network fails "
        "a sign if significantly more images show it than an honest network may have "
        f"({formatting.listing(allowed)}): exact binomial tests at {100 * LEVEL:g} % for all signs and {places} "
        "of a network together (Bonferroni).",
        f"Square has {every_sign[0].row['queries']} queries; transfer: examples crafted on the panel's PGD-AT network "
        "of the largest λ and the same seed, which has no such test itself. In brackets: cross-entropy of exactly 0 in "
        "fp32, which is no sign.",
        f"ε = {epsilons}; scale {view.scale}.",
        f"{view.missing_text}." if view.missing_text else "",
    )


def csv_rows(view: View) -> list[dict]:
    rows = []
    for sign in (sign for panel in view.panels for sign in signs(panel.probes)):
        judged = {"sign": sign.name, "images": sign.count, "allowed": SIGNS[sign.name], "p": float(f"{sign.p:.4g}")}
        rows.append(sign.row | judged | {"fails": sign.fails})
    return rows


def figure(*, keep: dict[str, list], **fields) -> FigureSpec:
    """Specification of a figure of masking; at several widths the CSV file names the width too."""
    columns = [*COLUMNS, "width"] if len(keep["width"]) > 1 else COLUMNS
    parts = {"draw": masking_signs.draw, "caption": caption, "rows": network_rows, "csv_rows": csv_rows}
    return probe_figure(keep=keep, columns=columns, **parts, **fields)
