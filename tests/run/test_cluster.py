"""Two suites on a Ray cluster that loses and gets nodes, and the same as an array of jobs without Ray.

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
from bench.run.provenance import cpu_name
from bench.spec.registry import PROBES
from bench.stored_plans import read_plans
from tests.command import TINY, bench, start, wait_for
from tests.local_cluster import OTHER_CPU, LocalCluster
from tests.slurm_stand_in import submit

EPOCHS = 12  # enough for all kills
PROBES_SUITE = """
suite: probes
about: every probe but transfer, on two networks of which one is the other's surrogate
experiments:
  both:
    figures: [fig4]
    dataset: cifar10
    networks:
      - {method: pgd_at, lam: 1}
      - {method: oat, norm: dual, lambdas: S1, encoding: ro-16}
    measure:
      - {attack: pgd7, lambdas: [0, 1]}
      - {attack: fgsm, lambdas: [1], few_images: true}
      - {probe: saliency, lambdas: [0, 1], images: [0, 1]}
      - {probe: masking, lambdas: [1]}
      - {probe: bn_statistics}
      - {probe: cost}
      - {probe: switching}
"""
TRANSFER_SUITE = """
suite: transfer
about: a network of the other suite, measured once more
experiments:
  oat:
    figures: [transfer]
    dataset: cifar10
    networks: [{method: oat, norm: dual, lambdas: S1, encoding: ro-16}]
    measure: [{probe: transfer, lambdas: [0, 1]}]
"""
ENGINE = {"BENCH_ENGINE": "eager"}  # a node would compile the kernels once more


@pytest.fixture(scope="module")
def suites(tmp_path_factory) -> tuple:
    """Arguments of `run` and `plan`: two suites that share a network."""
    folder = tmp_path_factory.mktemp("suites")
    paths = folder / "probes.yaml", folder / "transfer.yaml"
    for path, text in zip(paths, (PROBES_SUITE, TRANSFER_SUITE), strict=True):
        path.write_text(text)
    return *paths, "--scale", TINY, "--set", f"epochs={EPOCHS}"


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


def test_a_node_whose_gpus_torch_cannot_use_is_refused(head, suites):
    assert_refused("Ray offers GPUs, but torch", head.bench("run", *suites, "--runs", head.folder / "a"), head.folder)


@pytest.fixture(scope="module")
def cluster(head):
    """The cluster with a second node, of another processor, which does not see the folder `hidden`."""
    assert head.start_node(3, odd=True).wait(120) == 0
    return head


def test_a_node_that_does_not_see_the_runs_directory_is_refused(cluster, suites):
    command = cluster.bench("run", *suites, "--runs", cluster.folder / "hidden", "--gpus-per-trial", 0)
    reason = "127.0.0.3): does not see the files that the command writes to"
    assert_refused(reason, command, cluster.folder)


@pytest.fixture(scope="module")
def disturbed(cluster, suites) -> SimpleNamespace:
    """A finished run. One trial lost its worker twice and then its node, and went on at a node that had joined late.

    lost: key of that trial. before_deaths: its finished epochs before each death.
    """
    runs, before_deaths = cluster.folder / "runs", []
    process = cluster.bench("run", *suites, "--runs", runs, "--gpus-per-trial", 0)
    wait_for(lambda: len(list(runs.glob("trials/*/progress.jsonl"))) == 2)
    held, _ = cluster.worker(2, runs)
    held.send_signal(signal.SIGSTOP)  # its node has no room for the other trial
    _, directory = cluster.worker(3, runs)
    for death in (1, 2, 3):
        worker, _ = wait_for(lambda: cluster.worker(3, runs))
        before = len(epochs(directory))
        wait_for(lambda before=before: len(epochs(directory)) > before, pause=0.01)
        worker.send_signal(signal.SIGSTOP)
        before_deaths.append(epochs(directory))
        if death < 3:
            worker.kill()
            worker.wait(60)  # else the next search may find it again
        else:
            assert cluster.start_node(4).wait(120) == 0
            cluster.kill(3)
    assert wait_for(lambda: cluster.worker(4, runs))[1] == directory
    held.send_signal(signal.SIGCONT)
    text = process.communicate(timeout=120)[0]
    print(text)
    facts = {"runs": runs, "lost": directory.name, "before_deaths": before_deaths}
    return SimpleNamespace(code=process.returncode, text=text, **facts)


def epochs(directory: Path) -> list[str]:
    """The row of each finished epoch, with the time at which it ended."""
    return (directory / "progress.jsonl").read_text().splitlines()


def test_three_deaths_with_progress_and_a_lost_node_are_no_failure(disturbed):
    assert disturbed.code == 0 and "2 networks trained or measured, 0 cached, 0 failed" in disturbed.text
    assert disturbed.text.count("ready") == 2  # in the preflight's table
    by_hardware = "|".join(re.escape(f"{cpu}: 1") for cpu in (cpu_name(), OTHER_CPU))
    assert re.search(f"trials at once by hardware: ({by_hardware}), ({by_hardware}); ", disturbed.text)
    with contextlib.closing(sqlite3.connect(disturbed.runs / "mlflow.db")) as store:
        trials_curves_and_figures = [("FINISHED",)] * (2 + 2 + 1)
        assert store.execute("SELECT status FROM runs").fetchall() == trials_curves_and_figures
    assert not (disturbed.runs / "preflight").exists()


@pytest.fixture(scope="module")
def array(suites, cluster, disturbed, tmp_path_factory) -> SimpleNamespace:
    """The suites as a job array, submitted again after a job got SIGTERM, and brought home to another runs directory.

    It is planned for the cluster's nodes, whose facts and times are remembered.
    """
    folder = tmp_path_factory.mktemp("farm")
    jobs, runs = folder / "jobs", folder / "runs"
    runs.mkdir()
    for name in ("nodes.json", "machine.json"):
        shutil.copy(disturbed.runs / name, runs)
    planning = cluster.bench("plan", *suites, "--runs", runs, "--trials", jobs, "--gpus-per-trial", 0)
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


def interrupted(file: Path) -> tuple[int, str, list[str]]:
    """(exit code, last line, finished epochs) of a trial that gets SIGTERM after its first epoch."""
    process = start("trial", file, **ENGINE)
    assert json.loads(process.stdout.readline())["epoch"] == 1
    process.send_signal(signal.SIGTERM)
    text = process.communicate(timeout=60)[0]
    return process.returncode, text.splitlines()[-1], epochs(file.parent / "trials" / file.stem)


def test_a_job_that_gets_sigterm_keeps_its_epochs(array):
    code, line, finished_epochs = array.ended
    assert code == 143 and line == "interrupted: rerun the same command to resume"
    assert 1 <= len(finished_epochs) < EPOCHS
    assert epochs(array.runs / "trials" / array.keys[1])[: len(finished_epochs)] == finished_epochs


def test_all_jobs_end_well_and_print_a_row_per_epoch_and_measured_lambda(array):
    assert array.submitted.returncode == 0, array.outputs
    for output in array.outputs:
        assert all(isinstance(json.loads(line), dict) for line in output.splitlines())


def test_every_epoch_is_trained_once(disturbed, array):
    for runs in (disturbed.runs, array.runs):
        for key in array.keys:
            rows = epochs(runs / "trials" / key)
            assert [json.loads(row)["epoch"] for row in rows] == list(range(1, EPOCHS + 1))
    rows = epochs(disturbed.runs / "trials" / disturbed.lost)
    first, second, third = map(len, disturbed.before_deaths)
    assert 0 < first < second < third < EPOCHS
    assert all(rows[: len(before)] == before for before in disturbed.before_deaths)


def test_the_rows_of_array_and_cluster_are_equal_byte_for_byte(disturbed, array):
    probes = set()
    for key in array.keys:
        ours, expected = (results(runs / "trials" / key) for runs in (array.runs, disturbed.runs))
        assert json.dumps(ours) == json.dumps(expected)
        probes |= {entry["measurement"]["probe"] for entry in ours["measurements"].values()}
        for path in (disturbed.runs / "trials" / key).glob("*.safetensors"):
            assert path.read_bytes() == (array.runs / "trials" / key / path.name).read_bytes()
    assert probes == set(PROBES)


def results(directory: Path) -> dict:
    """What results.json says of the network, without times and the machine."""
    content = json.loads((directory / "results.json").read_text())
    for entry in content["measurements"].values():
        for row in entry["rows"]:
            for name in [name for name in row if "milliseconds" in name]:
                row[name] = row[name] is None
    return {name: content[name] for name in ("key", "recipe", "heldout", "macs", "measurements")}


def test_the_plans_come_along_so_that_a_report_draws_the_networks(disturbed, array):
    panels = [[plan["panels"] for plan in read_plans(runs)[0]] for runs in (array.runs, disturbed.runs)]
    assert len(panels[0]) == 2 and panels[0] == panels[1]
    assert "2 finished" in bench("status", "--runs", array.runs).stdout
