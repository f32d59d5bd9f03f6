"""What the results say: whether the device computes what the CPU computes, and which settings are fastest on it."""

import statistics
from collections.abc import Iterable

from bench.speed.gpu_check.step_table import median

LEAST_GAIN = 1.1  # of a setting that is not the default, and of more processes
LEAST_DIFFERENCE = 1e-4  # of a loss, that is taken for rounding in any case
TIMES_YARDSTICK = 10  # a difference of losses is rounding up to this many times that of weights one rounding apart


def rows_of(results: dict, name: str) -> list[dict]:
    """The rows of a part; none where it was left out or not reached."""
    return results["parts"].get(name, {}).get("rows", [])


def loss_differences(results: dict) -> list[tuple[dict, float]]:
    """(row, largest relative difference of a step's loss from the reference's) of all other trainings."""
    rows = rows_of(results, "loss")
    reference = next((row["losses"] for row in rows if row["role"] == "reference"), None)
    others = [row for row in rows if row["role"] != "reference"]
    return [(row, largest_difference(row["losses"], reference)) for row in others]


def largest_difference(values: list[float], reference: list[float]) -> float:
    """The largest relative difference of a step; infinite where a value is not finite."""
    differences = [abs(a - b) / abs(b) for a, b in zip(values, reference, strict=True)]
    return max(d if d == d else float("inf") for d in differences)  # a NaN is unequal to itself


def loss_limit(results: dict) -> float:
    """The largest difference of an fp32 loss that is rounding."""
    yardsticks = [difference for row, difference in loss_differences(results) if row["role"] == "yardstick"]
    return max(LEAST_DIFFERENCE, TIMES_YARDSTICK * max(yardsticks, default=0.0))


def problems(results: dict) -> list[str]:
    """What is wrong, a line each: parts that failed, losses that differ, a suite that did not end as it should."""
    lines = [
        f"part {name} {part['state']}" for name, part in results["parts"].items() if part["state"].startswith("failed")
    ]
    limit = loss_limit(results)
    for row, difference in loss_differences(results):
        if row["role"] == "compared" and row["precision"] == "fp32" and not difference <= limit:
            lines.append(f"the loss of the {row['engine']} engine in fp32 differs from the CPU's by {difference:.1e}")
    for row in rows_of(results, "suite"):
        lines += suite_problems(row)
    return lines


def suite_problems(row: dict) -> list[str]:
    """What is wrong with the run of the small suite. A run whose time was over is no problem."""
    if row["exit_code"] is None:
        return []
    lines = [f"the suite ended with {row['exit_code']}: {row['last_line']}"] if row["exit_code"] else []
    lines += [f"the suite has {row['finished']} of {row['networks']} networks"] * (row["finished"] < row["networks"])
    lines += ["an epoch of the suite is missing or there twice"] * (not row["epochs_once"])
    lines += ["the suite trained on the CPU"] * (row["gpus_per_trial"] > 0 and "cpu" in row["devices"])
    return lines


def settings(results: dict) -> list[str]:
    """The recommended settings for a GPU, a line each, with their reasons; for a CPU none."""
    if next(iter(rows_of(results, "device")), {}).get("type") != "cuda":
        return []
    return [line for line in (precision(results), engine(results), processes(results)) if line]


def precision(results: dict) -> str:
    """The precision in which the engine for GPUs is fastest on most networks."""
    fastest = []
    for row in rows_of(results, "steps"):
        timed = {side["precision"]: median(side) for side in row["sides"].values() if side["engine"] == "gpu"}
        timed = {name: seconds for name, seconds in timed.items() if seconds}
        fastest += [min(timed, key=timed.get)] if timed else []
    if not fastest:
        return ""
    best = statistics.mode(fastest)
    return f"`--set precision={best}`: fastest on {fastest.count(best)} of {len(fastest)} networks"


def engine(results: dict) -> str:
    """The engine: the default, unless the eager one, graphs or cuDNN's benchmark mode are clearly faster."""
    gain = median_gain(results, "gpu", "eager")
    if gain is None:
        return ""
    if gain < 1 / LEAST_GAIN:
        return f"`BENCH_ENGINE=eager`: the default engine (gpu) is {gain:.2f} times as fast as the eager one"
    tuned = [list(row["benchmark"].values())[-1]["median"] for row in rows_of(results, "settings")]
    text = f"the default engine (gpu): {gain:.2f} times as fast as the eager one"
    graphs = median_gain(results, "gpu-graphs", "gpu")
    if graphs and graphs >= LEAST_GAIN:
        return f"`BENCH_ENGINE=gpu-graphs`: {graphs:.2f} times as fast as the default engine (gpu)"
    if tuned and statistics.median(tuned) >= LEAST_GAIN:
        text = "`BENCH_ENGINE=gpu-autotune` where batches have constant shapes (PGD-AT, `protocol=authors-code`): "
        text += f"{statistics.median(tuned):.2f} times as fast as the default engine (gpu)"
    return text


def median_gain(results: dict, engine: str, base: str) -> float | None:
    """The median of engine_gain over the networks; None where there is none."""
    gains = [gain for row in rows_of(results, "steps") if (gain := engine_gain(row["sides"].values(), engine, base))]
    return statistics.median(gains) if gains else None


def engine_gain(sides: Iterable[dict], engine: str, base: str) -> float | None:
    """How many times as fast as the base an engine is, in the last precision that both could run."""
    seconds = {(side["engine"], side["precision"]): median(side) for side in sides}
    both = [p for name, p in seconds if name == engine and seconds[engine, p] and seconds.get((base, p))]
    return seconds[base, both[-1]] / seconds[engine, both[-1]] if both else None


def processes(results: dict) -> str:
    """How many trials of each timed network a GPU should run at a time: 1 unless more compute clearly faster."""
    rows = [row for row in rows_of(results, "processes") if "error" not in row]
    texts = []
    for network in dict.fromkeys(row["network"] for row in rows):
        rates = {row["processes"]: row["images_per_s"] for row in rows if row["network"] == network}
        gains = {count: rate / rates[1] for count, rate in rates.items()}
        best = max(gains, key=gains.get)
        best = best if gains[best] >= LEAST_GAIN else 1
        measured = ", ".join(f"{count} processes {gain:.2f}" for count, gain in gains.items() if count > 1)
        texts.append(f"`--gpus-per-trial {1 / best:g}` for {network} (times the images/s of one process: {measured})")
    return "; ".join(texts)
