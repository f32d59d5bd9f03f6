"""MLflow's index of trials' directories, on a real store; the directories are written by the tests."""

import json

import pytest

from bench.atomic_write import write_json
from bench.tracking.index_record import is_indexed
from bench.tracking.run_tags import UNPLANNED
from tests.recipes import pgd_at

TAGS = {"suite": "frontiers", "figure": "fig4", "scale": "smoke", "protocol": "paper", "mlflow.source.name": "x"}
RECIPE = pgd_at(0.4)
ACCURACY = {"probe": "accuracy", "few_images": False, "seed": 0}


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    write_trial(tmp_path / "runs", correct=40)
    return tmp_path / "runs"


def write_trial(runs, correct: int, epochs: int = 2) -> None:
    """Write the directory of a finished trial that classifies `correct` of 100 images under attack."""
    directory = runs / "trials" / RECIPE.key
    directory.mkdir(parents=True)
    write_json(directory / "recipe.json", RECIPE.model_dump(mode="json"))
    rows = [{"epoch": e + 1, "epochs": epochs, "loss": 1.0, "lr": 0.1, "seconds": 1.0} for e in range(epochs)]
    (directory / "progress.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    row = {"lam": 0.4, "width": 1.0, "attack": "pgd7", "n": 100, "clean_correct": 90, "robust_correct": correct}
    write_json(
        directory / "results.json",
        {
            "measurements": {"m1": {"measurement": ACCURACY, "rows": [row]}},
            "provenance": {},
            "seconds": {"train": 2.0, "measure": 1.0},
            "macs": {"forward": 1000, "training": 5_000_000},
            "heldout": {},
        },
    )


def writer(runs):
    from bench.tracking.mlflow_writer import MlflowWriter  # not before a test sets MLflow's variables

    return MlflowWriter(runs)


def mlflow_runs(runs) -> list:
    client = writer(runs).client
    return client.search_runs([e.experiment_id for e in client.search_experiments()])


def test_indexing_twice_changes_nothing(runs):
    assert not is_indexed(runs, RECIPE.key, TAGS)
    for _ in range(2):
        writer(runs).index_trial(RECIPE, TAGS)
    (run,) = mlflow_runs(runs)
    client = writer(runs).client
    assert run.info.status == "FINISHED" and is_indexed(runs, RECIPE.key, TAGS)
    assert [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, "RA.pgd7")] == [(400, 40)]
    assert run.data.tags["macs_training"] == "5000000" and run.data.tags["seconds_measure"] == "1.0"
    assert run.data.params["data_hash"] == RECIPE.data_hash
    assert [m.step for m in client.get_metric_history(run.info.run_id, "train/loss")] == [1, 2]


def add_measurement(runs, key: str, measurement: dict, *rows: dict) -> None:
    """Add a measurement to the trial's results.json."""
    path = runs / "trials" / RECIPE.key / "results.json"
    results = json.loads(path.read_text())
    results["measurements"][key] = {"measurement": measurement, "rows": list(rows)}
    write_json(path, results)


def metrics(runs) -> dict[str, list[tuple[int, float]]]:
    """{metric: its (step, value) pairs} of the only run."""
    client, (run,) = writer(runs).client, mlflow_runs(runs)
    return {
        name: [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, name)] for name in run.data.metrics
    }


def test_each_attack_and_width_has_its_own_metric(runs):
    """SA, which every attack measures again, stays one curve."""
    row = {"lam": 0.4, "width": 1.0, "attack": "pgd20", "n": 100, "clean_correct": 90, "robust_correct": 30}
    add_measurement(runs, "m2", ACCURACY, row)
    add_measurement(runs, "m3", ACCURACY, row | {"attack": "pgd7", "width": 0.5, "robust_correct": 20})
    writer(runs).index_trial(RECIPE, TAGS)
    logged = metrics(runs)
    assert (
        logged["RA.pgd7"] == [(400, 40)] and logged["RA.pgd20"] == [(400, 30)] and logged["RA.pgd7.w0.5"] == [(400, 20)]
    )
    assert set(logged["SA"]) == {(400, 90)} and logged["SA.w0.5"] == [(400, 90)]


def test_probes_with_scalar_results_have_metrics(runs):
    writer(runs).index_trial(RECIPE, TAGS)
    row = {"lam": 0.4, "width": 0.5, "n": 100, "alignment": 1.5, "alignment_sd": 0.1, "file": "saliency-x.safetensors"}
    add_measurement(runs, "m2", {"probe": "saliency"}, row)
    row = {"width": 1.0, "macs": 1000, "film_macs": 10, "parameters": 50, "milliseconds": 2.5, "batch": 64}
    add_measurement(runs, "m3", {"probe": "cost"}, row | {"threads": 1, "device": "cpu"})
    row = {"lam": 0.4, "branch": "a", "width": 1.0, "layer": "norm_last", "mean": [0.0], "var": [1.0]}
    add_measurement(runs, "m4", {"probe": "bn_statistics"}, row)
    directory = runs / "trials" / RECIPE.key
    (directory / "saliency-x.safetensors").write_bytes(b"maps")
    before = metrics(runs)
    writer(runs).index_trial(RECIPE, TAGS)
    added = {name: pairs for name, pairs in metrics(runs).items() if name not in before}
    assert added == {
        "alignment.w0.5": [(400, 1.5)],
        "cost/macs": [(0, 1000)],
        "cost/parameters": [(0, 50)],
        "cost/milliseconds": [(0, 2.5)],
    }
    (maps,) = (runs / "artifacts").rglob("saliency-x.safetensors")
    assert maps.read_bytes() == b"maps"
    assert is_indexed(runs, RECIPE.key, TAGS)


def test_a_network_trained_again_replaces_its_old_numbers(runs):
    import shutil

    writer(runs).index_trial(RECIPE, TAGS)
    shutil.rmtree(runs / "trials")
    write_trial(runs, correct=55)
    assert not is_indexed(runs, RECIPE.key, TAGS)
    writer(runs).index_trial(RECIPE, TAGS)
    (run,) = mlflow_runs(runs)
    assert run.data.metrics["RA.pgd7"] == 55


def test_a_further_figure_of_a_cached_network_is_added_to_its_tags(runs):
    writer(runs).index_trial(RECIPE, TAGS)
    more = TAGS | {"figure": "fig4 fig7", "suite": "attacks frontiers"}
    assert not is_indexed(runs, RECIPE.key, more)
    writer(runs).index_trial(RECIPE, more)
    (run,) = mlflow_runs(runs)
    assert run.data.tags["figure"] == "fig4 fig7" and is_indexed(runs, RECIPE.key, more)


def test_a_trial_indexed_before_its_suite_moves_to_the_suite_s_experiment(runs):
    writer(runs).index_trial(RECIPE, UNPLANNED)
    writer(runs).index_trial(RECIPE, TAGS)
    (run,) = mlflow_runs(runs)
    assert writer(runs).client.get_experiment(run.info.experiment_id).name == "digits · smoke"
    writer(runs).index_trial(RECIPE, UNPLANNED)  # and stays there when no plan names it any longer
    assert len(mlflow_runs(runs)) == 1 and mlflow_runs(runs)[0].info.experiment_id == run.info.experiment_id


def test_an_experiment_deleted_in_mlflow_s_pages_is_restored(runs):
    writer(runs).index_trial(RECIPE, TAGS)
    (run,) = mlflow_runs(runs)
    writer(runs).client.delete_experiment(run.info.experiment_id)
    writer(runs).index_trial(RECIPE, TAGS)
    assert len(mlflow_runs(runs)) == 1


def test_redrawing_a_figure_does_not_change_the_logged_one(runs, tmp_path):
    figure = tmp_path / "fig4.png"
    figure.write_bytes(b"smoke's")
    writer(runs).log_report("digits", "smoke", [figure])
    figure.write_bytes(b"workstation's")
    (logged,) = (runs / "artifacts").rglob("fig4.png")
    assert logged.read_bytes() == b"smoke's"


def test_runs_of_a_killed_driver_are_closed(runs):
    writer(runs).open_run(RECIPE, TAGS)
    assert [run.info.status for run in mlflow_runs(runs)] == ["RUNNING"]
    assert writer(runs).close_abandoned_runs() == 1
    assert [run.info.status for run in mlflow_runs(runs)] == ["KILLED"]


def test_runs_finished_since_they_were_read_are_not_closed_again(runs):
    first_writer = writer(runs)
    first_writer.open_run(RECIPE, TAGS)
    writer(runs).index_trial(RECIPE, TAGS)
    assert first_writer.close_abandoned_runs() == 0


def test_a_store_that_cannot_be_reached_is_one_line(runs, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(ConnectionError, match="cannot be used") as error:
        writer(runs)
    assert "\n" not in str(error.value)


def test_measurements_on_few_images_have_metrics_of_their_own():
    """Otherwise one chart would show SA of 64 images on top of SA of all."""
    from bench.tracking.mlflow_metrics import measurement_metrics

    row = {"lam": 0.3, "width": 1.0, "attack": "pgd7", "n": 64, "clean_correct": 48, "robust_correct": 32}
    for few_images, names in ((False, ["SA", "RA.pgd7"]), (True, ["SA.few", "RA.pgd7.few"])):
        entry = {"measurement": ACCURACY | {"few_images": few_images}, "rows": [row]}
        assert [metric.key for metric in measurement_metrics(entry, 0)] == names


def test_ra_from_the_starts_of_another_seed_is_no_point_of_the_curve(runs):
    """Earlier versions attacked every network from the starts of seed 0: such counts stay apart from new ones."""
    row = {"lam": 0.4, "width": 1.0, "attack": "pgd7", "n": 100, "clean_correct": 90, "robust_correct": 35}
    add_measurement(runs, "m2", ACCURACY | {"seed": 3}, row)
    writer(runs).index_trial(RECIPE, TAGS)
    logged = metrics(runs)
    assert RECIPE.seed == 0 and logged["RA.pgd7"] == [(400, 40)] and logged["RA.pgd7.start3"] == [(400, 35)]
