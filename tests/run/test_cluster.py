"""A suite on a Ray cluster that loses and gets nodes, and the same as an array of jobs without Ray.

The nodes are processes on 127.0.0.2 and up, SLURM is a stand-in. Both ways end with the same rows.
"""

import contextlib
import json
import re
import shutil
import signal
import sqlite3
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.run.job_array_files import KEYS
from bench.stored_plans import read_plans
from tests.command import TINY, bench, start, wait_for
from tests.local_cluster import LocalCluster
from tests.slurm_stand_in import submit

EPOCHS = 12  # enough for all kills
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
      - {probe: masking, lambdas: [1]}
      - {probe: bn_statistics}
      - {probe: cost}
      - {probe: switching}
  oat:
    figures: [transfer]
    dataset: cifar10
    networks: [*oat]
    measure: [{probe: transfer, lambdas: [0, 1]}]
"""
ENGINE = {"BENCH_ENGINE": "eager"}  # a node would compile the kernels once more


@pytest.fixture(scope="module")
def suite(tmp_path_factory) -> tuple:
    """Arguments of `run` and `plan`."""
    path = tmp_path_factory.mktemp("suite") / "probes.yaml"
    path.write_text(SUITE)
    return path, "--scale", TINY, "--set", f"epochs={EPOCHS}"


@pytest.fixture(scope="module")
def head():
    """A cluster of one node, which says that it has a GPU."""
    with LocalCluster(**ENGINE) as cluster:
        assert cluster.start_node(2, "--num-gpus", 1).wait(120) == 0
        yield cluster


def assert_refused(reason: str, process, folder: Path) -> None:
    """The command ends before anything is trained."""
    text = process.communicate(timeout=120)[0]
    assert process.returncode == 2 and reason in text.splitlines()[-1] and "Traceback" not in text, text
    assert not list(folder.glob("*/trials")) and not list(folder.glob("*/plans"))


def test_a_node_whose_gpus_torch_cannot_use_is_refused(head, suite):
    assert_refused("Ray offers GPUs, but torch", head.bench("plan", *suite, "--runs", head.folder / "a"), head.folder)


@pytest.fixture(scope="module")
def cluster(head):
    """The cluster with a second node, which does not see the folder `hidden`."""
    assert head.start_node(3, blind=True).wait(120) == 0
    return head


def test_a_node_that_does_not_see_the_runs_directory_is_refused(cluster, suite):
    command = cluster.bench("run", *suite, "--runs", cluster.folder / "hidden", "--gpus-per-trial", 0)
    reason = "127.0.0.3): does not see the files that the command writes to"
    assert_refused(reason, command, cluster.folder)


@pytest.fixture(scope="module")
def disturbed(cluster, suite) -> SimpleNamespace:
    """A finished run. One trial lost its worker twice and then its node, and went on at a node that had joined late."""
    runs = cluster.folder / "runs"
    process = cluster.bench("run", *suite, "--runs", runs, "--gpus-per-trial", 0)
    wait_for(lambda: len(list(runs.glob("trials/*/progress.jsonl"))) == 2)
    joining = cluster.start_node(4)
    held, _ = cluster.worker(2, runs)
    held.send_signal(signal.SIGSTOP)  # its node has no room for the other trial
    _, directory = cluster.worker(3, runs)
    for kill in (*[lambda: cluster.worker(3, runs)[0].kill()] * 2, lambda: joining.wait(120) or cluster.kill(3)):
        before = epochs(directory)
        wait_for(lambda before=before: epochs(directory) > before)
        kill()
    assert wait_for(lambda: cluster.worker(4, runs))[1] == directory
    held.send_signal(signal.SIGCONT)
    text = process.communicate(timeout=120)[0]
    print(text)
    return SimpleNamespace(runs=runs, code=process.returncode, text=text)


def epochs(directory: Path) -> int:
    return len((directory / "progress.jsonl").read_text().splitlines())


def test_three_deaths_with_progress_and_a_lost_node_are_no_failure(disturbed):
    assert disturbed.code == 0 and "2 networks trained or measured, 0 cached, 0 failed" in disturbed.text
    assert disturbed.text.count("ready") == 2  # in the preflight's table
    with contextlib.closing(sqlite3.connect(disturbed.runs / "mlflow.db")) as store:
        trials_curves_and_figures = [("FINISHED",)] * (2 + 2 + 1)
        assert store.execute("SELECT status FROM runs").fetchall() == trials_curves_and_figures
    assert not (disturbed.runs / "preflight").exists()


@pytest.fixture(scope="module")
def array(suite, cluster, disturbed, tmp_path_factory) -> SimpleNamespace:
    """The suite as a job array, submitted again after a job got SIGTERM, and brought home to another runs directory.

    It is planned for the cluster's nodes, whose facts and times are remembered.
    """
    folder = tmp_path_factory.mktemp("farm")
    jobs, runs = folder / "jobs", folder / "runs"
    runs.mkdir()
    for name in ("nodes.json", "machine.json"):
        shutil.copy(disturbed.runs / name, runs)
    planning = cluster.bench("plan", *suite, "--runs", runs, "--trials", jobs, "--gpus-per-trial", 0)
    planned = planning.communicate(timeout=60)[0]
    # Ray may take seconds to notice that the killed node is dead
    assert re.search(r"left on the cluster's ([23]) nodes with \1 at a time", planned), planned
    assert "wrote 2 trial files" in planned
    keys = (jobs / KEYS).read_text().split()
    ended = interrupted(jobs / f"{keys[1]}.json")
    submitted = submit(folder, **ENGINE)
    outputs = [path.read_text() for path in sorted(folder.glob("slurm-*.out"))]
    ingested = bench("ingest", jobs, "--runs", runs)
    assert ingested.returncode == 0, ingested.stderr
    return SimpleNamespace(jobs=jobs, runs=runs, keys=keys, ended=ended, submitted=submitted, outputs=outputs)


def interrupted(file: Path) -> tuple[int, str, int]:
    """(exit code, last line, finished epochs) of a trial that gets SIGTERM after its first epoch."""
    process = start("trial", file, **ENGINE)
    assert json.loads(process.stdout.readline())["epoch"] == 1
    process.send_signal(signal.SIGTERM)
    text = process.communicate(timeout=60)[0]
    return process.returncode, text.splitlines()[-1], epochs(file.parent / "trials" / file.stem)


def test_a_job_that_gets_sigterm_keeps_its_epochs(array):
    code, line, finished_epochs = array.ended
    assert code == 143 and line == "interrupted: rerun the same command to resume" and 1 <= finished_epochs < EPOCHS


def test_all_jobs_end_well_and_print_a_row_per_epoch_and_measured_lambda(array):
    assert array.submitted.returncode == 0, array.outputs
    for output in array.outputs:
        assert all(isinstance(json.loads(line), dict) for line in output.splitlines())


def test_every_epoch_is_trained_once(disturbed, array):
    for runs in (disturbed.runs, array.runs):
        for key in array.keys:
            rows = (runs / "trials" / key / "progress.jsonl").read_text().splitlines()
            assert [json.loads(row)["epoch"] for row in rows] == list(range(1, EPOCHS + 1))


def test_the_rows_of_array_and_cluster_are_equal_byte_for_byte(disturbed, array):
    probes = set()
    for key in array.keys:
        ours, expected = (results(runs / "trials" / key) for runs in (array.runs, disturbed.runs))
        assert json.dumps(ours) == json.dumps(expected)
        probes |= {entry["measurement"]["probe"] for entry in ours["measurements"].values()}
        for path in (disturbed.runs / "trials" / key).glob("*.safetensors"):
            assert path.read_bytes() == (array.runs / "trials" / key / path.name).read_bytes()
    assert len(probes) == 7


def results(directory: Path) -> dict:
    """What results.json says of the network, without times and the machine."""
    content = json.loads((directory / "results.json").read_text())
    for entry in content["measurements"].values():
        for row in entry["rows"]:
            for name in [name for name in row if "milliseconds" in name]:
                row[name] = row[name] is None
    return {name: content[name] for name in ("key", "recipe", "heldout", "macs", "measurements")}


def test_the_plans_come_along_so_that_a_report_draws_the_networks(disturbed, array):
    ((ours,), (expected,)) = (read_plans(runs)[0] for runs in (array.runs, disturbed.runs))
    assert ours["panels"] == expected["panels"] and "2 finished" in bench("status", "--runs", array.runs).stdout
