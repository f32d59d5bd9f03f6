"""Clouds of BN statistics, a point per channel, and how far that of λ=0 stands apart (Fig. 2)."""

import functools
import math

import numpy as np
import pandas as pd

from reports.load.panels import PANEL_COLUMNS, Panel
from reports.statistics import cloud_distances

BN_EPSILON = 1e-5  # added by BN to the variance
# Clouds as drawn, and what remains of them if the weights before the BN are scaled: that changes no output of the
# network, but moves a cloud in the picture.
MEASURES = {
    "mean and variance": lambda mean, var: np.stack([mean, var], axis=1),
    "mean / deviation": lambda mean, var: (mean / np.sqrt(var + BN_EPSILON))[:, None],
}


def networks(panel: Panel) -> pd.DataFrame:
    """A row per measured PGD-AT network, by seed and λ: label, seed, lam, layer, mean and var (C,), key, …"""
    rows = [row for row in panel.probes if row["method"] == "pgd_at" and not math.isnan(row["lam"])]
    arrays = [row | {name: np.array(row[name]) for name in ("mean", "var")} for row in rows]
    table = pd.DataFrame(arrays, columns=["label", "seed", "lam", "layer", "mean", "var", "key", *PANEL_COLUMNS])
    return table.drop_duplicates(["seed", "lam"]).sort_values(["seed", "lam"], ignore_index=True)


def fullest_seeds(table: pd.DataFrame) -> list[int]:
    """Seeds with the most λ; the figure shows the first of them. table: see `networks`."""
    counts = table.groupby("seed").lam.nunique()
    return [int(seed) for seed in counts.index[counts == counts.max()]]


@functools.lru_cache(maxsize=64)  # the axes, the caption and the table ask for it
def isolations(panel: Panel) -> dict[tuple[str, float], dict]:
    """(measure, λ) → cloud_distances.compare of that cloud with the others, for λ=0 and for the largest λ.

    Over the seeds with the most λ, on one scale. Empty without λ=0 and two others.
    """
    table = networks(panel)
    seeds = [table[table.seed == seed] for seed in fullest_seeds(table)]
    lambdas = seeds[0].lam.tolist() if seeds else []
    if len(lambdas) < 3 or lambdas[0] != 0 or min(map(len, table["mean"])) < 3:
        return {}
    seeds = [rows for rows in seeds if rows.lam.tolist() == lambdas]
    result = {}
    for name, measure in MEASURES.items():
        clouds = [[measure(row.mean, row.var) for row in rows.itertuples()] for rows in seeds]
        by_seed = cloud_distances.standardised(clouds)
        result[name, lambdas[0]] = cloud_distances.compare(by_seed)
        result[name, lambdas[-1]] = cloud_distances.compare([clouds[::-1] for clouds in by_seed])
    return result
