"""What a run found, as text for the terminal and as the tables of docs/performance.md."""

from bench.speed.cases import TASKS
from bench.speed.tables import markdown

SIDES = {
    "authors": "authors' code, fp32",
    "plain": "written plainly, fp32",
    "ours-fp32": "ours, fp32",
    "ours-bf16": "ours, bf16",
}
HEAD = ["network", "batch", "side", "images/s", "times as fast (range)", "TFLOP/s", "of its convolutions' rate"]
HEAD += ["of the matrix rate", "peak memory"]


DIRECTIONS = {"forward": "forward", "to_input": "to the input", "to_weights": "to the weights"}


def task_table(found: dict, task: str) -> str:
    rows = [HEAD]
    for name, network in found["networks"].items():
        if task in network["tasks"]:
            rows += [line(name, network["tasks"][task], side) for side in network["tasks"][task]["sides"]]
    return f"**{TASKS[task]}**\n\n{markdown(rows)}"


def line(name: str, task: dict, side: str) -> list[str]:
    row = task["sides"][side]
    cells = [name, str(task["images"]), SIDES[side], f"{row['images_per_s']:,.1f}", speedup(row["speedup"])]
    cells += [f"{row['flops_per_s'] / 1e12:.3f}", f"{row['conv_share']:.0%}", f"{row['matrix_share']:.0%}"]
    return [*cells, "–" if row["peak_bytes"] is None else f"{row['peak_bytes'] / 2**20:,.0f} MiB"]


def speedup(found: dict | None) -> str:
    return "1" if found is None else f"**{found['median']:.2f}** ({found['low']:.2f}–{found['high']:.2f})"


def rate_table(found: dict) -> str:
    """TFLOP/s of the machine: each network's convolutions by direction, and a large matrix product."""
    rows = [["TFLOP/s", "threads", "precision", *DIRECTIONS.values(), "a matrix product"]]
    for name, network in found["networks"].items():
        macs = next(iter(network["tasks"].values()))["macs"]
        for precision, rate in network["rates"].items():
            cells = [f"{2 * macs / rate[direction] / 1e12:.3f}" for direction in DIRECTIONS]
            cells.append(f"{rate['matrix_product'] / 1e12:.3f}")
            rows.append(
                [f"convolutions of {name}, batch {network['batch']}", str(network["threads"]), precision, *cells]
            )
    return markdown(rows)


def profile_table(found: dict) -> str:
    """Milliseconds, and share of the step, by kind of work: a column per network."""
    profiles = {name: row["profile"] for name, row in found["networks"].items() if "profile" in row}
    if not profiles:
        return ""
    rows = [["where a step of OAT goes, ms", *(f"{name}, {SIDES[one['side']]}" for name, one in profiles.items())]]
    for kind in next(iter(profiles.values()))["seconds"]:
        if any(one["seconds"][kind] for one in profiles.values()):
            rows.append([kind, *(part(one["seconds"], kind) for one in profiles.values())])
    return markdown(rows)


def part(seconds: dict[str, float], kind: str) -> str:
    return f"{1000 * seconds[kind]:,.1f} ({seconds[kind] / sum(seconds.values()):.0%})"


def machine(found: dict) -> str:
    hardware = found["hardware"]
    device = "" if hardware["device"] == "cpu" else f"{hardware['device']}; "
    commit = found["commit"][:10] + (" with changes" if found["dirty"] else "")
    return (
        f"`{found['command']}` on {device}{hardware['host_cpu']}, {hardware['threads']} threads, kernels: "
        f"{hardware['kernels']}, torch {hardware['torch']}, Python {hardware['python']}, commit {commit}, "
        f"{found['finished']}; {found['rounds']} rounds."
    )


def speed_text(found: dict) -> str:
    tasks = [task for task in TASKS if any(task in network["tasks"] for network in found["networks"].values())]
    return "\n\n".join(
        [machine(found), *(task_table(found, task) for task in tasks), rate_table(found), profile_table(found)]
    )
