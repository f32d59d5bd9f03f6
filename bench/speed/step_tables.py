"""The result of `step_benchmark` as text for the terminal and as the tables of docs/performance.md."""

from bench.speed.markdown_tables import markdown
from bench.speed.table_cells import kinds_table, speedup_text
from bench.speed.workloads import TASKS

LABELS = {
    "authors": "authors' code, fp32",
    "eager": "eager engine, fp32",
    "ours-fp32": "ours, fp32",
    "ours-bf16": "ours, bf16",
}
HEAD = ["network", "batch", "side", "images/s", "times as fast (range)", "TFLOP/s", "of its convolutions' rate"]
HEAD += ["of the matrix rate", "peak memory"]
DIRECTIONS = {"forward": "forward", "to_input": "to the input", "to_weights": "to the weights"}


def benchmark_text(result: dict) -> str:
    """The whole result: how it was made, a table per task, the machine's rates and the profile."""
    tasks = [task for task in TASKS if any(task in network["tasks"] for network in result["networks"].values())]
    tables = [*(task_table(result, task) for task in tasks), rate_table(result), profile_table(result)]
    return "\n\n".join([conditions(result), *tables])


def conditions(result: dict) -> str:
    """The command, machine, versions and time of a result."""
    hardware = result["hardware"]
    device = "" if hardware["device"] == "cpu" else f"{hardware['device']}; "
    commit = result["commit"][:10] + (" with changes" if result["dirty"] else "")
    return (
        f"`{result['command']}` on {device}{hardware['host_cpu']}, {hardware['threads']} threads, engine: "
        f"{hardware['engine']}, torch {hardware['torch']}, Python {hardware['python']}, commit {commit}, "
        f"{result['finished']}; {result['rounds']} rounds."
    )


def task_table(result: dict, task: str) -> str:
    rows = [HEAD]
    for name, network in result["networks"].items():
        if task in network["tasks"]:
            rows += [task_row(name, network["tasks"][task], side) for side in network["tasks"][task]["sides"]]
    return f"**{TASKS[task]}**\n\n{markdown(rows)}"


def task_row(name: str, task: dict, side: str) -> list[str]:
    row = task["sides"][side]
    cells = [name, str(task["images"]), LABELS[side], f"{row['images_per_s']:,.1f}", speedup_text(row["speedup"])]
    cells += [f"{row['flops_per_s'] / 1e12:.3f}", f"{row['conv_share']:.0%}", f"{row['matrix_share']:.0%}"]
    return [*cells, "–" if row["peak_bytes"] is None else f"{row['peak_bytes'] / 2**20:,.0f} MiB"]


def rate_table(result: dict) -> str:
    """TFLOP/s of the machine: each network's convolutions by direction, and a large matrix product."""
    rows = [["TFLOP/s", "threads", "precision", *DIRECTIONS.values(), "a matrix product"]]
    for name, network in result["networks"].items():
        macs = next(iter(network["tasks"].values()))["macs"]
        label = f"convolutions of {name}, batch {network['batch']}"
        for precision, rates in network["rates"].items():
            cells = [f"{2 * macs / rates[direction] / 1e12:.3f}" for direction in DIRECTIONS]
            cells.append(f"{rates['matrix_product'] / 1e12:.3f}")
            rows.append([label, str(network["threads"]), precision, *cells])
    return markdown(rows)


def profile_table(result: dict) -> str:
    """Milliseconds and share of the step by kind of work, a column per network; empty without a profile."""
    profiles = {name: network["profile"] for name, network in result["networks"].items() if "profile" in network}
    columns = {f"{name}, {LABELS[profile['side']]}": profile["seconds"] for name, profile in profiles.items()}
    return kinds_table("where a step of OAT goes, ms", columns)
