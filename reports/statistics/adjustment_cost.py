"""What the adjustment of λ costs: one training against a training per λ, and a switch of λ against a batch."""

import pandas as pd

from reports.load.panels import Panel
from reports.statistics import estimates
from reports.statistics.contrasts import MissingNetworks
from reports.statistics.estimates import Estimate


def trainings(panel: Panel) -> pd.DataFrame:
    """A row per trained network that is drawn: label, lam, seed, key, and its training's macs and seconds."""
    drawn = panel.trials[panel.trials.drawn.astype(bool)]
    table = drawn.rename(columns={"macs_training": "macs", "train_seconds": "seconds"})
    return table[["label", "lam", "seed", "key", "macs", "seconds"]].reset_index(drop=True)


def training_ratio(panel: Panel, label: str, of: str, lambdas: list[float], quantity: str) -> Estimate:
    """Training cost of `label` over that of the networks of `of`, one per λ, together, of the seeds that have them all.

    quantity: macs or seconds. The interval spans the seeds. Raises MissingNetworks.
    """
    table, ratios, keys = trainings(panel), [], set()
    for _, rows in table.groupby("seed"):
        conditional = rows[rows.label == label]
        dedicated = rows[(rows.label == of) & rows.lam.round(6).isin(lambdas)]
        if len(conditional) and set(dedicated.lam.round(6)) == set(lambdas):
            total = dedicated.drop_duplicates("lam")
            ratios.append(float(conditional[quantity].iloc[0] / total[quantity].sum()))
            keys |= {conditional.key.iloc[0], *total.key}
    if not ratios:
        raise MissingNetworks(f"{label}, and {of} at each of {len(lambdas)} λ, of one seed")
    return estimates.exact(ratios, keys)


def switch_times(panel: Panel) -> pd.DataFrame:
    """A row per measured network: label, seed, key, batch, milliseconds of a batch at the same λ, switched_milliseconds
    with another λ set before it (NaN for a network of one λ), and switch, the difference of the two."""
    columns = ["label", "seed", "key", "batch", "milliseconds", "switched_milliseconds"]
    rows = [row for row in panel.probes if row["width"] == 1.0]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(switch=table.switched_milliseconds - table.milliseconds)
