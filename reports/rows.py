"""The measured rows of results.json, one function per probe: checked, and with plain types.

A row that cannot be (more correct answers than images, a negative variance) raises ValueError: its file was damaged.
"""

import math
from pathlib import PurePath

from bench import hits


def parse(measured: dict) -> list[dict]:
    """One measurement of results.json → its rows, each with `probe`. Rows of a probe unknown here are left out."""
    what = measured["measurement"]
    probe = what.get("probe", "accuracy")  # files older than the other probes do not say
    if probe not in PROBES:
        return []
    return [{"probe": probe} | PROBES[probe](row, what) for row in measured["rows"]]


def accuracy(row: dict, what: dict) -> dict:
    """SA and RA in percent, from counts; and which images were right, as bench.hits writes it, None in older files."""
    n, clean, robust = int(row["n"]), int(row["clean_correct"]), int(row["robust_correct"])
    if not (n > 0 and 0 <= clean <= n and 0 <= robust <= n):
        raise ValueError(f"impossible counts {clean}, {robust} of {n}")
    where = {"lam": fraction(row, "lam"), "width": fraction(row, "width"), "attack": str(row["attack"])}
    counts = {"n": n, "clean_correct": clean, "robust_correct": robust}
    right = {name: row.get(name) for name in hits.COLUMNS}
    for name, text in right.items():
        if text is not None and hits.decode(text, n).sum() != counts[hits.COLUMNS[name]]:
            raise ValueError(f"{name} do not add up to {hits.COLUMNS[name]}")
    shares = {"sa": 100 * clean / n, "ra": 100 * robust / n}
    return where | counts | right | shares | {"epsilon": number(what, "epsilon")}


def bn_statistics(row: dict, what: dict) -> dict:
    """Fig. 2: running mean and variance of the last BN layer's channels; lam is NaN for a conditional network."""
    mean, var = (numbers(row, name) for name in ("mean", "var"))
    if not mean or len(mean) != len(var) or min(var) < 0:
        raise ValueError(f"impossible BN statistics: {len(mean)} means, {len(var)} variances, the least {min(var)}")
    lam = math.nan if row["lam"] is None else fraction(row, "lam")
    where = {"lam": lam, "branch": str(row["branch"]), "width": fraction(row, "width"), "layer": str(row["layer"])}
    return where | {"mean": mean, "var": var}


def saliency(row: dict, what: dict) -> dict:
    """Fig. 10–12: mean alignment over n test images; the maps lie in `file`, beside results.json."""
    n, spread = int(row["n"]), row["alignment_sd"]
    where = {"lam": fraction(row, "lam"), "width": fraction(row, "width"), "n": n, "file": str(row["file"])}
    found = {"alignment": number(row, "alignment"), "alignment_sd": math.nan}
    if n > 1 and spread is not None:
        found["alignment_sd"] = number(row, "alignment_sd")
    if n < 1 or found["alignment"] < 0 or found["alignment_sd"] < 0 or PurePath(where["file"]).name != where["file"]:
        raise ValueError(f"impossible saliency row: n = {n}, alignment {row['alignment']}, file {where['file']}")
    return where | found


def cost(row: dict, what: dict) -> dict:
    """Sec. 4.3: of the sub-network at a width: MACs of one image, parameters, median time of a batch's forward pass."""
    counts = {name: int(row[name]) for name in ("macs", "film_macs", "parameters", "batch", "threads")}
    found = counts | {"width": fraction(row, "width"), "milliseconds": number(row, "milliseconds")}
    least = min(found[name] for name in ("macs", "parameters", "milliseconds", "batch"))
    if least <= 0 or not 0 <= counts["film_macs"] <= counts["macs"]:
        raise ValueError(f"impossible cost {counts}, {row['milliseconds']} ms")
    return found | {"device": str(row["device"])}


PROBES = {"accuracy": accuracy, "bn_statistics": bn_statistics, "saliency": saliency, "cost": cost}


def number(row: dict, name: str) -> float:
    value = float(row[name])
    if not math.isfinite(value):
        raise ValueError(f"{name} is {value}")
    return value


def fraction(row: dict, name: str) -> float:
    """λ and widths."""
    value = number(row, name)
    if not 0 <= value <= 1:
        raise ValueError(f"{name} is {value}, outside [0,1]")
    return value


def numbers(row: dict, name: str) -> list[float]:
    values = [float(value) for value in row[name]]
    if not all(map(math.isfinite, values)):
        raise ValueError(f"{name} is not finite")
    return values
