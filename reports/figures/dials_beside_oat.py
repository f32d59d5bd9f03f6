"""Figure `dials`: OAT beside other ways to move between SA and RA with few trainings, and what each costs."""

from functools import partial

import pandas as pd

from bench.human_units import format_duration
from bench.spec.blends import other_end
from bench.spec.recipe import Recipe
from bench.spec.registry import BLENDS
from reports.figures.accuracy_figure import Comparison, accuracy_figure
from reports.plots.facets import Facet
from reports.statistics.curves import FRONTIER, method_order

BYTES = 4  # fp32


def costs(facet: Facet) -> Comparison:
    """A row per finished method: the networks of one seed, their training together, their memory, and a pass."""
    panel = facet.panel
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
    return ": what each costs", rows


def needed(trials: pd.DataFrame) -> set[str]:
    """Keys of the networks that a curve of one seed needs; of a blend also the network at the other end."""
    keys = set(trials.key)
    for trial in trials[trials.blend.notna()].itertuples():
        other = other_end(trial.blend, Recipe.model_validate(trial.recipe))
        keys |= {other.key} if other else set()
    return keys


figure = partial(accuracy_figure, compare=costs)
