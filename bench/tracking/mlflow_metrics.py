"""Rows of progress.jsonl and results.json → MLflow metrics."""

import time

from mlflow.entities import Metric

from bench.spec.lambda_sets import S1
from bench.tracking.curves import at_lambda

EPOCH_METRICS = {  # field of a progress.jsonl row → MLflow's name
    "loss": "train/loss",
    "lr": "train/lr",
    "train_sa": "train/SA",
    "train_ra": "train/RA",
    "heldout_sa": "heldout/SA",
    "heldout_ra": "heldout/RA",
    "score": "heldout/score",
    "seconds": "train/epoch_seconds",
}
FRACTIONS = ("train_sa", "train_ra", "heldout_sa", "heldout_ra", "score")  # logged in percent, as SA and RA are
NAMED_LAMBDAS = S1  # λ whose SA and RA are metrics of their own: MLflow's tables show a metric's last step alone
COST_FIELDS = ("macs", "parameters", "milliseconds")


def epoch_metrics(rows: list[dict]) -> list[Metric]:
    """The metrics of finished epochs, at step = epoch; accuracies in percent."""
    now = milliseconds_now()
    return [
        Metric(name, round(100 * row[field], 4) if field in FRACTIONS else row[field], now, row["epoch"])
        for row in rows
        for field, name in EPOCH_METRICS.items()
        if row.get(field) is not None
    ]


def measurement_metrics(entry: dict, network_seed: int) -> list[Metric]:
    """The metrics of one measurement, an entry of results.json: SA and RA, alignment, or cost.

    RA from another seed's random starts than the network's has a name of its own, RA.pgd7.start0: measurements of
    earlier versions, which attacked every network from the starts of seed 0.

    Per-λ metrics have step 1000·λ, so that MLflow's own chart draws the curve against λ. Other probes have no metric:
    their rows are in the artifact results.json.
    """
    measurement, rows, now = entry["measurement"], entry["rows"], milliseconds_now()
    probe = measurement["probe"]
    if probe == "accuracy":
        suffix, start = ".few" if measurement.get("few_images") else "", measurement.get("seed", 0)
        suffix += f".{measurement['blend']}" if measurement.get("blend") else ""  # at step 1000·α
        return accuracy_metrics(rows, now, suffix, "" if start == network_seed else f".start{start}")
    if probe == "saliency":
        return [Metric("alignment" + width_suffix(row), row["alignment"], now, lambda_step(row)) for row in rows]
    if probe == "cost":
        return [Metric(f"cost/{name}{width_suffix(row)}", row[name], now, 0) for row in rows for name in COST_FIELDS]
    return []


def accuracy_metrics(rows: list[dict], now: int, subset_suffix: str, start_suffix: str) -> list[Metric]:
    """SA and RA in percent, at full width also by the name of λ (`SA λ 0.3`).

    `subset_suffix` tells a measurement on a few test images, or of a blend, from others; `start_suffix` RA from the
    random starts of another seed.
    """
    metrics = []
    for row in rows:
        suffix, ra = width_suffix(row) + subset_suffix, f"RA.{row['attack']}{start_suffix}"
        for name, count in (("SA", row["clean_correct"]), (ra, row["robust_correct"])):
            percent = round(100 * count / row["n"], 2)
            metrics.append(Metric(name + suffix, percent, now, lambda_step(row)))
            if not suffix and row["lam"] in NAMED_LAMBDAS:
                metrics.append(Metric(at_lambda(name, row["lam"]), percent, now, 0))
    return metrics


def is_percent(metric: str) -> bool:
    """Whether a measurement's metric is an accuracy."""
    return metric.startswith(("SA", "RA."))


def lambda_step(row: dict) -> int:
    return round(1000 * row["lam"])


def width_suffix(row: dict) -> str:
    return "" if row["width"] == 1 else f".w{row['width']:g}"


def milliseconds_now() -> int:
    return int(time.time() * 1000)
