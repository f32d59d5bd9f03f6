"""What the suite costs beside training: `python -m bench.speed suite`. Each number is of real commands in processes of
their own, on a runs directory that is made for it and removed again.

Trials that train next to nothing go through the real runner; a report of a thousand networks reads results.json files
that are copies of a real one with other counts.
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
from bench.speed import tables
from bench.speed.commands import Cost, run

FRONTIERS = "suites/frontiers.yaml"
TRIVIAL = """scale: laptop
about: an epoch of one batch
seeds: 3
lr: [0.1]
train_images: 64
test_images: 16
recipe: {arch: wrn-10-1, epochs: 1, batch: 64, heldout: 16, epsilon: 0.3, precision: fp32}
datasets: {svhn: {source: digits}, cifar10: {source: digits}, stl10: {source: digits}}
"""


def main(arguments: list[str]) -> None:
    said = "Times what the suite itself costs: planning, the runner, a cached rerun, a report."
    found = argparse.ArgumentParser("python -m bench.speed suite", description=said)
    found.add_argument("--only", choices=PARTS, action="append", help="one of these; may be given again (default: all)")
    found.add_argument("--networks", type=int, default=1000, metavar="N", help="of plan and report (default: 1000)")
    found.add_argument("--out", type=Path, default=Path("runs/speed-suite.json"), metavar="FILE")
    found.add_argument("--page", type=Path, metavar="FILE", help="write the table into this page (docs/performance.md)")
    options = found.parse_args(arguments)
    if options.page:
        tables.check(options.page, "suite")
    with tempfile.TemporaryDirectory(prefix="bench-speed-") as folder:
        measured = {}
        for name in options.only or PARTS:
            print(name, file=sys.stderr, flush=True)
            measured |= PARTS[name](Path(folder) / name, options.networks)
    about = {
        "hardware": f"{provenance.cpu_name()}, {provenance.cpu_count()} cores",
        "finished": provenance.now(),
    } | provenance.git()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(about | {"costs": measured}, indent=1, ensure_ascii=False) + "\n")
    text = f"{about['hardware']}, commit {about['commit'][:10]}, {about['finished']}.\n\n{table(measured)}"
    print(text)
    if options.page:
        tables.write(options.page, "suite", text)


def table(measured: dict) -> str:
    rows = [["", "seconds", "CPU seconds", "target"]]
    for row in measured.values():
        rows.append(
            [row["what"], *(f"{row[name]:.2f}" if name in row else "" for name in ("wall", "cpu")), row["target"]]
        )
    return tables.markdown(rows)


def row(what: str, cost: Cost, target: str = "", **more) -> dict:
    return {"what": what, "wall": cost.wall, "cpu": cost.cpu, "target": target} | more


def plan(folder: Path, networks: int) -> dict:
    folder.mkdir()
    words = ["plan", FRONTIERS, "--seeds", str(-(-networks // 8)), "--runs", str(folder), "--json"]
    run(["plan", FRONTIERS, "--runs", str(folder), "--json"], folder / "log")  # times the machine, which is kept
    cost = run(words, folder / "log")
    count = len(json.loads((folder / "log").read_text().splitlines()[-1])["trials"])
    return {"plan": row(f"plan of {count:,} networks", cost, "≤ 2 s")}


def trivial(folder: Path, networks: int) -> dict:
    """24 trials of one batch, then the same command again."""
    words = trivial_run(folder)
    first = run(words, folder / "log")
    trained = spent(folder / "runs")
    again = run(words, folder / "log")
    about = f"24 trials of one batch, of which training and measuring {trained:.1f} s"
    per_trial = (first.cpu - trained) / 24
    found = {"trivial": row(about, first), "cached": row("the same again, all of it cached", again, "≤ 8 s")}
    found["trivial"] |= {"trained": trained, "cpu_beside_training_per_trial": per_trial}
    return found


def trivial_run(folder: Path) -> list[str]:
    folder.mkdir()
    (folder / "scale.yaml").write_text(TRIVIAL)
    return ["run", FRONTIERS, "--scale", str(folder / "scale.yaml"), "--runs", str(folder / "runs")]


def spent(runs: Path) -> float:
    """Seconds that the trials themselves say they trained and measured, each on one thread."""
    found = [json.loads(path.read_text())["seconds"] for path in runs.glob("trials/*/results.json")]
    return sum(one["train"] + one["measure"] for one in found)


def report(folder: Path, networks: int) -> dict:
    """Eight real networks become a thousand: their results under the keys of a plan with so many seeds."""
    from bench.run import saved_plans
    from bench.run.execution_plan import Job, Request

    words = trivial_run(folder)
    run([*words, "--seeds", "1"], folder / "log")
    runs, scale = folder / "runs", str(folder / "scale.yaml")
    real = {}
    for path in runs.glob("trials/*/results.json"):
        content = json.loads(path.read_text())
        real[content["recipe"]["method"], content["recipe"]["norm"], content["recipe"]["lam"]] = content
    request = Request((Path(FRONTIERS),), scale, (), (), -(-networks // 8), (), runs, ROOT / "data", 1, None)
    job = Job.of(request)
    shutil.rmtree(runs)
    for one in job.plans:
        saved_plans.write(one, runs, "python -m bench run suites/frontiers.yaml")
    for i, trial in enumerate(job.trials):
        recipe = trial.recipe
        content = json.loads(json.dumps(real[recipe.method, recipe.norm, recipe.lam]))
        content |= {"key": trial.key, "recipe": recipe.model_dump(mode="json")}
        rows = {kind(found["measurement"]): found["rows"] for found in content["measurements"].values()}
        content["measurements"] = {
            what.key: {"measurement": asked, "rows": [another(row, i) for row in rows[kind(asked)]]}
            for what in trial.measurements
            for asked in [what.model_dump(mode="json")]
        }
        directory = job.directory(trial)
        directory.mkdir(parents=True)
        (directory / "results.json").write_text(json.dumps(content))
    first = run(["report", "--runs", str(runs)], folder / "log")
    again = run(["report", "--runs", str(runs)], folder / "log")
    found = {"report": row(f"report of {len(job.trials):,} networks", first, "≤ 15 s")}
    return found | {"report again": row("the same again, nothing new to draw", again)}


def kind(measurement: dict) -> tuple:
    """What is asked, whichever network it is asked of."""
    return measurement["probe"], measurement["attack"], bool(measurement["surrogate"])


def another(row: dict, i: int) -> dict:
    """A measured row with other counts: those of the i-th network."""
    if "robust_hits" not in row:
        return row
    robust = (row["robust_correct"] + i) % (row["clean_correct"] + 1)
    return row | {"robust_correct": robust, "robust_hits": correct_bits.encode(np.arange(row["n"]) < robust)}


def fresh(folder: Path, networks: int) -> dict:
    """`make reproduce-fig4` from nothing, at laptop scale: minutes."""
    folder.mkdir()
    cost = run(["run", FRONTIERS, "--runs", str(folder / "runs")], folder / "log")
    trained = spent(folder / "runs")
    what = f"`make reproduce-fig4` from nothing; {trained / cost.cpu:.0%} of its CPU time is training and measuring"
    return {"fresh": row(what, cost, "≥ 80 %", trained=trained)}


PARTS = {"plan": plan, "report": report, "trivial": trivial, "fresh": fresh}
