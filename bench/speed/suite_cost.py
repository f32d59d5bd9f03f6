"""What the suite costs beside training: `python -m bench.speed suite`. Each number is of real commands in processes of
their own, on a runs directory that is made for it and removed again.

Trials that train next to nothing go through the real runner. A report of a thousand networks reads results.json files
that are copies of real ones with changed counts.
"""

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

from bench import ROOT
from bench.measures import correct_bits
from bench.run import provenance
from bench.speed import markdown_tables
from bench.speed.command_cost import CommandCost, run_and_measure

FRONTIERS = "suites/frontiers.yaml"
TRIVIAL_SCALE = """scale: laptop
about: an epoch of one batch
seeds: 3
lr: [0.1]
train_images: 64
test_images: 16
recipe: {arch: wrn-10-1, epochs: 1, batch: 64, heldout: 16, epsilon: 0.3, precision: fp32}
datasets: {svhn: {source: digits}, cifar10: {source: digits}, stl10: {source: digits}}
"""


def main(arguments: list[str]) -> None:
    description = "Times what the suite itself costs: planning, the runner, a cached rerun, a report."
    parser = argparse.ArgumentParser("python -m bench.speed suite", description=description)
    parser.add_argument("--only", choices=PARTS, action="append", help="one of these; may be repeated (default: all)")
    parser.add_argument("--networks", type=int, default=1000, metavar="N", help="of plan and report (default: 1000)")
    parser.add_argument("--out", type=Path, default=Path("runs/speed-suite.json"), metavar="FILE")
    parser.add_argument(
        "--page", type=Path, metavar="FILE", help="write the table into this page (docs/performance.md)"
    )
    options = parser.parse_args(arguments)
    if options.page:
        markdown_tables.check(options.page, "suite")
    with tempfile.TemporaryDirectory(prefix="bench-speed-") as folder:
        costs = {}
        for name in options.only or PARTS:
            print(name, file=sys.stderr, flush=True)
            costs |= PARTS[name](Path(folder) / name, options.networks)
    hardware = f"{provenance.cpu_name()}, {provenance.cpu_count()} cores"
    about = {"hardware": hardware, "finished": provenance.now()} | provenance.git()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(about | {"costs": costs}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    text = f"{hardware}, commit {about['commit'][:10]}, {about['finished']}.\n\n{cost_table(costs)}"
    print(text)
    if options.page:
        markdown_tables.write(options.page, "suite", text)


def cost_table(costs: dict) -> str:
    rows = [["", "seconds", "CPU seconds", "target"]]
    for row in costs.values():
        rows.append([row["what"], f"{row['wall']:.2f}", f"{row['cpu']:.2f}", row["target"]])
    return markdown_tables.markdown(rows)


def cost_row(label: str, cost: CommandCost, target: str = "", **more) -> dict:
    return {"what": label, "wall": cost.wall, "cpu": cost.cpu, "target": target} | more


def plan_cost(folder: Path, networks: int) -> dict:
    """`plan` of a suite with so many seeds that it has `networks` networks."""
    folder.mkdir()
    plan = ["plan", FRONTIERS, "--runs", str(folder), "--json"]
    run_and_measure(plan, folder / "log")  # the first plan times the machine and saves that
    cost = run_and_measure([*plan, "--seeds", str(-(-networks // 8))], folder / "log")
    count = len(json.loads((folder / "log").read_text(encoding="utf-8").splitlines()[-1])["trials"])
    return {"plan": cost_row(f"plan of {count:,} networks", cost, "≤ 2 s")}


def trivial_cost(folder: Path, networks: int) -> dict:
    """24 trials of one batch, then the same command again."""
    command = trivial_command(folder)
    first = run_and_measure(command, folder / "log")
    trained = trial_seconds(folder / "runs")
    again = run_and_measure(command, folder / "log")
    label = f"24 trials of one batch, of which training and measuring {trained:.1f} s"
    more = {"trained": trained, "cpu_beside_training_per_trial": (first.cpu - trained) / 24}
    return {
        "trivial": cost_row(label, first, **more),
        "cached": cost_row("the same again, all of it cached", again, "≤ 8 s"),
    }


def trivial_command(folder: Path) -> list[str]:
    """Arguments of a run at TRIVIAL_SCALE, in a new folder."""
    folder.mkdir()
    (folder / "scale.yaml").write_text(TRIVIAL_SCALE, encoding="utf-8")
    return ["run", FRONTIERS, "--scale", str(folder / "scale.yaml"), "--runs", str(folder / "runs")]


def trial_seconds(runs: Path) -> float:
    """Seconds of training and measuring that the trials report, each on one thread."""
    seconds = [json.loads(path.read_text(encoding="utf-8"))["seconds"] for path in runs.glob("trials/*/results.json")]
    return sum(trial["train"] + trial["measure"] for trial in seconds)


def report_cost(folder: Path, networks: int) -> dict:
    """A report of `networks` networks: results of eight real ones, copied under the keys of a plan with many seeds."""
    from bench.run.execution_plan import ExecutionPlan
    from bench.run.plan_files import write_plan
    from bench.run.request import Request

    run_and_measure([*trivial_command(folder), "--seeds", "1"], folder / "log")
    runs, scale = folder / "runs", str(folder / "scale.yaml")
    real = {}
    for path in runs.glob("trials/*/results.json"):
        content = json.loads(path.read_text(encoding="utf-8"))
        real[content["recipe"]["method"], content["recipe"]["norm"], content["recipe"]["lam"]] = content
    request = Request((Path(FRONTIERS),), scale, (), (), -(-networks // 8), (), runs, ROOT / "data", 1, None)
    plan = ExecutionPlan.of(request)
    shutil.rmtree(runs)
    for suite_plan in plan.plans:
        write_plan(suite_plan, runs, "python -m bench run suites/frontiers.yaml")
    for i, trial in enumerate(plan.trials):
        recipe = trial.recipe
        directory = plan.directory(trial)
        directory.mkdir(parents=True)
        content = copied_results(real[recipe.method, recipe.norm, recipe.lam], trial, i)
        (directory / "results.json").write_text(json.dumps(content), encoding="utf-8")
    first = run_and_measure(["report", "--runs", str(runs)], folder / "log")
    again = run_and_measure(["report", "--runs", str(runs)], folder / "log")
    return {
        "report": cost_row(f"report of {len(plan.trials):,} networks", first, "≤ 15 s"),
        "report again": cost_row("the same again, nothing new to draw", again),
    }


def copied_results(real: dict, trial, i: int) -> dict:
    """Content of results.json for a trial, with a real trial's rows as those of the i-th network."""
    rows = {kind_of(entry["measurement"]): entry["rows"] for entry in real["measurements"].values()}
    measurements = {}
    for measurement in trial.measurements:
        fields = measurement.model_dump(mode="json")
        changed = [changed_row(row, i) for row in rows[kind_of(fields)]]
        measurements[measurement.key] = {"measurement": fields, "rows": changed}
    return real | {"key": trial.key, "recipe": trial.recipe.model_dump(mode="json"), "measurements": measurements}


def kind_of(measurement: dict) -> tuple:
    """What distinguishes measurements of one network, the same for every network."""
    return measurement["probe"], measurement["attack"], bool(measurement["surrogate"])


def changed_row(row: dict, i: int) -> dict:
    """A measured row with changed counts, for the i-th network."""
    if "robust_hits" not in row:
        return row
    robust = (row["robust_correct"] + i) % (row["clean_correct"] + 1)
    return row | {"robust_correct": robust, "robust_hits": correct_bits.encode(np.arange(row["n"]) < robust)}


def fresh_cost(folder: Path, networks: int) -> dict:
    """`make reproduce-fig4` from nothing, at laptop scale: minutes."""
    folder.mkdir()
    cost = run_and_measure(["run", FRONTIERS, "--runs", str(folder / "runs")], folder / "log")
    trained = trial_seconds(folder / "runs")
    label = f"`make reproduce-fig4` from nothing; {trained / cost.cpu:.0%} of its CPU time is training and measuring"
    return {"fresh": cost_row(label, cost, "≥ 80 %", trained=trained)}


PARTS = {"plan": plan_cost, "report": report_cost, "trivial": trivial_cost, "fresh": fresh_cost}
