"""Parent runs of curves, and the drawn figures, on a real store."""

import shutil
from unittest.mock import Mock

import pytest

from bench.damaged_files import write_sealed
from bench.tracking.experiment_page import TAG, view_state
from bench.tracking.figures_run import log_report
from bench.tracking.run_tags import UNPLANNED
from tests.recipes import oat, pgd_at
from tests.tracking.test_mlflow_writer import RECIPE, TAGS, all_runs, forget_open_store, write_trial, writer

NETWORKS = {RECIPE: 40, pgd_at(0.4, seed=1): 50, pgd_at(0.0): 10, oat(): 30}  # correct of 100 under attack
PLAN = {"scale": "smoke", "panels": [{"dataset": "digits", "figures": ["fig4", "fig8"]}]}


@pytest.fixture
def gallery(runs):
    """A runs directory with four indexed networks: three of PGD-AT, one of OAT."""
    for recipe, correct in NETWORKS.items():
        if recipe != RECIPE:
            write_trial(runs, correct, recipe=recipe)
    index(runs)
    return runs


def index(runs, recipes=tuple(NETWORKS)) -> None:
    """What `run` and `ingest` do."""
    ours = writer(runs)
    for recipe in recipes:
        ours.index_trial(recipe, TAGS)
    ours.complete([PLAN])


def by_name(runs) -> dict:
    return {run.info.run_name: run for run in all_runs(runs)}


def curve(runs, name: str, metric: str) -> list[tuple[int, float]]:
    history = writer(runs).client.get_metric_history(by_name(runs)[name].info.run_id, metric)
    return sorted((point.step, point.value) for point in history)


FRONTIER, OAT = "pgd-at", "oat-dual ro-16"  # beside each other, without what both share
FRONTIER_ALONE = "pgd-at · digits · wrn-10-1 · lr 0.1"


def test_seeds_are_nested_under_the_mean_curve_and_the_frontier_is_joined(gallery):
    named = by_name(gallery)
    assert set(named) == {FRONTIER, OAT, *(recipe.name for recipe in NETWORKS)}
    assert curve(gallery, FRONTIER, "RA.pgd7") == [(0, 10), (400, 45)]  # λ = 0.4 is the mean of 40 and 50
    assert curve(gallery, FRONTIER, "RA.pgd7 λ 0.4") == [(0, 45)]
    assert curve(gallery, OAT, "SA") == [(step, 90) for step in (0, 100, 200, 300, 400, 1000)]
    for recipe in NETWORKS:
        parent = named[FRONTIER if recipe.method == "pgd_at" else OAT]
        assert named[recipe.name].data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert named[recipe.name].data.tags["mlflow.runColor"] == parent.data.tags["mlflow.runColor"]
    assert named[FRONTIER].data.tags["seed"] == "0 1" and named[FRONTIER].info.status == "FINISHED"
    assert named[FRONTIER].data.tags["mlflow.runColor"] != named[OAT].data.tags["mlflow.runColor"]
    starts = {run.info.start_time for name, run in named.items() if name in (FRONTIER, OAT)}
    assert max(starts) < min(named[recipe.name].info.start_time for recipe in NETWORKS)  # so, MLflow lists curves first


def described(runs) -> dict:
    """What the store holds, without ids of runs and the times of metrics."""
    client, described_runs = writer(runs).client, {}
    for name, run in by_name(runs).items():
        points = {metric: client.get_metric_history(run.info.run_id, metric) for metric in run.data.metrics}
        history = {metric: {(point.step, point.value) for point in points[metric]} for metric in points}
        tags = {tag: value for tag, value in run.data.tags.items() if tag not in ("mlflow.parentRunId", "mlflow.user")}
        parent = run.data.tags.get("mlflow.parentRunId")
        above = client.get_run(parent).info.run_name if parent else None
        duration = run.info.end_time - run.info.start_time
        described_runs[name] = above, history, run.data.params, tags, duration
    return described_runs


def test_completing_twice_changes_nothing_and_a_lost_store_is_made_the_same_again(gallery, empty_store):
    before, ids = described(gallery), {run.info.run_id for run in all_runs(gallery)}
    index(gallery)
    assert described(gallery) == before and {run.info.run_id for run in all_runs(gallery)} == ids
    forget_open_store(gallery)
    shutil.copy(empty_store, gallery / "mlflow.db")
    index(gallery, reversed(NETWORKS))
    assert described(gallery) == before and not {run.info.run_id for run in all_runs(gallery)} & ids


def test_a_further_seed_changes_the_mean(gallery):
    seed_2 = pgd_at(0.4, seed=2)
    write_trial(gallery, 60, recipe=seed_2)
    index(gallery, [seed_2])
    assert curve(gallery, FRONTIER, "RA.pgd7") == [(0, 10), (400, 50)]
    named = by_name(gallery)
    parents = {named[recipe.name].data.tags["mlflow.parentRunId"] for recipe in (RECIPE, seed_2, pgd_at(0.0))}
    assert parents == {named[FRONTIER].info.run_id} and named[FRONTIER].data.tags["seed"] == "0 1 2"


def test_networks_are_nested_while_they_train(runs):
    writer(runs).open_run(RECIPE, TAGS)
    named = by_name(runs)
    assert named[RECIPE.name].data.tags["mlflow.parentRunId"] == named[FRONTIER].info.run_id
    writer(runs).index_trial(RECIPE, TAGS)
    writer(runs).complete([])
    assert by_name(runs)[FRONTIER_ALONE].info.run_id == named[FRONTIER].info.run_id  # filled, not made again
    assert curve(runs, FRONTIER_ALONE, "SA") == [(400, 90)]


def test_a_curve_s_run_that_a_kill_left_half_written_is_made_anew(runs, monkeypatch):
    from bench.tracking import curve_runs  # imports MLflow

    writer(runs).index_trial(RECIPE, TAGS)
    with monkeypatch.context() as killed, pytest.raises(KeyboardInterrupt):
        killed.setattr(curve_runs, "set_tags", Mock(side_effect=KeyboardInterrupt))  # after the metrics
        writer(runs).complete([])
    half_written = by_name(runs)[FRONTIER_ALONE]
    assert half_written.data.metrics and "figure" not in half_written.data.tags
    writer(runs).complete([])
    named = by_name(runs)
    assert set(named) == {FRONTIER_ALONE, RECIPE.name} and named[FRONTIER_ALONE].data.tags["figure"] == "fig4"
    assert named[RECIPE.name].data.tags["mlflow.parentRunId"] == named[FRONTIER_ALONE].info.run_id


def test_a_curve_leaves_no_run_behind_when_its_networks_move_to_a_suite_s_experiment(runs):
    for tags in (UNPLANNED, TAGS):
        writer(runs).index_trial(RECIPE, tags)
        writer(runs).complete([])
    assert {run.info.run_name for run in all_runs(runs)} == {FRONTIER_ALONE, RECIPE.name} and len(all_runs(runs)) == 2


def draw(report, content: bytes, scale: str = "smoke") -> None:
    """Write a report with one figure."""
    report.mkdir(exist_ok=True)
    (report / "fig4.png").write_bytes(content)
    (report / "index.html").write_text('<img src="fig4.png" alt=""><img src="absent.png">')
    write_sealed(report / "fig4.json", {"scale": scale})


def test_figures_and_report_are_linked_from_experiment_and_curves(gallery):
    draw(gallery / "report", b"image")
    index(gallery, [])
    named = by_name(gallery)
    figures, client = named["figures"], writer(gallery).client
    address = f"/#/experiments/{figures.info.experiment_id}/runs/{figures.info.run_id}/artifacts"
    note = client.get_experiment(figures.info.experiment_id).tags["mlflow.note.content"]
    drawn = f"[fig4]({address}/figures/fig4.png?workflowType=machine_learning)"
    assert drawn in note and f"({address}/report/index.html?" in note and "fig8" not in note
    assert drawn in named[FRONTIER].data.tags["mlflow.note.content"]
    (page,) = gallery.glob("artifacts/**/report/index.html")
    assert page.read_text() == '<img src="data:image/png;base64,aW1hZ2U=" alt=""><img src="absent.png">'


def test_redrawing_a_figure_does_not_change_the_logged_one(gallery):
    for content, scale in ((b"smoke's", "smoke"), (b"laptop's", "laptop")):
        draw(gallery / "report", content, scale)
        log_report(writer(gallery), gallery / "report", [PLAN])
    (logged,) = gallery.glob("artifacts/**/fig4.png")
    assert logged.read_bytes() == b"smoke's"


def test_an_experiment_of_an_earlier_version_gets_the_view(gallery):
    ours = writer(gallery)
    (experiment_id,) = {run.info.experiment_id for run in all_runs(gallery)}
    ours.client.set_experiment_tag(experiment_id, TAG, "{}")
    index(gallery, [RECIPE])
    assert ours.client.get_experiment(experiment_id).tags[TAG] == view_state()
