"""Cost of a forward pass by method and width, and its overhead over the method without FiLM (Sec. 4.3)."""

import numpy as np
import pandas as pd

from reports.load.panels import Panel

BASELINES = {"OAT": "PGD-AT", "OATS": "PGD-ATS"}  # by the first word of a method's label
ORDER = ["PGD-AT", "OAT", "PGD-ATS", "OATS"]
PAPER_MACS = {"PGD-ATS": 1.16e9, "OATS (dual BN)": 1.18e9}  # at width 1; ResNet-34 on CIFAR-10
MEASURED = ["macs", "film_macs", "parameters", "milliseconds"]
COMPARED = ["macs", "parameters", "milliseconds"]


def baseline(label: str) -> str | None:
    """Method that a method's cost is compared with; None for a baseline itself."""
    return BASELINES.get(label.split()[0])


def costs(panel: Panel) -> pd.DataFrame:
    """A row per method and width, widest first within a method.

    Columns: label, width, networks (their number), batch, key; macs, film_macs, parameters and milliseconds, medians
    over networks, which differ in time alone; least and greatest milliseconds; macs_over, parameters_over and
    milliseconds_over, ratios to the baseline of the same width, or NaN.
    """
    rows = pd.DataFrame(panel.probes, columns=["label", "width", "key", "batch", *MEASURED])
    medians = {name: (name, "median") for name in MEASURED}
    table = rows.groupby(["label", "width"], as_index=False).agg(
        networks=("key", "size"), batch=("batch", "first"), key=("key", "first"), **medians,
        least=("milliseconds", "min"), greatest=("milliseconds", "max"),
    )  # fmt: skip
    by_place = table.set_index(["label", "width"])
    for name in COMPARED:
        pairs = [(baseline(row.label), row.width) for row in table.itertuples()]
        base = [by_place.loc[pair, name] if pair in by_place.index else np.nan for pair in pairs]
        table[f"{name}_over"] = table[name] / np.array(base, float)
    return table.sort_values(["label", "width"], ascending=[True, False], key=sort_key, ignore_index=True)


def sort_key(values: pd.Series) -> pd.Series:
    """Labels by ORDER, then by name; widths as they are."""
    if values.name != "label":
        return values

    def place(label: str) -> tuple[int, str]:
        first = label.split()[0]
        return ORDER.index(first) if first in ORDER else len(ORDER), label

    return values.map({label: index for index, label in enumerate(sorted(set(values), key=place))})


def is_papers_setting(panel: Panel, scale: str) -> bool:
    """Whether the paper's numbers are of this network: ResNet-34 on CIFAR-10, nothing overridden, at full size."""
    same = panel.arch == "resnet34" and panel.dataset.startswith("cifar10")
    return same and scale in ("paper", "short") and not panel.overrides
