"""Signs of masked gradients, for every network (docs/masking.md)."""

import numpy as np
import pandas as pd

from reports.load import formatting
from reports.load.results import Panel, View
from reports.plots import style
from reports.statistics import gradient_masking
from reports.statistics.gradient_masking import MEANING, SIGNS, Sign

TITLE = "Masking. Is RA what the attack says?"
CLAIM = (
    "No such test. RA under an attack by gradients says little of a network that hides them: Athalye et al. (ICML "
    "2018) and Carlini et al. (2019) list what shows it."
)
KEEP = {"probe": ["masking"], "width": [1.0]}
COLUMNS = [
    "method",
    "dataset",
    "scale",
    "seed",
    "net_lam",
    "lambda",
    "sign",
    "images",
    "n",
    "allowed",
    "p",
    "fails",
    "key",
]


def draw(view: View):
    figure, axes = style.panels(1, len(view.panels), height=0.7 + 2.4 * len(view.panels))
    figure.set_figwidth(style.TEXT_WIDTH)
    for (ax,), panel in zip(axes, view.panels, strict=True):
        draw_panel(ax, panel)
    style.legend(figure, axes.ravel(), {})
    return figure


def draw_panel(ax, panel: Panel) -> None:
    """A line per sign, a point per network and λ; the red bar is the least share that fails."""
    style.title(ax, panel.title, panel.subtitle)
    found = gradient_masking.signs(panel.probes)
    if not found:
        style.empty(ax)
        return style.note(ax, panel.missing_text)
    labels = list(dict.fromkeys(sign.row["label"] for sign in found))
    for y, name in enumerate(SIGNS):
        own = [sign for sign in found if sign.name == name]
        for k, label in enumerate(labels):
            shares = [100 * sign.count / sign.n for sign in own if sign.row["label"] == label]
            look = {key: value for key, value in style.method(label, labels).items() if key != "zorder"}
            height = y + 0.22 * (k - (len(labels) - 1) / 2)
            spread = height + 0.07 * np.linspace(-1, 1, len(shares)) if len(shares) > 1 else [height] * len(shares)
            ax.plot(shares, spread, ls="", ms=3, mec="white", mew=0.3, alpha=0.85, label=label, **look)
        limits = [100 * sign.limit / sign.n for sign in own]
        if limits:
            ax.plot([min(limits)] * 2, [y - 0.4, y + 0.4], color="#B2182B", lw=1.6, label="fails from here on")
    ax.set_yticks(range(len(SIGNS)), [f"{name}\n{MEANING[name]}" for name in SIGNS])
    ax.set(ylim=(len(SIGNS) - 0.45, -0.55), xlabel="% of test images")
    ax.set_xlim(-1.5, max(30.0, *(104 * sign.count / sign.n for sign in found)))
    style.note(ax, panel.missing_text, xy=(1, 0.02), ha="right")


def summary(view: View) -> list[dict]:
    tables = []
    for panel in view.panels:
        by_row: dict[tuple, list[Sign]] = {}
        for sign in gradient_masking.signs(panel.probes):
            by_row.setdefault((sign.row["key"], sign.row["lam"]), []).append(sign)
        names = panel.trials.set_index("key").name.to_dict()
        lenders = {row["surrogate"] for row in panel.probes}
        rows = [line(names.get(key, key), own, key in lenders) for (key, _), own in by_row.items()]
        tables.append({"heading": panel.title, "below": panel.subtitle, "rows": rows})
    return tables


def line(name: str, signs: list[Sign], lends: bool) -> dict:
    """A network at a λ: the numbers, and the signs that it fails. lends: the others' examples are crafted on it."""
    row, fails = signs[0].row, [sign.name for sign in signs if sign.fails]
    found = {"Network": name.split(" · ")[0] + f", seed {row['seed']}", "λ": f"{row['lam']:g}"}
    found["RA after 7 / 20 / 50 steps"] = " / ".join(share(count, row) for _, count in row["steps"])
    found["5 starts"] = share(row["restarts"][-1][1], row)
    reached = [f"{share(count, row)} at {epsilon / row['epsilon']:.3g}ε" for epsilon, count in row["epsilons"]]
    found["RA at larger ε"] = ", ".join(reached) or "0 at ε"
    by_name = {sign.name: sign for sign in signs}
    for sign, column in {"Square": "Square finds", "margin loss": "margin finds", "transfer": "transfer finds"}.items():
        gone = "lends the examples" if lends else "no PGD-AT network here"
        found[column] = share(by_name[sign].count, row) if sign in by_name else gone
    found["no gradient (CE = 0)"] = f"{share(row['zero_gradients'], row)} ({share(row['saturated'], row)})"
    return found | {"Fails": ", ".join(fails) or f"none of {len(signs)}"}


def share(count: int, row: dict) -> str:
    return f"{100 * count / row['n']:.0f}" if row["n"] <= 100 else f"{100 * count / row['n']:.1f}"


def caption(view: View) -> str:
    found = [sign for panel in view.panels for sign in gradient_masking.signs(panel.probes)]
    if not found:
        return f"Scale {view.scale}; no network has finished. {view.missing_text}."
    networks = len({sign.row["key"] for sign in found})
    flagged = len({sign.row["key"] for sign in found if sign.fails})
    images = formatting.listing(sorted({f"{sign.n:,}" for sign in found}))
    allowed = sorted({f"{100 * share:g} %" for share in SIGNS.values()}, key=len)
    parts = [
        f"{flagged} of {formatting.counted(networks, 'network')} {'fails' if flagged == 1 else 'fail'} a sign.",
        f"A point is a network at a λ, {images} test images, in percent of them. It fails a sign where significantly "
        f"more images show it than an honest network may have ({formatting.listing(allowed)}): exact binomial tests at "
        f"{100 * gradient_masking.LEVEL:g} % for all signs and λ of a network together (Bonferroni).",
        f"Square has {found[0].row['queries']} queries; transfer: examples crafted on the panel's PGD-AT network of "
        "the largest λ and the same seed, which has no such test itself. In brackets: cross-entropy of exactly 0 in "
        "fp32, which is no sign.",
        f"ε = {formatting.listing(sorted({formatting.epsilon(sign.row['epsilon']) for sign in found}))}; "
        f"scale {view.scale}.",
        f"{view.missing_text}." if view.missing_text else "",
    ]
    return " ".join(part for part in parts if part)


def table(view: View) -> pd.DataFrame:
    """Every sign of every network and λ."""
    found = []
    for panel in view.panels:
        for sign in gradient_masking.signs(panel.probes):
            row = sign.row
            head = [row["label"], row["dataset"], row["scale"], row["seed"], row["net_lam"], row["lam"]]
            judged = [sign.name, sign.count, sign.n, SIGNS[sign.name], float(f"{sign.p:.4g}"), sign.fails, row["key"]]
            found.append(head + judged)
    return pd.DataFrame(found, columns=COLUMNS).drop_duplicates().sort_values(COLUMNS, ignore_index=True)


def curves(view: View) -> list[dict]:
    """No curves: the page shows the summary alone."""
    return []
