"""MLflow's index of trials' directories, on a real store; the directories are written by the tests."""

import datetime
import functools
import json
import shutil
import sqlite3
import threading

import pytest

from bench.atomic_write import write_json
from bench.measures import correct_bits
from bench.spec.recipe import Recipe
from bench.tracking import run_tags
from bench.tracking.mlflow_run_record import is_indexed
from bench.tracking.run_tags import UNPLANNED
from tests.recipes import pgd_at

TAGS = {"suite": "frontiers", "figure": "fig4", "scale": "smoke", "protocol": "paper", "mlflow.source.name": "x"}
RECIPE = pgd_at(0.4)
ACCURACY = {"probe": "accuracy", "epsilon": 0.1, "few_images": False, "seed": 0}


def write_trial(runs, correct: int, epochs: int = 2, recipe: Recipe = RECIPE) -> None:
    """Write the directory of a finished trial that classifies `correct` of 100 images under attack."""
    directory = runs / "trials" / recipe.key
    directory.mkdir(parents=True)
    write_json(directory / "recipe.json", recipe.model_dump(mode="json"))
    common = {"epochs": epochs, "loss": 1.0, "lr": 0.1, "seconds": 1.0, "train_sa": 0.5, "score": 0.25}
    times = [f"2026-11-20T10:00:0{e + 1}+00:00" for e in range(epochs)]
    rows = [{"epoch": e + 1, "time": times[e]} | common for e in range(epochs)]
    (directory / "progress.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    lambdas = recipe.lambdas or (recipe.lam,)
    write_json(
        directory / "results.json",
        {
            "key": recipe.key,
            "recipe": recipe.model_dump(mode="json"),
            "measurements": {
                "m1": {
                    "measurement": ACCURACY | {"seed": recipe.seed},
                    "rows": [accuracy_row("pgd7", correct, lam=lam) for lam in lambdas],
                }
            },
            "provenance": {},
            "seconds": {"train": 2.0, "measure": 1.0},
            "macs": {"forward": 1000, "training": 5_000_000},
            "heldout": {},
        },
    )


def accuracy_row(attack: str, robust: int, width: float = 1.0, lam: float = 0.4) -> dict:
    """A row of 100 images, 90 of which are right without an attack."""
    hits = {"clean_hits": correct_bits.encode([True] * 90 + [False] * 10)}
    hits |= {"robust_hits": correct_bits.encode([True] * robust + [False] * (100 - robust))}
    counts = {"n": 100, "clean_correct": 90, "robust_correct": robust}
    return {"lam": lam, "width": width, "attack": attack} | counts | hits


def writer(runs):
    from bench.tracking.mlflow_writer import MlflowWriter  # not before a test sets MLflow's variables

    return MlflowWriter(runs)


def mlflow_runs(runs) -> list:
    """The networks' runs."""
    return [run for run in all_runs(runs) if not run.data.tags["key"].startswith("curve-")]


def all_runs(runs) -> list:
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
    assert run.info.run_name == RECIPE.name  # as `status`, `show` and the report call the network


def test_a_run_lasts_as_long_as_its_training_and_measuring_whenever_it_is_indexed(runs):
    """Training began a second before the first epoch's end; 2 s of training and 1 s of measuring."""
    start = 1000 * datetime.datetime(2026, 11, 20, 10, tzinfo=datetime.UTC).timestamp()
    for tags in (TAGS, TAGS | {"figure": "fig4 fig7"}):  # the second as by a later command, for which it is cached
        writer(runs).index_trial(RECIPE, tags)
        (run,) = mlflow_runs(runs)
        assert (run.info.start_time, run.info.end_time) == (start, start + 3000)


def test_accuracies_are_percent_and_tables_name_their_lambda(runs):
    """A column of MLflow's tables shows a metric's last step: of a curve, λ = 1."""
    add_measurement(runs, "m2", ACCURACY, accuracy_row("pgd7", 20, lam=0.15))
    add_measurement(runs, "m3", ACCURACY, accuracy_row("pgd7", 30, width=0.5))
    writer(runs).index_trial(RECIPE, TAGS)
    logged = metrics(runs)
    assert logged["train/SA"] == [(1, 50), (2, 50)] and logged["heldout/score"] == [(1, 25), (2, 25)]
    assert logged["SA λ 0.4"] == [(0, 90)] and logged["RA.pgd7 λ 0.4"] == [(0, 40)]
    assert {name for name in logged if "λ" in name} == {"SA λ 0.4", "RA.pgd7 λ 0.4"}


def test_runs_of_an_earlier_layout_are_written_anew(runs, monkeypatch):
    """Their names, units and nesting would stand beside other ones."""
    with monkeypatch.context() as earlier:
        earlier.setattr(run_tags, "LAYOUT", "1")
        writer(runs).index_trial(RECIPE, TAGS)
        (before,) = mlflow_runs(runs)
    assert not is_indexed(runs, RECIPE.key, TAGS)
    writer(runs).index_trial(RECIPE, TAGS)
    (run,) = mlflow_runs(runs)
    assert run.info.run_id != before.info.run_id and is_indexed(runs, RECIPE.key, TAGS)


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
    add_measurement(runs, "m2", ACCURACY, accuracy_row("pgd20", 30))
    add_measurement(runs, "m3", ACCURACY, accuracy_row("pgd7", 20, width=0.5))
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


def test_runs_of_a_killed_driver_are_closed(runs):
    writer(runs).open_run(RECIPE, TAGS)
    assert [run.info.status for run in mlflow_runs(runs)] == ["RUNNING"]
    assert writer(runs).close_abandoned_runs() == 1
    assert [run.info.status for run in mlflow_runs(runs)] == ["KILLED"]


def test_a_run_is_not_closed_by_one_thread_while_another_finishes_it(runs, monkeypatch):
    """As where Ray breaks in the moment in which its last trial has ended (end_without_ray)."""
    from bench.tracking import mlflow_writer

    has_read, indexed, read_results = threading.Event(), threading.Event(), mlflow_writer.read_results

    def slow_read(*arguments):  # between reading the run's status and writing it
        if threading.current_thread() is closer:
            has_read.set()
            indexed.wait(0.5)
        return read_results(*arguments)

    monkeypatch.setattr(mlflow_writer, "read_results", slow_read)
    own, other = writer(runs), writer(runs)
    own.open_run(RECIPE, TAGS)
    other.experiment_ids = own.experiment_ids
    closer = threading.Thread(target=other.close_abandoned_runs)
    closer.start()
    assert has_read.wait(10)
    own.index_trial(RECIPE, TAGS)
    indexed.set()
    closer.join()
    assert [run.info.status for run in mlflow_runs(runs)] == ["FINISHED"]


def test_runs_finished_since_they_were_read_are_not_closed_again(runs):
    first_writer = writer(runs)
    first_writer.open_run(RECIPE, TAGS)
    writer(runs).index_trial(RECIPE, TAGS)
    assert first_writer.close_abandoned_runs() == 0


def test_a_killed_creation_leaves_no_store(runs):
    """A kill while MLflow makes the tables leaves a file of another name, which the next command removes."""
    (runs / "mlflow.db").unlink()
    (runs / "mlflow.99.tmp").write_bytes(b"half a store")
    (runs / "mlflow.99.tmp-journal").write_bytes(b"half a transaction")
    writer(runs).index_trial(RECIPE, TAGS)
    assert not list(runs.glob("mlflow.*tmp*")) and len(mlflow_runs(runs)) == 1


def no_database(path) -> None:
    path.write_bytes(b"no database " * 1000)


def cut_in_half(path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def half_migrated(path) -> None:
    """As a kill left it when MLflow made its tables in place: the next start fails with `duplicate column name`."""
    with sqlite3.connect(path) as database:
        database.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")
        database.execute("DROP TABLE model_version_tags")


def of_a_newer_mlflow(path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")


def test_only_a_command_that_may_repair_sets_a_store_aside(runs):
    no_database(runs / "mlflow.db")
    with pytest.raises(ConnectionError, match="cannot be used"):
        writer(runs)
    assert not list(runs.glob("*unreadable*"))


@pytest.mark.parametrize("damage", [cut_in_half, half_migrated, of_a_newer_mlflow])
def test_a_store_that_cannot_be_opened_is_set_aside(runs, empty_store, monkeypatch, damage):
    from bench.tracking import embedded_store

    monkeypatch.setattr(embedded_store, "create", lambda path: copy_with_number(empty_store, path, 12345))
    writer(runs).index_trial(RECIPE, TAGS)
    forget_open_store(runs)
    damage(runs / "mlflow.db")
    repaired = repairing_writer(runs)
    assert repaired.set_aside.stat().st_size > 0
    assert not is_indexed(runs, RECIPE.key, TAGS)  # although mlflow.json says so: that was the other store
    repaired.index_trial(RECIPE, TAGS)
    assert len(mlflow_runs(runs)) == 1 and is_indexed(runs, RECIPE.key, TAGS)


def copy_with_number(store, path, number: int) -> None:
    """What embedded_store.create does, without MLflow's seconds."""
    shutil.copy(store, path)
    with sqlite3.connect(path) as database:
        database.execute(f"PRAGMA user_version = {number}")


def repairing_writer(runs):
    from bench.tracking.mlflow_writer import MlflowWriter

    return MlflowWriter(runs, repair=True)


def forget_open_store(runs) -> None:
    """Make the next writer open the file, as another process does; MLflow keeps the stores of a process open."""
    from mlflow.tracking._tracking_service import utils

    from bench.tracking import embedded_store

    embedded_store.close(runs / "mlflow.db")
    utils._tracking_store_registry._get_store_with_resolved_uri.cache_clear()


def test_a_locked_store_is_not_set_aside(runs, monkeypatch):
    writer(runs).index_trial(RECIPE, TAGS)
    forget_open_store(runs)
    monkeypatch.setattr(sqlite3, "connect", functools.partial(sqlite3.connect, timeout=0.1))  # not 5 s
    with sqlite3.connect(runs / "mlflow.db", isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(ConnectionError, match="locked"):
            repairing_writer(runs)
        other.execute("ROLLBACK")
    assert len(mlflow_runs(runs)) == 1 and not list(runs.glob("*unreadable*"))


def test_other_teams_experiments_of_a_shared_store_stay_as_they_are(runs, empty_store, tmp_path, monkeypatch):
    from mlflow import MlflowClient

    monkeypatch.chdir(tmp_path)  # where MLflow puts the artifacts of such a store
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'shared.db'}")
    shutil.copy(empty_store, tmp_path / "shared.db")
    client = MlflowClient(f"sqlite:///{tmp_path / 'shared.db'}")
    deleted = client.create_experiment("theirs")
    same_name = client.create_experiment("digits · smoke")
    kept = client.create_experiment("theirs too")
    for experiment_id in (deleted, same_name):
        client.delete_experiment(experiment_id)
    run_id = client.create_run(kept).info.run_id
    before = [client.get_experiment(e) for e in (deleted, same_name, kept)]
    ours = writer(runs)
    ours.index_trial(RECIPE, TAGS)
    assert ours.close_abandoned_runs() == 0 and client.get_run(run_id).info.status == "RUNNING"
    assert [dict(client.get_experiment(e)) for e in (deleted, same_name, kept)] == [dict(e) for e in before]
    (name,) = ours.experiment_ids
    assert name.startswith("digits · smoke · ")
    client.delete_experiment(ours.experiment_ids[name])
    writer(runs).index_trial(RECIPE, TAGS)  # ours is restored: its trials' directories still exist
    assert client.get_experiment_by_name(name).lifecycle_stage == "active"


def test_a_store_that_cannot_be_reached_is_one_line(runs, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://someone:hunter2@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(ConnectionError, match="cannot be used: start the server, or unset") as error:
        writer(runs)
    assert "\n" not in str(error.value) and "hunter2" not in str(error.value) and "127.0.0.1:9" in str(error.value)


def test_measurements_on_few_images_have_metrics_of_their_own():
    """Otherwise one chart would show SA of 64 images on top of SA of all."""
    from bench.tracking.mlflow_metrics import measurement_metrics

    row = {"lam": 0.3, "width": 1.0, "attack": "pgd7", "n": 64, "clean_correct": 48, "robust_correct": 32}
    every_name = ["SA", "SA λ 0.3", "RA.pgd7", "RA.pgd7 λ 0.3"]
    for few_images, names in ((False, every_name), (True, ["SA.few", "RA.pgd7.few"])):
        entry = {"measurement": ACCURACY | {"few_images": few_images}, "rows": [row]}
        assert [metric.key for metric in measurement_metrics(entry, 0)] == names


def test_ra_from_the_starts_of_another_seed_is_no_point_of_the_curve(runs):
    """Earlier versions attacked every network from the starts of seed 0: such counts stay apart from new ones."""
    add_measurement(runs, "m2", ACCURACY | {"seed": 3}, accuracy_row("pgd7", 35))
    writer(runs).index_trial(RECIPE, TAGS)
    logged = metrics(runs)
    assert RECIPE.seed == 0 and logged["RA.pgd7"] == [(400, 40)] and logged["RA.pgd7.start3"] == [(400, 35)]


@pytest.mark.parametrize("damage", [b"", b"\x00" * 13, b"other text", b"\xff"])
def test_a_damaged_id_is_taken_from_the_records_of_indexed_trials(runs, damage):
    """With a new id, the store would get a second run of every network."""
    writer(runs).index_trial(RECIPE, TAGS)
    whole = (runs / "id").read_bytes()
    (runs / "id").write_bytes(damage)
    writer(runs).index_trial(RECIPE, TAGS)
    assert (runs / "id").read_bytes() == whole and (runs / "id.damaged").read_bytes() == damage
    assert len(mlflow_runs(runs)) == 1
