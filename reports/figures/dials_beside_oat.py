"""Figure `dials`: OAT beside other ways to move between SA and RA with few trainings, and what each costs. Figure
`dials-autoattack`: OAT and mixed probabilities under AutoAttack."""

import pandas as pd

from bench.human_units import format_duration
from bench.spec.blends import other_end
from bench.spec.recipe import Recipe
from bench.spec.registry import BLENDS
from reports.figures.accuracy_figure import PGD7, accuracy_figure
from reports.load.panels import Panel
from reports.plots.facets import Facet
from reports.statistics.curves import FRONTIER, method_order

BYTES = 4  # fp32


def cost_table(facet: Facet) -> dict:
    return {"heading": f"{facet.heading}: what each costs", "below": facet.below, "rows": cost_rows(facet.panel)}


def cost_rows(panel: Panel) -> list[dict]:
    """A row per finished method: the networks of one seed, their training together, their memory, and a pass."""
    networks = panel.trials.drop_duplicates("key").set_index("key")
    parameters = {row["key"]: row["parameters"] for row in panel.probes if row["probe"] == "cost"}
    drawn, rows, base = panel.trials[panel.trials.drawn], [], None
    for label in method_order(drawn.label.unique()):
        curve = drawn[drawn.label == label]
        keys = {seed: needed(of_seed) for seed, of_seed in curve.groupby("seed")}
        finished = [networks.loc[list(each)] for each in keys.values() if each <= set(networks.index)]
        if not finished:
            continue
        totals = [table[["macs_training", "train_seconds"]].sum() for table in finished]
        macs, seconds = sum(totals) / len(totals)
        base = macs if label == FRONTIER else base
        held = [sum(parameters.get(key, float("nan")) for key in each) for each in keys.values()]
        blend = BLENDS.get(curve.blend.iloc[0])
        forward = curve.macs_forward.mean() * (blend.networks if blend else 1)
        rows.append(
            {
                "Method": label,
                "networks": str(len(finished[0])),
                "training, MACs": f"{macs:.3g}",
                f"of {FRONTIER}'s": f"{macs / base:.2f}" if base else "–",
                "training, measured": format_duration(seconds),
                "weights in memory, kB": "–" if pd.isna(held[0]) else f"{BYTES * held[0] / 1000:,.0f}",
                "a pass of one image, MACs": f"{forward:.3g}",
            }
        )
    return rows


def needed(trials: pd.DataFrame) -> set[str]:
    """Keys of the networks that a curve of one seed needs; of a blend also the network at the other end."""
    keys = set(trials.key)
    for trial in trials[trials.blend.notna()].itertuples():
        other = other_end(trial.blend, Recipe.model_validate(trial.recipe))
        keys |= {other.key} if other else set()
    return keys


EXPLANATION = (
    "Of mixed and interpolated networks λ is α, the weight of the robust end, and of MixedNUTS β. Mixtures are "
    "attacked adaptively: an image counts as robust if it withstands the attack through the mixture, through its "
    "smooth surrogate, and the adversarial images of both networks."
)

DIALS = accuracy_figure(
    name="dials",
    position=4.6,  # beside Figure 4, whose networks it blends
    title="Dials without OAT: mixed outputs, interpolated weights and BN",
    claim="No such comparison. Two PGD-AT networks can be mixed, interpolated, or trained as two branches of one; is "
    "one OAT network better than that, and at what cost?",
    keep=PGD7 | {"attack": [*PGD7["attack"], None], "probe": ["accuracy", "cost"]},  # the probe cost has no attack
    axes="tradeoff",
    compare=cost_table,
    explanation=EXPLANATION,
    suite="extra/dials",
)


DIALS_AUTOATTACK = accuracy_figure(
    name="dials-autoattack",
    position=4.7,
    title="Dials without OAT under AutoAttack",
    claim="No such comparison: the paper attacks by PGD-7, PGD-20, MI-FGSM and FGSM alone.",
    keep={"attack": ["autoattack"], "width": [1.0]},
    axes="tradeoff",
    explanation=EXPLANATION,
    suite="extra/modern",
)
