"""The measured rows of results.json, one function per probe: checked, and with plain types.

A row that cannot be (more correct answers than images, a negative variance) raises ValueError: its file was damaged.
"""

import math
from pathlib import PurePath

from bench.measures import correct_bits


def parse(measured: dict) -> list[dict]:
    """One measurement of results.json → its rows, each with `probe`. Rows of a probe unknown here are left out."""
    what = measured["measurement"]
    probe = what.get("probe", "accuracy")  # files older than the other probes do not say
    if probe not in PROBES:
        return []
    return [{"probe": probe} | PROBES[probe](row, what) for row in measured["rows"]]


def accuracy(row: dict, what: dict) -> dict:
    """SA and RA in percent, from counts; and which images were right, as correct_bits writes it, None in old files."""
    n, clean, robust = int(row["n"]), int(row["clean_correct"]), int(row["robust_correct"])
    if not (n > 0 and 0 <= clean <= n and 0 <= robust <= n):
        raise ValueError(f"impossible counts {clean}, {robust} of {n}")
    where = {"lam": fraction(row, "lam"), "width": fraction(row, "width"), "attack": str(row["attack"])}
    counts = {"n": n, "clean_correct": clean, "robust_correct": robust}
    right = {name: row.get(name) for name in correct_bits.COLUMNS}
    for name, text in right.items():
        if text is not None and correct_bits.decode(text, n).sum() != counts[correct_bits.COLUMNS[name]]:
            raise ValueError(f"{name} do not add up to {correct_bits.COLUMNS[name]}")
    rates = {"sa": 100 * clean / n, "ra": 100 * robust / n, "epsilon": number(what, "epsilon")}
    package = {"package": str(row["package"])} if "package" in row else {}  # where the attack is somebody else's work
    return where | counts | right | rates | package


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


def transfer(row: dict, what: dict) -> dict:
    """RA at a λ under examples crafted at every λ′: counts, and how many withstand them all. With dual BN also through
    the other branch, None without."""
    found = {"lam": fraction(row, "lam"), "width": fraction(row, "width"), "attack": str(row["attack"])}
    found |= {"n": int(row["n"]), "crafted_at": numbers(row, "crafted_at"), "epsilon": number(what, "epsilon")}
    found |= {"robust": [int(count) for count in row["robust_correct"]], "clean_correct": int(row["clean_correct"])}
    found |= {"worst": int(row["worst_correct"]), "same_tries": int(row["same_tries_correct"])}
    found |= {name: int(row[name]) for name in ("only_lambda", "only_starts")}
    for name in ("other_branch", "worst_with_branch"):
        found[name] = None if row.get(f"{name}_correct") is None else int(row[f"{name}_correct"])
    counts = [*found["robust"], found["clean_correct"], found["worst"], found["same_tries"], found["other_branch"] or 0]
    impossible = not (found["n"] > 0 and min(counts) >= 0 and max(counts) <= found["n"])
    if impossible or len(found["robust"]) != len(found["crafted_at"]) or found["worst"] > min(found["robust"]):
        raise ValueError(f"impossible counts {found['robust']}, {found['worst']} of {found['n']}")
    return found


def masking(row: dict, what: dict) -> dict:
    """Counts behind the signs of masked gradients at a λ, or (`surrogate` not empty) the images that examples from
    another network fool."""
    found = {"lam": fraction(row, "lam"), "width": fraction(row, "width"), "n": int(row["n"])}
    found["surrogate"] = str(row.get("surrogate") or "")
    if found["surrogate"]:
        return found | {
            "surrogate_name": str(row["surrogate_name"]),
            "fooled_images": [int(index) for index in row["fooled_images"]],
        }
    names = ("clean_correct", "queries", "square", "margin", "zero_gradients", "saturated")
    found |= {name: int(row[name]) for name in names}
    found |= {name: [(int(k), int(count)) for k, count in row[name]] for name in ("steps", "restarts")}
    found["epsilons"] = [(float(epsilon), int(count)) for epsilon, count in row["epsilons"]]
    found |= {"robust_images": [int(index) for index in row["robust_images"]], "epsilon": number(what, "epsilon")}
    counts = [count for name in ("steps", "restarts", "epsilons") for _, count in found[name]]
    counts += [found[name] for name in ("clean_correct", "margin", "square", "zero_gradients")]
    if not (found["n"] > 0 and min(counts) >= 0 and max(counts) <= found["n"]):
        raise ValueError(f"impossible counts {counts} of {found['n']}")
    return found


PROBES = {"accuracy": accuracy, "bn_statistics": bn_statistics, "saliency": saliency, "cost": cost}
PROBES |= {"transfer": transfer, "masking": masking}


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
