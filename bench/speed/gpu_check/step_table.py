"""The tables of the steps, the attack, and several processes on a device."""

import statistics

from bench.speed.markdown_tables import markdown
from bench.speed.table_cells import speedup_text

HEAD = ["network", "batch", "side", "ms a step", "images/s", "times as fast (range)", "TFLOP/s", "of the matrix rate"]
HEAD += ["in kernels", "peak memory"]


def median(side: dict) -> float | None:
    """Seconds of a step of a side; None where it could not run."""
    return statistics.median(side["seconds"]) if side.get("seconds") else None


def step_table(rows: list[dict], matrix_flops: dict[str, float]) -> str:
    """`rows`: of step_times. `matrix_flops`: FLOP/s of a matrix product by precision."""
    table = [HEAD]
    for row in rows:
        for label, side in row["sides"].items():
            table.append([row["network"], str(row["batch"]), label, *step_cells(row, side, matrix_flops)])
    return markdown(table)


def step_cells(row: dict, side: dict, matrix_flops: dict[str, float]) -> list[str]:
    if "error" in side:
        return [side["error"], *["–"] * (len(HEAD) - 4)]
    seconds, rate = median(side), matrix_flops.get(side["precision"])
    flops_per_s, kernels, peak = row["flops"] / seconds, side.get("kernel_seconds"), side["peak_bytes"]
    return [
        f"{1000 * seconds:,.1f}",
        f"{row['batch'] / seconds:,.1f}",
        speedup_text(side["speedup"]),
        f"{flops_per_s / 1e12:.3f}",
        f"{flops_per_s / rate:.0%}" if rate else "–",
        "–" if kernels is None else f"{kernels / seconds:.0%}",
        "–" if peak is None else f"{peak / 2**20:,.0f} MiB",
    ]


def attack_table(rows: list[dict], step_rows: list[dict]) -> str:
    """Images per second of PGD-7, and its share of the same side's training step where that was timed."""
    sides = {row["network"]: row["sides"] for row in step_rows}
    table = [["network", "images", "side", "ms", "images/s", "of its training step"]]
    for row in rows:
        for label, timings in row["seconds"].items():
            seconds = statistics.median(timings)
            step = median(sides.get(row["network"], {}).get(label, {}))
            share = f"{seconds / step:.0%}" if step and row["of"] == "training" else "–"
            cells = [f"{1000 * seconds:,.1f}", f"{row['images'] / seconds:,.1f}", share]
            table.append([row["network"], str(row["images"]), label, *cells])
    return markdown(table)


def process_table(rows: list[dict]) -> str:
    """Images per second of 1, 2 and 4 processes together, against one."""
    alone = {row["network"]: row["images_per_s"] for row in rows if row["processes"] == 1 and "error" not in row}
    table = [["network", "processes", "images/s of all", "times one process", "peak memory of one"]]
    for row in rows:
        cells = [row["network"], str(row["processes"])]
        if "error" in row:
            table.append([*cells, row["error"], "–", "–"])
        else:
            rate, peak = row["images_per_s"], f"{row['peak_bytes'] / 2**20:,.0f} MiB"
            table.append([*cells, f"{rate:,.1f}", f"{rate / alone[row['network']]:.2f}", peak])
    return markdown(table)
