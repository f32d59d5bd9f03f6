"""A job array without Ray, as docs/cluster.md has it, gives what `run` gives.

`sbatch` and `srun` are small shell scripts on the PATH.
"""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.run.trial_files import KEYS
from bench.stored_plans import read_plans
from tests.command import ROOT, TINY, bench, environment, start

PAGE = (ROOT / "docs" / "cluster.md").read_text("utf-8")
SUITE = """
suite: probes
about: every probe, on two networks of which one is the other's surrogate
experiments:
  both:
    figures: [fig4]
    dataset: cifar10
    networks:
      - {method: pgd_at, lam: 1}
      - &oat {method: oat, norm: dual, lambdas: S1, encoding: ro-16}
    measure:
      - {attack: pgd7, lambdas: [0, 1]}
      - {attack: fgsm, lambdas: [1], few_images: true}
      - {probe: saliency, lambdas: [0, 1], images: [0, 1]}
      - {probe: masking, lambdas: S1}
      - {probe: bn_statistics}
      - {probe: cost}
      - {probe: switching}
  oat:
    figures: [transfer]
    dataset: cifar10
    networks: [*oat]
    measure: [{probe: transfer, lambdas: [0, 1]}]
"""
SBATCH = """#!/bin/bash
[[ $1 == --array=1-* ]] || { echo "sbatch: $1" >&2; exit 2; }
for ((task = 1; task <= ${1#--array=1-}; task++)); do
  SLURM_ARRAY_TASK_ID=$task bash "${@:2}" >> "slurm-$task.out" 2>&1 &  # all at once, as on a farm
  pids+=($!)
done
for pid in "${pids[@]}"; do wait "$pid" || failed=1; done
exit ${failed:-0}
"""
SRUN = '#!/bin/bash\nexec "$@"\n'


@pytest.fixture(scope="module")
def farm(tmp_path_factory) -> SimpleNamespace:
    """Two runs directories of one suite: `ours` by an array, after a SIGTERM to a job, `expected` by `run`."""
    base = tmp_path_factory.mktemp("farm")
    (base / "probes.yaml").write_text(SUITE)
    arguments = (base / "probes.yaml", "--scale", TINY, "--set", "epochs=4")
    jobs, ours, expected = base / "jobs", base / "ours", base / "expected"
    planned = bench("plan", *arguments, "--runs", ours, "--trials", jobs)
    assert planned.returncode == 0 and "wrote 2 trial files" in planned.stdout, planned.stderr
    keys = (jobs / KEYS).read_text().split()
    ended = interrupted(jobs / f"{keys[1]}.json")
    submitted = submit(base, jobs)
    ingested = bench("ingest", jobs, "--runs", ours)
    assert ingested.returncode == 0, ingested.stderr
    done = bench("run", *arguments, "--runs", expected)
    assert done.returncode == 0, done.stderr
    return SimpleNamespace(**locals())


def interrupted(file: Path) -> tuple[int, str, int]:
    """(exit code, last line, finished epochs) of a trial that gets SIGTERM after its first epoch."""
    process = start("trial", file)
    assert json.loads(process.stdout.readline())["epoch"] == 1
    process.send_signal(signal.SIGTERM)
    text = process.communicate(timeout=60)[0]
    rows = (file.parent / "trials" / file.stem / "progress.jsonl").read_text().splitlines()
    return process.returncode, text.splitlines()[-1], len(rows)


def submit(base: Path, jobs: Path) -> subprocess.CompletedProcess:
    """Submit the array script of docs/cluster.md by the command there."""
    (base / "bin").mkdir()
    for name, text in (("sbatch", SBATCH), ("srun", SRUN)):
        (base / "bin" / name).write_text(text)
        (base / "bin" / name).chmod(0o755)
    blocks = [text.removeprefix("bash\n") for text in PAGE.split("```")[1::2]]
    (base / "array.sbatch").write_text(next(text for text in blocks if "# array.sbatch" in text))
    (command,) = re.findall(r"^sbatch --array.*", PAGE, re.MULTILINE)
    path = os.pathsep.join([str(base / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]])
    variables = environment() | {"PATH": path, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, shell=True, cwd=base, env=variables, capture_output=True, text=True, check=False)


def test_a_job_that_gets_sigterm_keeps_its_epochs(farm):
    code, line, epochs = farm.ended
    assert code == 143 and line == "interrupted: rerun the same command to resume" and 1 <= epochs < 4


def test_all_jobs_end_well(farm):
    assert farm.submitted.returncode == 0, [path.read_text() for path in farm.base.glob("slurm-*.out")]
    for key in farm.keys:
        rows = (farm.jobs / "trials" / key / "progress.jsonl").read_text().splitlines()
        assert [json.loads(row)["epoch"] for row in rows] == [1, 2, 3, 4]


def test_the_rows_are_those_of_run_byte_for_byte(farm):
    probes = set()
    for key in farm.keys:
        ours, expected = (results(runs, key) for runs in (farm.ours, farm.expected))
        assert json.dumps(ours) == json.dumps(expected)
        probes |= {entry["measurement"]["probe"] for entry in ours["measurements"].values()}
        for name in ("weights.safetensors", *(path.name for path in (farm.expected / "trials" / key).glob("sal*"))):
            files = [runs / "trials" / key / name for runs in (farm.ours, farm.expected)]
            assert files[0].read_bytes() == files[1].read_bytes()
    assert len(probes) == 7


def results(runs: Path, key: str) -> dict:
    """What results.json says of the network, without times and the present machine."""
    content = json.loads((runs / "trials" / key / "results.json").read_text())
    for entry in content["measurements"].values():
        for row in entry["rows"]:
            for name in [name for name in row if "milliseconds" in name]:
                row[name] = row[name] is None
    return {name: content[name] for name in ("key", "recipe", "heldout", "macs", "measurements")}


def test_the_plans_come_along_so_that_a_report_draws_the_networks(farm):
    (ours, *_), (expected, *_) = (read_plans(runs)[0] for runs in (farm.ours, farm.expected))
    assert ours["panels"] == expected["panels"] and ours["command"].startswith("python -m bench plan ")
    status = bench("status", "--runs", farm.ours)
    assert "2 finished" in status.stdout
