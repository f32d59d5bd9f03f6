"""`forget`: a plan goes, its networks stay, and the report no longer has its figures."""

import io

import pytest
from rich.console import Console

from bench import stored_plans
from bench.damaged_files import write_sealed
from bench.errors import BadInput
from bench.run.forget_command import forget
from tests.finished_runs import write_runs


def printed(name, runs) -> str:
    console = Console(file=io.StringIO(), width=1000)
    forget(name, runs, console)
    return console.file.getvalue()


def test_a_plan_goes_and_its_networks_stay(tmp_path, monkeypatch):
    runs = write_runs(tmp_path, monkeypatch)
    (runs / "report").mkdir()
    for name in ("fig4.csv", "fig4.json", "fig8.json"):
        (runs / "report" / name).write_text("")
    lines = printed("second", runs)
    assert "forgot the plan second-smoke-" in lines and "it comes back with: python -m bench run second.yaml" in lines
    assert "its 2 networks stay, 2 of them in other plans too" in lines and "clean unplanned" in lines
    assert [path.name[:6] for path in (runs / "plans").iterdir()] == ["first-"]
    assert (runs / "report" / "fig4.csv").exists()  # of the other plan too
    assert "no other plan has fig4" in printed("first", runs)
    assert [path.name for path in (runs / "report").iterdir()] == ["fig8.json"]  # of another runs directory's report
    assert len(list((runs / "trials").iterdir())) == 2


@pytest.mark.parametrize("figure", ["../../kept", "/kept", ".", "", 3])
def test_a_plan_whose_figures_lead_out_of_the_folder_deletes_nothing(tmp_path, monkeypatch, figure):
    """As one that `import` took from an archive may."""
    runs = write_runs(tmp_path, monkeypatch)
    (path,) = runs.glob("plans/second-*.json")
    plan = stored_plans.read_plan(path)
    write_sealed(path, plan | {"panels": [plan["panels"][0] | {"figures": [figure]}]})
    (runs / "report").mkdir()
    (tmp_path / "kept.csv").write_text("of something else")
    printed("second", runs)
    assert (tmp_path / "kept.csv").exists() and not path.exists()


NAMES = r"first-smoke-\w+, second-smoke-\w+"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("third", f"no plan in .* begins so: there are {NAMES}"),
        ("", f"no plan in .* begins so: there are {NAMES}"),  # of a shell's unset variable
    ],
)
def test_a_name_of_no_plan_or_of_several_is_one_line(tmp_path, monkeypatch, name, message):
    runs = write_runs(tmp_path, monkeypatch)
    with pytest.raises(BadInput, match=f"plan {name}: {message}"):
        forget(name, runs, Console())
    assert len(list((runs / "plans").iterdir())) == 2
