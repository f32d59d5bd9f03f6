"""The schema of results.json: its facts, and the measured rows as plain types, one function per probe.

Impossible rows (more correct answers than images, a negative variance) raise ValueError: the file is damaged. Imports
neither torch nor numpy.
"""

import math
from pathlib import PurePath

from bench.measures import correct_bits
from bench.spec import registry


def check_facts(results: dict) -> None:
    """Raise an exception unless results.json has all fields that readers use, each of its type."""
    heldout, seconds, macs = results["heldout"] or {}, results["seconds"], results["macs"]
    numbers = [seconds["train"], seconds["measure"], macs["forward"], macs["training"]]
    numbers += [heldout[name] for name in ("score", "epoch") if heldout.get(name) is not None]
    if not all(math.isfinite(value) and value >= 0 for value in numbers):
        raise ValueError("a number is negative or not finite")
    if not isinstance(results["key"], str) or not isinstance(results["recipe"], dict):
        raise ValueError("no key or no recipe")
    results["provenance"].items()
    for entry in results["measurements"].values():
        if not isinstance(entry["measurement"]["probe"], str) or not all(isinstance(r, dict) for r in entry["rows"]):
            raise ValueError("a measurement without probe or rows")


def parse(entry: dict) -> list[dict]:
    """Rows of one entry of `measurements` in results.json, each with its `probe`; none for an unknown probe."""
    measurement = entry["measurement"]
    probe = measurement["probe"]
    plugin = registry.PROBES.get(probe)
    check = PROBES.get(probe) or (plugin and plugin.row and registry.load(plugin.row))
    return [{"probe": probe} | check(row, measurement) for row in entry["rows"]] if check else []


def accuracy(row: dict, measurement: dict) -> dict:
    """SA and RA in percent, their counts, and which images were right (bench.measures.correct_bits)."""
    n, clean, robust = int(row["n"]), int(row["clean_correct"]), int(row["robust_correct"])
    if not (n > 0 and 0 <= clean <= n and 0 <= robust <= n):
        raise ValueError(f"impossible counts {clean}, {robust} of {n}")
    where = {"lam": fraction(row, "lam"), "width": fraction(row, "width"), "attack": str(row["attack"])}
    counts = {"n": n, "clean_correct": clean, "robust_correct": robust}
    bits = {name: str(row[name]) for name in correct_bits.COLUMNS}
    for name, text in bits.items():
        if correct_bits.count(text, n) != counts[correct_bits.COLUMNS[name]]:
            raise ValueError(f"{name} do not add up to {correct_bits.COLUMNS[name]}")
    rates = {"sa": 100 * clean / n, "ra": 100 * robust / n, "epsilon": number(measurement, "epsilon")}
    package = {"package": str(row["package"])} if "package" in row else {}  # of an attack that another package makes
    return where | counts | bits | rates | package


def bn_statistics(row: dict, measurement: dict) -> dict:
    """Running mean and variance of the last BN layer's channels (Fig. 2); lam is NaN for a conditional network."""
    mean, var = (numbers(row, name) for name in ("mean", "var"))
    if not mean or len(mean) != len(var) or min(var) < 0:
        raise ValueError(f"impossible BN statistics: {len(mean)} means, {len(var)} variances, the least {min(var)}")
    lam = math.nan if row["lam"] is None else fraction(row, "lam")
    where = {"lam": lam, "branch": str(row["branch"]), "width": fraction(row, "width"), "layer": str(row["layer"])}
    return where | {"mean": mean, "var": var}


def saliency(row: dict, measurement: dict) -> dict:
    """Mean alignment over n test images (Fig. 10–12). `file`, beside results.json, holds the maps."""
    n, deviation = int(row["n"]), row["alignment_sd"]
    where = {"lam": fraction(row, "lam"), "width": fraction(row, "width"), "n": n, "file": str(row["file"])}
    scores = {"alignment": number(row, "alignment"), "alignment_sd": math.nan}
    if n > 1 and deviation is not None:
        scores["alignment_sd"] = number(row, "alignment_sd")
    if n < 1 or scores["alignment"] < 0 or scores["alignment_sd"] < 0 or PurePath(where["file"]).name != where["file"]:
        raise ValueError(f"impossible saliency row: n = {n}, alignment {row['alignment']}, file {where['file']}")
    return where | scores


def cost(row: dict, measurement: dict) -> dict:
    """Sub-network of one width (Sec. 4.3): MACs of one image, parameters, median time of a batch's forward pass."""
    counts = {name: int(row[name]) for name in ("macs", "film_macs", "parameters", "batch", "threads")}
    costs = counts | {"width": fraction(row, "width"), "milliseconds": number(row, "milliseconds")}
    least = min(costs[name] for name in ("macs", "parameters", "milliseconds", "batch"))
    if least <= 0 or not 0 <= counts["film_macs"] <= counts["macs"]:
        raise ValueError(f"impossible cost {counts}, {row['milliseconds']} ms")
    return costs | {"device": str(row["device"])}


def switching(row: dict, measurement: dict) -> dict:
    """Median times of a batch at the same λ and after a switch; the latter is NaN for a network of one λ."""
    times = {"milliseconds": number(row, "milliseconds"), "switched_milliseconds": math.nan}
    if row["switched_milliseconds"] is not None:
        times["switched_milliseconds"] = number(row, "switched_milliseconds")
    counts = {name: int(row[name]) for name in ("batch", "threads")}
    if not (times["milliseconds"] > 0 and not times["switched_milliseconds"] <= 0 and counts["batch"] > 0):
        raise ValueError(f"impossible times {row['milliseconds']}, {row['switched_milliseconds']} ms")
    return times | counts | {"width": fraction(row, "width"), "device": str(row["device"])}


def transfer(row: dict, measurement: dict) -> dict:
    """Counts of images robust at one λ against examples crafted at every λ′, and against all of them.

    With dual BN also against examples crafted through the other branch; None without dual BN. `joint`, against one
    perturbation for all λ, is None for an attack that cannot be made so, and in rows of earlier versions. The hits are
    those of images right as they are and under all of these attacks.
    """
    parsed = {"lam": fraction(row, "lam"), "width": fraction(row, "width"), "attack": str(row["attack"])}
    parsed |= {"n": int(row["n"]), "crafted_at": numbers(row, "crafted_at"), "epsilon": number(measurement, "epsilon")}
    parsed |= {"robust": [int(count) for count in row["robust_correct"]], "clean_correct": int(row["clean_correct"])}
    parsed |= {"worst": int(row["worst_correct"]), "same_tries": int(row["same_tries_correct"])}
    parsed |= {name: int(row[name]) for name in ("only_lambda", "only_starts")}
    for name in ("other_branch", "worst_with_branch", "joint"):
        parsed[name] = None if row.get(f"{name}_correct") is None else int(row[f"{name}_correct"])
    counts = [parsed["clean_correct"], parsed["worst"], parsed["same_tries"]]
    counts += [parsed[name] or 0 for name in ("other_branch", "joint")]
    counts += parsed["robust"]
    for name in correct_bits.COLUMNS:  # absent from rows of earlier versions
        parsed[name] = str(row.get(name) or "")
        if parsed[name]:
            counts.append(correct_bits.count(parsed[name], parsed["n"]))
    impossible = not (parsed["n"] > 0 and min(counts) >= 0 and max(counts) <= parsed["n"])
    if impossible or len(parsed["robust"]) != len(parsed["crafted_at"]) or parsed["worst"] > min(parsed["robust"]):
        raise ValueError(f"impossible counts {parsed['robust']}, {parsed['worst']} of {parsed['n']}")
    return parsed


def gradient_masking(row: dict, measurement: dict) -> dict:
    """Counts behind the signs of gradient masking at one λ.

    A row with a `surrogate` holds the images fooled by examples that were crafted on that network.
    """
    parsed = {"lam": fraction(row, "lam"), "width": fraction(row, "width"), "n": int(row["n"])}
    parsed["surrogate"] = str(row.get("surrogate") or "")
    if parsed["surrogate"]:
        return parsed | {
            "surrogate_name": str(row["surrogate_name"]),
            "fooled_images": [int(index) for index in row["fooled_images"]],
        }
    names = ("clean_correct", "queries", "square", "margin", "zero_gradients", "saturated")
    parsed |= {name: int(row[name]) for name in names}
    parsed |= {name: [(int(k), int(count)) for k, count in row[name]] for name in ("steps", "restarts")}
    parsed["epsilons"] = [(float(epsilon), int(count)) for epsilon, count in row["epsilons"]]
    parsed |= {"robust_images": [int(index) for index in row["robust_images"]]}
    parsed |= {"epsilon": number(measurement, "epsilon")}
    counts = [count for name in ("steps", "restarts", "epsilons") for _, count in parsed[name]]
    counts += [parsed[name] for name in ("clean_correct", "margin", "square", "zero_gradients")]
    if not (parsed["n"] > 0 and min(counts) >= 0 and max(counts) <= parsed["n"]):
        raise ValueError(f"impossible counts {counts} of {parsed['n']}")
    return parsed


PROBES = {"accuracy": accuracy, "bn_statistics": bn_statistics, "saliency": saliency, "cost": cost}
PROBES |= {"switching": switching, "transfer": transfer, "masking": gradient_masking}


def number(row: dict, name: str) -> float:
    """Finite number in a field. Raises ValueError."""
    value = float(row[name])
    if not math.isfinite(value):
        raise ValueError(f"{name} is {value}")
    return value


def fraction(row: dict, name: str) -> float:
    """Number in [0, 1] in a field: λ or a width. Raises ValueError."""
    value = number(row, name)
    if not 0 <= value <= 1:
        raise ValueError(f"{name} is {value}, outside [0,1]")
    return value


def numbers(row: dict, name: str) -> list[float]:
    """List of finite numbers in a field. Raises ValueError."""
    values = [float(value) for value in row[name]]
    if not all(map(math.isfinite, values)):
        raise ValueError(f"{name} is not finite")
    return values
