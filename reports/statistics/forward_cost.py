"""Cost of a forward pass by method and width, and its overhead over the method without FiLM (Sec. 4.3)."""

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
    """A row per method and width: methods by ORDER, then by name, widest first within a method.

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
    baselines = pd.MultiIndex.from_arrays([table.label.map(baseline), table.width])
    base = table.set_index(["label", "width"])[COMPARED].reindex(baselines)
    table[[f"{name}_over" for name in COMPARED]] = table[COMPARED] / base.to_numpy()
    place = table.label.str.split().str[0].map({name: index for index, name in enumerate(ORDER)})
    by_place = table.assign(place=place).sort_values(["place", "label", "width"], ascending=[True, True, False])
    return by_place.drop(columns="place").reset_index(drop=True)


def is_papers_setting(panel: Panel, scale: str) -> bool:
    """Whether the paper's numbers are of this network: ResNet-34 on CIFAR-10, nothing overridden, at full size."""
    same = panel.arch == "resnet34" and panel.dataset.startswith("cifar10")
    return same and scale in ("paper", "short") and not panel.overrides
