"""A whole run on digits: suite → Ray Tune → training and measuring → MLflow → figures, and again from the cache."""

import json
import shutil

import pandas as pd
import pytest

from tests.command import FINISHED, SMALL, bench

OAT_DUAL, PGD_AT = (f"{method} · digits · wrn-10-1 · lr 0.1 · seed 0" for method in ("oat-dual", "pgd-at λ=1"))


@pytest.fixture
def runs(finished_runs):
    return finished_runs


def mlflow_runs(runs, experiment="digits · tiny"):
    """(client, {run name: run}) of an experiment: 8 networks, their 3 curves, and the figures."""
    from mlflow import MlflowClient  # slow to import: not while tests are collected

    client = MlflowClient(f"sqlite:///{runs / 'mlflow.db'}")
    experiment_id = client.get_experiment_by_name(experiment).experiment_id
    return client, {run.info.run_name: run for run in client.search_runs([experiment_id])}


def test_each_network_is_a_finished_run_with_its_tags(runs):
    _, by_name = mlflow_runs(runs)
    assert len(by_name) == 8 + 3 + 1 and {run.info.status for run in by_name.values()} == {"FINISHED"}
    tags = by_name[OAT_DUAL].data.tags
    expected = {"suite": "frontiers masking", "figure": "fig4 fig8 masking", "method": "oat", "seed": "0"}
    expected["scale"] = "tiny"
    assert expected.items() <= tags.items() and tags["protocol"] == "paper"
    assert len(tags["mlflow.source.git.commit"]) in (40, 7) and (runs / "trials" / tags["key"]).is_dir()


def test_mlflow_s_own_chart_is_the_curve_against_lambda(runs):
    client, by_name = mlflow_runs(runs)
    run = by_name[OAT_DUAL]
    sa = {m.step: m.value for m in client.get_metric_history(run.info.run_id, "SA")}
    ra = {m.step: m.value for m in client.get_metric_history(run.info.run_id, "RA.pgd7")}
    results = json.loads((runs / "trials" / run.data.tags["key"] / "results.json").read_text())
    accuracy, *masking = results["measurements"].values()
    assert [entry["measurement"]["probe"] for entry in masking] == ["masking"] * 2  # one with a surrogate's examples
    for row in accuracy["rows"]:
        step = round(1000 * row["lam"])
        assert sa[step] == pytest.approx(100 * row["clean_correct"] / row["n"], abs=0.005)
        assert ra[step] == pytest.approx(100 * row["robust_correct"] / row["n"], abs=0.005)
    assert set(sa) == set(ra) == {0, 100, 200, 300, 400, 1000}
    assert [m.step for m in client.get_metric_history(run.info.run_id, "train/loss")] == [1, 2]


def test_networks_of_a_curve_are_nested_under_it(runs):
    """The frontier joins the PGD-AT networks, which have one λ each."""
    client, by_name = mlflow_runs(runs)
    parents = {run.data.tags.get("mlflow.parentRunId") for name, run in by_name.items() if name.startswith("pgd-at λ")}
    frontier = by_name["pgd-at"]
    assert parents == {frontier.info.run_id}
    points = {m.step: m.value for m in client.get_metric_history(frontier.info.run_id, "RA.pgd7")}
    assert sorted(points) == [0, 100, 200, 300, 400, 1000] and points[1000] == by_name[PGD_AT].data.metrics["RA.pgd7"]


def test_weights_results_and_figures_are_artifacts(runs):
    _, by_name = mlflow_runs(runs)
    base = runs / "artifacts"
    network = base / by_name[PGD_AT].info.artifact_uri.removeprefix("mlflow-artifacts:/")
    assert {"weights.safetensors", "results.json"} <= {path.name for path in network.iterdir()}
    figures = base / by_name["figures"].info.artifact_uri.removeprefix("mlflow-artifacts:/") / "figures"
    assert {"fig4.png", "fig8.png"} <= {path.name for path in figures.iterdir()}
    page = (figures.parent / "report" / "index.html").read_text()
    assert 'src="data:image/svg+xml;base64,' in page and 'src="fig' not in page


def test_every_point_of_the_figure_is_in_its_csv(runs):
    table = pd.read_csv(runs / "report" / "fig4.csv")
    header = "method,dataset,arch,scale,experiment,variant,seed,lambda,width,attack,epsilon,sa,ra,n,key"
    assert ",".join(table.columns) == header
    assert len(table) == 6 + 2 * 6 and set(table.n) == {48}
    for suffix in ("png", "svg", "pdf"):
        assert (runs / "report" / f"fig8.{suffix}").stat().st_size > 5000
    assert "fig4.svg" in (runs / "report" / "index.html").read_text()


def test_plan_and_status_know_what_is_cached(runs):
    plan = json.loads(bench("plan", *FINISHED, *SMALL, "--runs", runs, "--json").stdout)
    assert all(t["cached"] for t in plan["trials"]) and plan["cost"]["wall_hours_left"] == 0
    assert "8 finished" in bench("status", "--runs", runs).stdout


def test_the_same_command_on_a_copied_runs_directory_trains_nothing_and_rebuilds_the_index(runs, tmp_path):
    """The directories of trials are complete: `run`, and `ingest`, make MLflow's index of them."""
    copy = tmp_path / "elsewhere"
    shutil.copytree(runs, copy)
    files = ("results.json", "weights.safetensors", "progress.jsonl")
    before = {path: path.stat().st_mtime_ns for name in files for path in copy.glob(f"trials/*/{name}")}
    delete_index(copy)
    done = bench("run", *FINISHED, *SMALL, "--runs", copy)
    assert done.returncode == 0 and "8 cached" in done.stderr and "nothing left to do" in done.stderr
    assert before == {path: path.stat().st_mtime_ns for name in files for path in copy.glob(f"trials/*/{name}")}
    assert len(before) == 3 * 8
    assert_same_index(copy, runs)
    delete_index(copy)
    done = bench("ingest", "--runs", copy)
    assert done.returncode == 0 and done.stdout.startswith("8 runs"), done.stderr
    assert_same_index(copy, runs)


def delete_index(runs):
    (runs / "mlflow.db").unlink()
    shutil.rmtree(runs / "artifacts")


def assert_same_index(copy, runs):
    client, by_name = mlflow_runs(copy)
    _, original = mlflow_runs(runs)
    for name, run in by_name.items():
        assert run.info.status == "FINISHED"
        assert run.data.metrics == original[name].data.metrics
        assert run.data.params == original[name].data.params
        duration, original_duration = (r.info.end_time - r.info.start_time for r in (run, original[name]))
        assert duration == original_duration
        assert visible_tags(run) == visible_tags(original[name])
    assert len(by_name) == len(original)


def visible_tags(run) -> dict[str, str]:
    """The tags that hold no id of a run, no time, and no command."""
    own = ("key", "label", "method", "seed", "figure", "suite", "bench.curve", "bench.measurements")
    return {name: run.data.tags.get(name) for name in (*own, "mlflow.runColor")}
