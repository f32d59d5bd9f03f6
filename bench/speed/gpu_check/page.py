"""The page of a check, from its results; every state of these makes a page."""

from bench.human_units import format_bytes, format_duration
from bench.speed.gpu_check import recommendation
from bench.speed.gpu_check.parts import PARTS
from bench.speed.gpu_check.recommendation import rows_of
from bench.speed.gpu_check.step_table import attack_table, process_table, step_table
from bench.speed.markdown_tables import markdown
from bench.speed.table_cells import kinds_table, speedup_text

NO_GPU = "**No GPU was measured**: small sizes exercise the code on a CPU, and the numbers say nothing about a GPU."


def page_text(results: dict) -> str:
    """The parts' states, a section for each part that has results, and the summary."""
    table = [["part", "state", "time"]]
    for name, part in results["parts"].items():
        table.append([PARTS[name].title, part["state"], format_duration(part["seconds"])])
    spent = f"{format_duration(results['seconds'])} of at most {results['minutes']:g} min."
    blocks = ["# GPU check", f"`{results['command']}`: {spent}", markdown(table)]
    for name in results["parts"]:
        if rows_of(results, name):
            blocks += [f"## {PARTS[name].title}", *SECTIONS[name](results)]
    return "\n\n".join([*blocks, "## Summary, for docs/performance.md", summary_text(results)]) + "\n"


def summary_text(results: dict) -> str:
    """What docs/performance.md takes: conditions, the table of the steps, what is wrong, the recommended setting."""
    facts, blocks = next(iter(rows_of(results, "device")), None), []
    if facts:
        commit = facts["commit"][:10] + (" with changes" if facts["dirty"] else "")
        blocks = [f"`{results['command']}` on {device_text(facts)}; torch {facts['torch']}, commit {commit}."]
        blocks += [] if facts["type"] == "cuda" else [NO_GPU]
    if rows_of(results, "steps"):
        blocks.append(step_table(rows_of(results, "steps"), matrix_flops(results)))
    problems, settings = recommendation.problems(results), recommendation.settings(results)
    blocks += ["**Not as it should be**:\n" + "\n".join(f"- {line}" for line in problems)] if problems else []
    if problems and settings:
        settings = ["none before this is mended"]
    none = "none: there was no GPU, or nothing was measured on it"
    return "\n\n".join([*blocks, "Recommended setting:\n" + "\n".join(f"- {line}" for line in settings or [none])])


def device_text(facts: dict) -> str:
    host = f"{facts['host_cpu']}, {facts['threads']} threads"
    return host if facts["type"] == "cpu" else f"{facts['device']}; {host}"


def matrix_flops(results: dict) -> dict[str, float]:
    """FLOP/s of a matrix product by precision; empty before they are measured."""
    return next((row["matrix_flops"] for row in rows_of(results, "device") if "matrix_flops" in row), {})


def device_section(results: dict) -> list[str]:
    facts = rows_of(results, "device")[0]
    lines = [device_text(facts), f"Python {facts['python']}, torch {facts['torch']}"]
    lines += [f"no CUDA: {facts['why_no_cuda']}"] if facts.get("why_no_cuda") else []
    if facts["type"] == "cuda":
        driver = f"driver {facts['driver'] or 'unknown'}, CUDA {facts['cuda']}, cuDNN {facts['cudnn']}"
        memory = f"{format_bytes(facts['free_bytes'])} of {format_bytes(facts['memory_bytes'])} of memory are free"
        lines += [f"{driver}, compute capability {facts['capability']}, {facts['multiprocessors']} multiprocessors"]
        lines += [memory, f"MPS is {'running' if facts['mps'] else 'not running'}"]
    rates = [f"{rate / 1e12:,.3g} TFLOP/s in {precision}" for precision, rate in matrix_flops(results).items()]
    lines += [f"a large matrix product: {', '.join(rates)}"] if rates else []
    return ["\n".join(f"- {line}" for line in lines)]


def loss_section(results: dict) -> list[str]:
    first, limit = rows_of(results, "loss")[0], recommendation.loss_limit(results)
    about = (
        f"The first {len(first['losses'])} steps of OAT (dual BN) of {first['network']}, batch {first['batch']}, from "
        "the same weights, images and attack starts: largest relative difference of a step's loss from the plain "
        "network's in fp32 on the CPU. "
        f"Differences up to {limit:.1e} count as rounding in fp32; tf32 and bf16 are for comparison."
    )
    table = [["device", "engine", "precision", "first step", "all steps", "last loss"]]
    for row, difference in recommendation.loss_differences(results):
        first_step = recommendation.largest_difference(row["losses"][:1], first["losses"][:1])
        device = f"{row['device']}, weights one rounding apart" if row["role"] == "yardstick" else row["device"]
        cells = [device, row["engine"], row["precision"], f"{first_step:.1e}", f"{difference:.1e}"]
        table.append([*cells, f"{row['losses'][-1]:.4f}"])
    return [about, markdown(table)]


def steps_section(results: dict) -> list[str]:
    """The kinds of work; the table of the steps is in the summary."""
    rows = rows_of(results, "steps")
    columns = {f"{row['network']}, {label}": kinds for row in rows for label, kinds in row["kinds"].items()}
    about = "All sides take turns, in cuDNN's benchmark mode; the summary has their times. *In kernels*: the time of a "
    about += "step's kernels, each counted once, over the step's. *Peak memory*: of torch's tensors, weights included."
    return [about, kinds_table("where a step goes, ms", columns)]


def attack_section(results: dict) -> list[str]:
    return [attack_table(rows_of(results, "attack"), rows_of(results, "steps"))]


def settings_section(results: dict) -> list[str]:
    table = [["network", "batch", "setting", "times as fast (range)"]]
    for row in rows_of(results, "settings"):
        where = [row["network"], str(row["batch"])]
        table += [[*where, f"benchmark mode, {p}", speedup_text(value)] for p, value in row["benchmark"].items()]
        if row["tf32"]:
            table.append([*where, "TF32 against IEEE fp32, in benchmark mode", speedup_text(row["tf32"])])
    return ["Steps of OAT by the engine for GPUs.", markdown(table)]


def processes_section(results: dict) -> list[str]:
    return [
        "Steps of OAT in bf16 (where the device has it), by processes at the same time.",
        process_table(rows_of(results, "processes")),
    ]


def suite_section(results: dict) -> list[str]:
    row = rows_of(results, "suite")[0]
    ended = "was ended by its time limit" if row["exit_code"] is None else f"ended with exit code {row['exit_code']}"
    about = (
        f"`python -m bench run --gpus-per-trial {row['gpus_per_trial']:g}` {ended} after "
        f"{format_duration(row['seconds'])}: {row['finished']} of {row['networks']} networks measured, "
        f"{row['killed_workers']} worker killed, on {', '.join(row['devices']) or 'no device'}; "
        f"every epoch is there {'once' if row['epochs_once'] else '– no: some are missing or there twice'}."
    )
    return [about, *(f"- {line}" for line in recommendation.suite_problems(row))]


SECTIONS = {
    "device": device_section,
    "loss": loss_section,
    "steps": steps_section,
    "attack": attack_section,
    "settings": settings_section,
    "processes": processes_section,
    "suite": suite_section,
}
