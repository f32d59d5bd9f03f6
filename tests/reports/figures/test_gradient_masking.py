"""Signs of gradient masking and transfer: exact tests, drawings, and the note in a claim's verdict."""

import json

import pytest
from scipy.stats import binomtest

from bench.measures import result_schema
from reports.claims import judge
from reports.figures import FIGURES
from reports.load.panels import load_view
from reports.load.plans import read_plans
from reports.page import report_pages
from reports.statistics.gradient_masking import LEVEL, SIGNS, Sign, failed_signs, signs, verdict_note
from reports.statistics.transfer_matrix import sign_test
from tests.reports.claims_world import suites

MASKING, MASKING_WIDTHS = FIGURES["masking"], FIGURES["masking-widths"]
TRANSFER, JOINT = FIGURES["transfer"], FIGURES["joint"]
HONEST = {"lam": 0.3, "width": 1.0, "n": 100, "clean_correct": 95, "margin": 2, "zero_gradients": 0, "saturated": 9}
HONEST |= {"steps": [[7, 48], [20, 46], [50, 45]], "restarts": [[1, 45], [5, 40]], "robust_images": list(range(40))}
HONEST |= {"queries": 200, "square": 1, "epsilons": [[0.2, 3], [0.4, 0]]}
LENT = {"lam": 0.3, "width": 1.0, "n": 100, "surrogate": "b" * 16, "surrogate_name": "pgd-at λ=1"}


def parsed(*measured: dict, key: str = "k") -> list[dict]:
    measurement = {"probe": "masking", "epsilon": 0.1}
    return [row | {"key": key} for row in result_schema.parse({"measurement": measurement, "rows": list(measured)})]


class Rows:
    def __init__(self, probes):
        self.probes = probes


def fails(**changed) -> list[str]:
    return failed_signs(Rows(parsed(HONEST | changed))).get("k", [])


def test_an_honest_network_fails_nothing():
    assert fails() == []
    assert failed_signs(Rows(parsed(HONEST, LENT | {"fooled_images": list(range(40, 100))}))) == {}


@pytest.mark.parametrize(
    ("changed", "sign"),
    [
        ({"steps": [[7, 90], [20, 80], [50, 50]], "restarts": [[1, 50], [5, 45]]}, "steps"),
        ({"restarts": [[1, 70], [5, 40]]}, "restarts"),
        ({"epsilons": [[0.2, 40], [0.4, 30], [1.0, 25]]}, "large ε"),
        ({"square": 20}, "Square"),
        ({"margin": 30}, "margin loss"),
        ({"zero_gradients": 60}, "no gradient"),
    ],
)
def test_each_sign_is_detected_by_itself(changed, sign):
    assert fails(**changed) == [sign]


def test_transfer_counts_only_images_that_withstand_the_white_box():
    lent = LENT | {"fooled_images": list(range(20, 100))}  # 20 of the 40 that withstand, and 60 others
    by_name = {sign.name: sign for sign in signs(parsed(HONEST, lent))}
    assert by_name["transfer"].count == 20 and by_name["transfer"].fails
    assert "transfer" not in {sign.name for sign in signs(parsed(HONEST))}


def test_no_robust_images_are_no_sign():
    """λ=0: PGD fools everything, so ε need not grow."""
    none = {"steps": [[7, 0], [20, 0], [50, 0]], "restarts": [[1, 0], [5, 0]], "robust_images": [], "epsilons": []}
    assert fails(**none, square=0, margin=0) == []


@pytest.mark.parametrize("name", SIGNS)
@pytest.mark.parametrize("n", [100, 256, 1000])
def test_the_limit_is_the_least_count_that_scipys_exact_test_rejects(name, n):
    limit = Sign(name, 0, n, 7, {}).limit
    for count, rejected in ((limit - 1, False), (limit, True)):
        p = binomtest(count, n, SIGNS[name], alternative="greater").pvalue
        assert (p <= LEVEL / 7) == rejected == Sign(name, count, n, 7, {}).fails
        assert Sign(name, count, n, 7, {}).p == pytest.approx(p)


def test_the_tests_of_a_network_share_the_level():
    other = HONEST | {"lam": 1.0}
    network_signs = signs(parsed(HONEST, other) + parsed(HONEST, key="another"))
    assert {sign.row["key"]: sign.tests for sign in network_signs} == {"k": 12, "another": 6}


@pytest.mark.parametrize("broken", [{"margin": 101}, {"steps": [[7, -1]]}, {"n": 0}, {"epsilons": [[0.2, 900]]}])
def test_impossible_counts_are_damage(broken):
    with pytest.raises(ValueError, match="impossible"):
        parsed(HONEST | broken)


def test_the_verdict_note():
    assert verdict_note(0) == "" and verdict_note(1) == "but 1 network shows signs of masked gradients"
    assert verdict_note(3) == "but 3 networks show signs of masked gradients"


# --- whole reports


def mask(runs, keep) -> list[str]:
    """Give the networks chosen by `keep` a failed sign, and return their keys."""
    keys = []
    for path in runs.glob("trials/*/results.json"):
        content = json.loads(path.read_text())
        for entry in content["measurements"].values():
            measurement = entry["measurement"]
            if measurement["probe"] == "masking" and not measurement["surrogate"] and keep(content["recipe"]):
                entry["rows"][-1]["square"] = 35
                keys.append(path.parent.name)
        path.write_text(json.dumps(content))
    return keys


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    suites(folder, ["frontiers", "masking", "modern"], seeds=2)
    return folder


def test_a_verdict_counts_its_networks_with_masked_gradients(runs, tmp_path):
    plans, _ = read_plans(runs)
    judge.write(plans, runs, tmp_path, {"fig4": "laptop"})
    before = {claim["id"]: claim for claim in json.loads((tmp_path / "claims.json").read_text())["claims"]}
    assert {claim["but"] for claim in before.values()} == {""}
    saved = {path: path.read_text() for path in runs.glob("trials/*/results.json")}
    keys = mask(runs, lambda recipe: recipe["norm"] == "dual" and not recipe["widths"])
    judge.write(plans, runs, tmp_path, {"fig4": "laptop"})
    caption = MASKING.caption(view(runs, "masking"))
    for path, text in saved.items():
        path.write_text(text)
    report_pages.write_pages(tmp_path)
    after = {claim["id"]: claim for claim in json.loads((tmp_path / "claims.json").read_text())["claims"]}
    assert len(keys) == 2 and after[1]["but"] == "but 2 networks show signs of masked gradients"
    assert {i: claim["verdict"] for i, claim in after.items()} == {i: claim["verdict"] for i, claim in before.items()}
    assert after[6]["but"] == ""  # costs are not accuracies
    for page in ("index.html", "README.md"):
        assert "but 2 networks show signs of masked gradients" in (tmp_path / page).read_text()
    csv = (tmp_path / "claims.csv").read_text()
    assert " ".join(sorted(keys)) in csv
    assert caption.startswith("2 of 16 networks fail a sign")


def view(runs, name):
    plans, _ = read_plans(runs)
    return load_view(plans, runs, name, "laptop", FIGURES[name].keep)


def test_the_page_has_a_row_per_network_and_lambda(runs):
    (table,) = MASKING.summary(view(runs, "masking"))
    assert len(table["rows"]) == 2 * (6 + 2 * 3)
    by_name = {(row["Network"], row["λ"]): row for row in table["rows"]}
    assert by_name["pgd-at λ=1, seed 0", "1"]["transfer finds"] == "is the surrogate"
    row = by_name["oat-dual, seed 1", "0.3"]
    assert row["RA after 7 / 20 / 50 steps"] == "48 / 46 / 45" and row["RA at larger ε"] == "3 at 4ε, 0 at 6.67ε"
    assert row["transfer finds"] == "1" and row["Fails"] == "none of 7" and row["no gradient (CE = 0)"] == "0 (4)"
    assert len(MASKING.csv(view(runs, "masking"))) == 7 * len(table["rows"]) - 2  # lenders have no transfer


def test_the_table_drawn_has_the_largest_shares(runs):
    (ax,) = MASKING.draw(view(runs, "masking")).axes
    cells = {text.get_position(): text.get_text() for text in ax.texts}
    columns = [cells[place, -1].replace("\n", " ") for place in range(4)]
    cells = {(columns[place], row): text for (place, row), text in cells.items() if row in range(len(SIGNS))}
    rows = {name: place for place, name in enumerate(SIGNS)}
    shares = {"steps": "1.0 %", "Square": "1.0 %", "margin loss": "2.0 %", "restarts": "5.0 %", "no gradient": "0"}
    for label in ("PGD-AT", "OAT (dual BN)"):
        assert {name: cells[label, rows[name]] for name in shares} == shares
    assert all(int(cells["fails from", row].split()[0]) >= 12 for row in rows.values()) and not ax.patches


def test_the_matrix_is_drawn_as_measured(runs):
    chosen = view(runs, "transfer")
    axes = TRANSFER.draw(chosen).axes
    assert {ax.get_title() for ax in axes} == {"OAT (normal BN)", "OAT (dual BN)"}
    for ax in axes:
        texts = {(round(t.get_position()[0], 2), t.get_position()[1]): t.get_text() for t in ax.texts}
        assert [texts[i, i] for i in range(6)] == ["50.0"] * 6
        assert texts[3, 1] == "52.0" and texts[1, 3] == "52.0" and texts[5, 0] == "55.0"
        assert texts[6.35, 2] == "46.0" and texts[7.35, 2] == "45.0"
        assert ((8.35, 0) in texts) == ("dual" in ax.get_title())


def test_transfer_csv_and_table_have_every_choice_of_the_attacker(runs):
    table = TRANSFER.csv(view(runs, "transfer"))
    dual = table[(table.method == "OAT (dual BN)") & (table.seed == 0) & (table["lambda"] == 0.1)]
    assert dict(zip(dual.crafted_at, dual.ra, strict=True)) == {
        **{"0": 51, "0.1": 50, "0.2": 51, "0.3": 52, "0.4": 53, "1": 54},
        **{"worst": 46, "same_tries": 45, "other_branch": 60, "worst_with_branch": 44},
    }
    (summary,) = TRANSFER.summary(view(runs, "transfer"))
    row = next(row for row in summary["rows"] if (row["Method"], row["λ"]) == ("OAT (dual BN)", "0.1"))
    assert row["at the worst other λ′"] == "51.0 (λ′ = 0)" and row["the latter − the former"].startswith("−1.0")
    assert row["fooled by some λ′ alone : by starts alone"] == "20 : 40" and row["through the other BN"] == "60.0"
    assert float(row["p"]) > 0.5


def test_at_every_width_the_signs_of_a_network_share_one_level(runs):
    chosen = view(runs, "masking-widths")
    (table,) = MASKING_WIDTHS.summary(chosen)
    assert len(table["rows"]) == 2 * 3 * (6 + 3)  # PGD-ATS at its own λ, OATS at the scale's few
    assert {"oats-dual, seed 0", "oats-dual, seed 0, width 0.5"} <= {row["Network"] for row in table["rows"]}
    csv = MASKING_WIDTHS.csv(chosen)
    assert set(csv.width) == {0.5, 0.75, 1.0} and "λ and widths" in MASKING_WIDTHS.caption(chosen)
    assert {sign.tests for panel in chosen.panels for sign in signs(panel.probes)} == {9 * 7, 3 * 7, 3 * 6}


def test_every_attack_across_lambda_has_a_row(runs):
    chosen = view(runs, "joint")
    axes = JOINT.draw(chosen).axes
    assert len(axes) == 4 and {ax.get_title() for ax in axes} == {"OAT (normal BN)", "OAT (dual BN)"}
    tables = JOINT.summary(chosen)
    assert [table["below"].rpartition("; ")[2] for table in tables] == ["AutoAttack", "PGD-50"]
    for table, joint in zip(tables, (None, "47.0"), strict=True):
        assert {row.get("one perturbation for all λ") for row in table["rows"]} == {joint}
    csv = JOINT.csv(chosen)
    assert set(csv[csv.crafted_at == "joint"].attack) == {"pgd50"} and "sum of the losses" in JOINT.caption(chosen)


def test_the_sign_test_agrees_with_scipy():
    for lost, won in ((12, 0), (9, 4), (0, 0), (3, 9)):
        expected = binomtest(lost, lost + won, 0.5, alternative="greater").pvalue if lost + won else 1.0
        assert sign_test(lost, won) == pytest.approx(expected)


def test_networks_that_are_not_measured_leave_a_gap(runs, tmp_path):
    empty = tmp_path / "runs"
    (empty / "plans").mkdir(parents=True)
    for path in (runs / "plans").glob("*.json"):
        (empty / "plans" / path.name).write_text(path.read_text())
    for name, spec in (("masking", MASKING), ("transfer", TRANSFER)):
        nothing = view(empty, name)
        assert "missing" in spec.caption(nothing) and not len(spec.csv(nothing))
        assert "no network has finished" in {text.get_text() for ax in spec.draw(nothing).axes for text in ax.texts}
        assert not any(table["rows"] for table in spec.summary(nothing))
