"""Files → frames: the plans and learning rates that count, and broken files."""

import json

import pytest

from reports.load.panels import View, load_view
from reports.load.plans import read_plans
from reports.load.trials import read_trial, select_learning_rates
from tests.reports import synthetic

KEEP = {"attack": ["pgd7"], "width": [1.0]}


def view(runs, scale="laptop", figure="fig4") -> View:
    return load_view(read_plans(runs)[0], runs, figure, scale, KEEP)


def test_stand_ins_collapse_into_one_panel_and_count_each_network_once(tmp_path):
    synthetic.laptop(tmp_path)
    (panel,) = view(tmp_path).panels
    assert panel.title == "digits, WRN-10-1" and panel.subtitle == "stands in for SVHN, CIFAR-10, STL-10"
    assert len(panel.trials) == 24 and panel.missing_text == ""
    assert len(panel.points) == 3 * (6 + 6 + 6)
    assert not panel.points.duplicated(["label", "seed", "lam"]).any()


def test_the_users_images_stand_in_for_nothing_and_pooling_is_named(tmp_path):
    trials = synthetic.networks("pets", seeds=(0,))
    for trial in trials:
        trial["recipe"]["pool"] = 2
    synthetic.write_plan(
        tmp_path, [synthetic.panel(trials, "pets", name) | {"own": True} for name in ("svhn", "stl10")]
    )
    (panel,) = view(tmp_path).panels
    assert (panel.title, panel.subtitle) == ("pets, WRN-10-1", "pooled 2 × 2")
    overridden = synthetic.panel(trials, "fashion-mnist-8k", overrides={"pool": "2"}) | {"own": False}
    synthetic.write_plan(tmp_path, [overridden], "short")
    (panel,) = view(tmp_path, "short").panels
    assert (panel.title, panel.subtitle) == ("Fashion-MNIST-8k, WRN-10-1", "stands in for SVHN; pool=2")


def test_panels_come_in_the_papers_order_from_several_plans(tmp_path):
    for minute, name in enumerate(("stl10", "cifar10", "svhn")):
        trials = synthetic.networks(name, seeds=(0,))
        created = f"2026-11-20T10:0{minute}:00+00:00"
        synthetic.write_plan(tmp_path, [synthetic.panel(trials, name, name)], "short", created)
    loaded_view = view(tmp_path, "short")
    assert [panel.dataset for panel in loaded_view.panels] == ["svhn", "cifar10", "stl10"]
    assert len(loaded_view.plans) == 3 and all(panel.subtitle == "" for panel in loaded_view.panels)


def test_newest_plan_wins_and_other_overrides_are_another_panel(tmp_path):
    old, new = synthetic.networks(seeds=(0,)), synthetic.networks(seeds=(0, 1))
    changed = synthetic.panel(synthetic.networks(lrs=(0.05,)), overrides={"protocol": "authors-code"})
    synthetic.write_plan(tmp_path, [synthetic.panel(new)], created="2026-11-20T12:00:00+02:00")  # 10:00 UTC
    synthetic.write_plan(tmp_path, [synthetic.panel(old), changed], created="2026-11-20T09:30:00+00:00")
    panels = view(tmp_path).panels
    assert [len(panel.trials) for panel in panels] == [16, 24]
    assert panels[1].subtitle == "stands in for SVHN; protocol=authors-code"


def test_learning_rate_is_chosen_on_held_out_images_even_where_test_accuracy_says_otherwise(tmp_path):
    trials = synthetic.networks(seeds=(0, 1), lrs=(0.1, 0.05))
    synthetic.write_plan(tmp_path, [synthetic.panel(trials)])
    for trial in trials:
        scores = {0.1: (0.80, 0.70), 0.05: (0.76, 0.78)}[
            trial["lr"]
        ]  # 0.1 has the best single seed, 0.05 the best mean
        lambdas = synthetic.S1 if trial["lam"] is None else (trial["lam"],)
        counts = dict.fromkeys(lambdas, (440, 300) if trial["lr"] == 0.1 else (400, 100))
        synthetic.finish(tmp_path, [trial], score=scores[trial["seed"]], counts=counts)
    (panel,) = view(tmp_path).panels
    assert set(panel.points.lr) == {0.05} and set(panel.points.robust_correct) == {100}
    assert panel.trials.groupby("lr").drawn.all().to_dict() == {0.05: True, 0.1: False}


def test_learning_rates_compete_within_a_network_only(tmp_path):
    trials = [trial for trial in synthetic.networks(seeds=(0,), lrs=(0.1, 0.01)) if trial["lam"] in (0.0, 1.0)]
    synthetic.write_plan(tmp_path, [synthetic.panel(trials)])
    best = {0.0: 0.01, 1.0: 0.1}
    for trial in trials:
        synthetic.finish(tmp_path, [trial], score=0.9 if best[trial["lam"]] == trial["lr"] else 0.5)
    points = view(tmp_path).points
    assert dict(zip(points.lam, points.lr, strict=True)) == best


def test_missing_failed_and_corrupted_are_told_apart_and_none_crashes(tmp_path):
    trials = synthetic.networks(seeds=(0,))
    synthetic.write_plan(tmp_path, [synthetic.panel(trials)])
    synthetic.finish(tmp_path, trials[3:])
    synthetic.fail(tmp_path, trials[1])
    broken = tmp_path / "trials" / trials[2]["key"] / "results.json"
    broken.parent.mkdir()
    broken.write_text('{"key": "tru')
    impossible = synthetic.results(trials[3], counts={0.3: (451, 2)})
    synthetic.write(tmp_path / "trials" / trials[3]["key"] / "results.json", impossible)
    (panel,) = view(tmp_path).panels
    state = panel.trials.set_index("key")
    statuses = ["missing", "failed", "unreadable", "unreadable", "done"]
    assert [state.status[trial["key"]] for trial in trials[:5]] == statuses
    assert state.note[trials[1]["key"]] == "loss is NaN <at epoch 3>"
    assert "impossible counts" in state.note[trials[3]["key"]]
    assert panel.missing_text == "4 of 8 networks missing"


@pytest.mark.parametrize("broken", ["null", "[]", "{}", '{"measurements": {}}', "\xff"])
def test_any_corruption_is_a_missing_network_with_a_note(tmp_path, broken):
    trial = synthetic.networks(seeds=(0,))[0]
    (tmp_path / "trials" / trial["key"]).mkdir(parents=True)
    (tmp_path / "trials" / trial["key"] / "results.json").write_bytes(broken.encode("latin-1"))
    known, rows = read_trial(tmp_path, trial)
    assert known["status"] == "unreadable" and known["note"] and rows == []


def test_rows_of_other_attacks_and_measurements_are_left_out(tmp_path):
    trials = synthetic.networks(seeds=(0,))
    synthetic.write_plan(tmp_path, [synthetic.panel(trials)])
    synthetic.finish(tmp_path, trials)
    path = tmp_path / "trials" / trials[0]["key"] / "results.json"
    content = json.loads(path.read_text())
    (measured,) = content["measurements"].values()
    measured["rows"].append({**measured["rows"][0], "attack": "fgsm"})
    content["measurements"]["another"] = measured
    path.write_text(json.dumps(content))
    assert len(view(tmp_path).points) == 18


def test_unreadable_plan_is_noted(tmp_path):
    synthetic.laptop(tmp_path)
    (tmp_path / "plans" / "half.json").write_text('{"panels": [')
    plans, notes = read_plans(tmp_path)
    assert len(plans) == 1 and "half.json" in notes[0]


def test_an_unfinished_grid_is_decided_by_its_finished_networks(tmp_path):
    trials = synthetic.networks(seeds=(0, 1), lrs=(0.1, 0.05))
    synthetic.write_plan(tmp_path, [synthetic.panel(trials)])
    synthetic.finish(tmp_path, [trial for trial in trials if trial["lr"] == 0.1 and trial["seed"] == 0], score=0.2)
    (panel,) = view(tmp_path).panels
    table = select_learning_rates(panel.trials)
    assert set(table.lr[table.won]) == {0.1} and set(panel.points.seed) == {0}
    assert panel.missing_text == "24 of 32 networks missing"
